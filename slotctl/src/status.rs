//! `slotctl status` and `slotctl next-boot`.

use bootshim::choice::{self, Situation, Slots, StartKind};
use bootshim::copies::{Copy, Note};
use bootshim::handover::WATCHDOG_VARIABLE;
use bootshim::hardware::watchdog::Report;
use bootshim::record::{NO_DIGEST, Reason, Slot, SlotId, State};
use bootshim::reset::Cause;
use controller::bootshim_update;
use controller::disk::Disk;
use controller::efi_variable;
use controller::error::Result;
use controller::found::Found;
use controller::next_boot;
use controller::plain;
use controller::trust;
use images::hex;
use serde_json::{Value, json};
use std::fmt::Write as _;
use talk::answer::{Answer, Printer, table};

pub fn status(disk: &Disk, printer: Printer) -> Result<Answer> {
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
        found,
        note,
        copies: store
            .copies()
            .iter()
            .filter(|copy| matches!(copy, Copy::Valid(_)))
            .count(),
        watchdog: disk.handover().and_then(|_| told_of_watchdog()),
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
}

fn told_of_watchdog() -> Option<Report> {
    Report::parse(&efi_variable::from_bootshim(WATCHDOG_VARIABLE).ok()??)
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
        "record": { "sequence": record.sequence, "copies_valid": status.copies },
    })
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
        let _ = writeln!(
            text,
            "last failure: slot {}: {} ({})",
            failure.slot, failure.reason, failure.stage
        );
        if !status.note.text().is_empty() {
            let _ = writeln!(text, "  {}", plain::line(status.note.text()));
        }
    }
    if status.copies < 4 {
        let _ = writeln!(text, "boot record: {} of 4 copies valid", status.copies);
    }
    text
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
