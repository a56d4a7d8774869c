//! `slotctl status` and `slotctl next-boot`.

use crate::history;
use blackbox::account;
use blackbox::failure::Failure;
use blackbox::motd::Motd;
use blackbox::pstore::Pstore;
use blackbox::ring::{Acknowledged, Ring};
use blackbox::words;
use bootshim::choice::{self, Situation, Slots, StartKind};
use bootshim::copies::{Copy, Note};
use bootshim::hardware::watchdog::Report;
use bootshim::record::{Failure as Noted, NO_DIGEST, Reason, Record, Slot, SlotId, State};
use bootshim::reset::Cause;
use controller::bootshim_update;
use controller::code::Code;
use controller::date::rfc3339;
use controller::disk::Disk;
use controller::efi_variable;
use controller::error::{Error, Result};
use controller::found::Found;
use controller::next_boot;
use controller::plain;
use controller::trust;
use images::hex;
use serde_json::{Value, json};
use slotctl_state::given::{self, LOST, MARK};
use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;
use talk::answer::{Answer, Printer, table};
use watch::events::DIRECTORY;

/// The screen that a technician has, with one line for the next command.
const SCREEN_ROWS: usize = 24;
const SCREEN_COLUMNS: usize = 80;
/// So many lines of a black box, where there is room.
const BOX_ROWS: std::ops::RangeInclusive<usize> = 3..=10;

/// Whether more is done than to look.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A person has seen the last failure: it is no longer said at each login
    #[arg(long)]
    pub acknowledge: bool,
}

pub fn run(disk: &Disk, args: &Args, printer: Printer) -> Result<Answer> {
    match args.acknowledge {
        true => acknowledge(disk, printer),
        false => status(disk, printer),
    }
}

fn acknowledge(disk: &Disk, printer: Printer) -> Result<Answer> {
    if disk.handover().is_none() {
        let path = disk.path().display();
        let found = format!("this controller does not run from {path}");
        return Err(Error::new(Code::NotRunning, found)
            .expected("a failure is acknowledged on the controller itself: what is kept of it lies on its data partition")
            .changed("nothing was written"));
    }
    let (record, _) = disk.read_record()?;
    let ring = Ring::at(Path::new(DIRECTORY));
    let (text, changed) = match record.last_failure {
        None => ("nothing has failed".to_owned(), false),
        Some(failure) if is_seen(&ring, &record, failure) => {
            (format!("acknowledged already: {}", failed(failure)), false)
        }
        Some(failure) => {
            let now = rfc3339(SystemTime::now());
            ring.acknowledge(&Acknowledged::new(record.partition, failure.sequence, now))?;
            history::note(disk, "acknowledged", &failed(failure));
            (format!("acknowledged: {}", failed(failure)), true)
        }
    };
    if let Err(error) = Motd::at(Path::new("/")).end() {
        printer.warn(&error.to_string());
    }
    let mut answer = status(disk, printer)?;
    answer.text = text;
    answer.fields.insert("changed".into(), changed.into());
    Ok(answer)
}

fn failed(failure: Noted) -> String {
    let Noted {
        slot,
        reason,
        stage,
        ..
    } = failure;
    format!("slot {slot}: {reason} ({stage})")
}

fn is_seen(ring: &Ring, record: &Record, failure: Noted) -> bool {
    let seen = ring.acknowledged();
    seen.is_some_and(|seen| seen.is(record.partition, failure.sequence))
}

fn status(disk: &Disk, printer: Printer) -> Result<Answer> {
    // Without its bootshim a disk has no trusted keys; its record is shown all
    // the same, without versions.
    let trusted = trust::keys(disk).unwrap_or_else(|error| {
        printer.warn(&error.to_string());
        images::trust::Trust::direct([])
    });
    let store = disk.store()?;
    let (record, note) = disk.read_record()?;
    let now = Situation {
        passed: Slots::default(),
        can_commit: store.unknown_major().is_none(),
        seed: 0,
    };
    let found = Found::new(disk, record, &trusted);
    let status = Status {
        // By the record alone; `next-boot` verifies the slots too.
        next: choice::first(&found.record, &now),
        bootshim_missing: bootshim_update::is_missing(&found),
        note,
        copies: store
            .copies()
            .iter()
            .filter(|copy| matches!(copy, Copy::Valid(_)))
            .count(),
        watchdog: disk.handover().and_then(|_| efi_variable::watchdog()),
        black_box: disk.handover().map(|_| look(&found.record, printer)),
        state: disk.handover().and_then(|_| state(printer)),
        found,
    };
    Ok(Answer::new(
        status_in_words(&status),
        status_fields(&status),
    ))
}

/// What is said of a disk.
struct Status<'a> {
    found: Found<'a>,
    /// The words beside the record.
    note: Note,
    /// How many copies of the record are valid.
    copies: usize,
    /// What bootshim told of the hardware's watchdog, where this controller runs
    /// from this disk and it told anything.
    watchdog: Option<Report>,
    /// The image that runs brings a bootshim which firmware does not start yet.
    bootshim_missing: bool,
    /// What boots next, if everything verifies.
    next: Option<(SlotId, StartKind)>,
    /// What is kept of the last failure, where this controller runs from this disk.
    black_box: Option<BlackBox>,
    /// What the slot that runs keeps on the data partition, where it keeps state.
    state: Option<Value>,
}

/// What the program in the initramfs has left of it.
fn state(printer: Printer) -> Option<Value> {
    given::read(Path::new(MARK)).unwrap_or_else(|error| {
        printer.warn(&error.to_string());
        None
    })
}

/// What this controller has outside its slots about the last failure in the record.
#[derive(Default)]
struct BlackBox {
    /// Its number for `slotctl log`, and what is known of it.
    kept: Option<(usize, Failure)>,
    /// A person has seen it.
    acknowledged: bool,
    /// There is no data partition.
    no_place: bool,
}

fn look(record: &Record, printer: Printer) -> BlackBox {
    let ring = Ring::at(Path::new(DIRECTORY));
    let found = ring.read().unwrap_or_else(|error| {
        printer.warn(&error.to_string());
        Default::default()
    });
    for damaged in &found.damaged {
        printer.warn(damaged);
    }
    let kept = account::find(record, &found.failures);
    let failure = record.last_failure;
    BlackBox {
        kept: kept.map(|(place, failure)| (place + 1, failure.clone())),
        acknowledged: failure.is_some_and(|failure| is_seen(&ring, record, failure)),
        no_place: !ring.has_place(),
    }
}

fn status_fields(status: &Status<'_>) -> Value {
    let found = &status.found;
    let (record, floor) = (&found.record, found.floor());
    let name = |slot: Option<SlotId>| slot.map(|slot| slot.to_string());
    let slot = |(id, slot): (SlotId, &Slot)| {
        json!({
            "name": id.to_string(),
            "state": slot.state.word(),
            "tries_left": slot.tries_left,
            "attempts": slot.attempts,
            "priority": slot.priority,
            "version": version(found, id),
            "security_version": slot.security_version,
            "manifest": (slot.manifest != NO_DIGEST).then(|| hex(&slot.manifest)),
            "reason": reason(slot.reason),
            "good_before": record.was_good(id),
        })
    };
    let failure = record.last_failure.map(|failure| {
        json!({
            "slot": failure.slot.to_string(),
            "reason": failure.reason.to_string(),
            "stage": failure.stage.to_string(),
            "sequence": failure.sequence,
            "note": status.note.text(),
            "acknowledged": status.black_box.as_ref().map(|own| own.acknowledged),
            "black_box": status.black_box.as_ref().and_then(black_box),
        })
    });
    json!({
        "disk": found.disk.path().display().to_string(),
        "slots": record.slots().map(slot).collect::<Vec<_>>(),
        "running": name(found.running()),
        "next": name(status.next.map(|(slot, _)| slot)),
        "next_kind": status.next.map_or("none", |(_, kind)| kind.word()),
        "known_good": name(record.known_good()),
        "once": name(record.once),
        "last_failure": failure,
        "floor": floor.floor.security_version,
        "floor_source": floor.keeper.word(),
        "floor_hint": record.floor,
        "watchdog": status.watchdog.map(|told| json!({
            "armed": told.armed.map(|(chip, _)| chip.word()),
            "seconds": told.armed.map(|(_, seconds)| seconds),
            "last_reset": told.last_reset.word(),
        })),
        "never_up": record.starts().map(|(slot, starts)| json!({
            "slot": slot.to_string(),
            "starts": starts,
        })),
        "bootshim_missing": status.bootshim_missing,
        "state": status.state,
        "record": { "sequence": record.sequence, "copies_valid": status.copies },
    })
}

fn black_box(own: &BlackBox) -> Option<Value> {
    let (number, failure) = own.kept.as_ref()?;
    Some(json!({
        "failure": number,
        "time": failure.time,
        "version": failure.version,
        "lines": words::first_lines(failure, *BOX_ROWS.end()),
    }))
}

fn reason(reason: Reason) -> Option<String> {
    (reason != Reason::None).then(|| reason.to_string())
}

fn version<'a>(found: &'a Found<'_>, slot: SlotId) -> Option<&'a str> {
    found
        .manifest(slot)
        .ok()
        .map(|manifest| manifest.version.as_str())
}

fn status_in_words(status: &Status<'_>) -> String {
    let found = &status.found;
    let (record, floor, running) = (&found.record, found.floor(), found.running());
    let head = ["slot", "state", "version", "security", ""]
        .map(str::to_owned)
        .to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(record.slots().map(|(id, slot)| row(found, id, slot)))
        .collect();
    let mut text = table(&rows);
    let next = match status.next {
        Some((slot, StartKind::Good)) => format!("slot {slot}"),
        Some((slot, kind)) => format!("slot {slot}, as {kind}"),
        None => "nothing".into(),
    };
    let _ = writeln!(text, "next boot: {next}");
    let _ = writeln!(
        text,
        "floor: security version {}, {}",
        floor.floor.security_version, floor.keeper
    );
    if running.is_some() {
        let _ = writeln!(text, "watchdog: {}", watchdog(status.watchdog));
    }
    if let Some(state) = &status.state {
        say_state(&mut text, state);
    }
    // The first start that has not said so yet is the one that runs.
    if let Some((slot, starts)) = record.starts().filter(|(_, starts)| *starts > 1) {
        let _ = writeln!(
            text,
            "slot {slot}: {starts} starts in a row that never came up"
        );
    }
    if let Some(slot) = running.filter(|_| status.bootshim_missing) {
        let _ = writeln!(text, "bootshim: {}", missing(record.slot(slot).state));
    }
    if let Some(failure) = record.last_failure {
        say_failure(&mut text, status, failure);
    }
    if status.copies < 4 {
        let _ = writeln!(text, "boot record: {} of 4 copies valid", status.copies);
    }
    text
}

/// Where the slot that runs keeps what it writes, and what a person should know of that.
fn say_state(text: &mut String, state: &Value) {
    let _ = match state["data"].as_str() {
        Some(node) => writeln!(
            text,
            "state: kept on {node}, activation {}",
            state["activation"]
        ),
        None => writeln!(text, "state: the slot {LOST}"),
    };
    let remarks = state["remarks"].as_array().into_iter().flatten();
    for remark in remarks.filter_map(Value::as_str) {
        let _ = writeln!(text, "  {}", plain::line(remark));
    }
}

/// The last failure with what was said of it, on one screen with all before it.
fn say_failure(text: &mut String, status: &Status<'_>, failure: Noted) {
    let none = BlackBox::default();
    let own = status.black_box.as_ref().unwrap_or(&none);
    let seen = if own.acknowledged {
        ", acknowledged"
    } else {
        ""
    };
    let _ = writeln!(text, "last failure: {}{seen}", failed(failure));
    let kept = own.kept.as_ref().map(|(_, failure)| failure);
    let note = status.note.text();
    if !note.is_empty() {
        let _ = writeln!(text, "  {}", plain::line(words::note(note, kept)));
    }
    if status.black_box.is_some() {
        let absent = Pstore::at(Path::new("/")).absent();
        let helped = words::would_have_helped(note, kept, own.no_place, absent.as_deref());
        helped.iter().for_each(|helped| {
            let _ = writeln!(text, "  {helped}");
        });
    }
    let Some((number, failure)) = &own.kept else {
        return;
    };
    let rows = |line: &str| line.chars().count().div_ceil(SCREEN_COLUMNS).max(1);
    let used: usize = text.lines().map(rows).sum();
    // One for where all of it is.
    let free = SCREEN_ROWS.saturating_sub(used + 1);
    let free = free.clamp(*BOX_ROWS.start(), *BOX_ROWS.end());
    for line in words::first_lines(failure, free) {
        let _ = writeln!(text, "  {}", plain::line(&line));
    }
    let _ = writeln!(text, "  all of it: slotctl log --failure {number}");
}

fn watchdog(report: Option<Report>) -> String {
    let Some(report) = report else {
        return "not known, bootshim told nothing of it".into();
    };
    let armed = match report.armed {
        Some((chip, seconds)) => format!("{}, armed before the kernel, {seconds} s", chip.word()),
        None => "none armed before the kernel".into(),
    };
    let reset = match report.last_reset {
        Cause::Watchdog => "; it led to this start",
        Cause::Other | Cause::PowerOn | Cause::Restart => "",
        Cause::Unknown => "; what led to a start cannot be read here",
    };
    armed + reset
}

fn missing(state: State) -> &'static str {
    match state {
        State::Good => "the one that this image brings is not on the ESP; `slotctl log` says why",
        _ => "the one that this image brings comes to the ESP when the slot is good",
    }
}

fn row(found: &Found<'_>, id: SlotId, slot: &Slot) -> Vec<String> {
    let state = match slot.state {
        State::Trying => format!("trying, {} of {} left", slot.tries_left, slot.tries),
        state => state.to_string(),
    };
    let mut words = Vec::new();
    if found.running() == Some(id) {
        words.push("running".to_owned());
    }
    if found.record.known_good() == Some(id) {
        words.push("known-good".to_owned());
    }
    if found.record.was_good(id) {
        words.push("good before".to_owned());
    }
    words.extend(reason(slot.reason));
    let version = version(found, id).unwrap_or("-").to_owned();
    vec![
        id.to_string(),
        state,
        version,
        slot.security_version.to_string(),
        words.join(", "),
    ]
}

/// Whether what bootshim would do is also done.
#[derive(Debug, clap::Args)]
pub struct NextBoot {
    /// Also commit what bootshim would commit (for disk images)
    #[arg(long)]
    pub arm: bool,
}

pub fn next_boot(disk: &Disk, args: &NextBoot, printer: Printer) -> Result<Answer> {
    let trusted = trust::keys(disk)?;
    let next = if args.arm {
        next_boot::arm(disk, &trusted)
    } else {
        next_boot::ask(disk, &trusted)
    }?;
    let mut text = match next.choice {
        Some((slot, kind)) => format!("slot {slot}, as {kind}\n"),
        None => "no slot starts\n".into(),
    };
    if let Some(counts) = next.floor {
        let _ = writeln!(
            text,
            "  floor: security version {}, {}",
            counts.floor.security_version, counts.keeper
        );
    }
    for (slot, reason) in &next.passed_over {
        let _ = writeln!(text, "  not {slot}: {}", plain::line(reason));
    }
    if printer.verbose {
        next.said.iter().for_each(|line| {
            let _ = writeln!(text, "bootshim: {}", plain::line(line));
        });
    }
    let passed_over =
        |(slot, reason): &(SlotId, String)| json!({ "slot": slot.to_string(), "reason": reason });
    let fields = json!({
        "slot": next.choice.map(|(slot, _)| slot.to_string()),
        "kind": next.choice.map_or("none", |(_, kind)| kind.word()),
        "passed_over": next.passed_over.iter().map(passed_over).collect::<Vec<_>>(),
        "floor": next.floor.map(|counts| counts.floor.security_version),
        "floor_source": next.floor.map(|counts| counts.keeper.word()),
        "changed": args.arm && next.changed,
    });
    Ok(Answer::new(text, fields))
}
