//! `slotctl activate`, `rollback`, `confirm`, `reject` and `verify`.

use crate::history;
use bootshim::handover::Handover;
use bootshim::record::{MAX_TRIES, NO_DIGEST, SlotId, State};
use bootshim::state::Judge;
use controller::bootshim_update::{self, RENEWED};
use controller::code::Code;
use controller::disk::{Committed, Disk};
use controller::error::{Error, Result};
use controller::found::Found;
use controller::plain;
use controller::restart::Restart;
use controller::running::Running;
use controller::{trust, verify};
use install::activation::{self, How};
use serde_json::{Value, json};
use std::fmt::Write as _;
use talk::answer::{Answer, Printer};
use talk::bar::Bar;

/// What is activated.
#[derive(Debug, clap::Args)]
pub struct Activate {
    /// The slot
    #[arg(value_name = "S", value_parser = slot)]
    pub slot: SlotId,
    /// For the next start only
    #[arg(long, conflicts_with = "tries")]
    pub once: bool,
    /// Tries of the trial; by default those of the boot record, 3
    #[arg(long, value_name = "N", value_parser = tries(), allow_negative_numbers = true)]
    pub tries: Option<u8>,
    /// Restart when something was changed
    #[arg(long)]
    pub reboot: bool,
}

/// Whether a rollback restarts.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Restart when something was changed
    #[arg(long)]
    pub reboot: bool,
}

/// Why a trial is rejected.
#[derive(Debug, clap::Args)]
pub struct Reject {
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// What is verified.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Which slots; by default all that hold an image
    #[arg(value_name = "S", value_parser = slot)]
    pub slots: Vec<SlotId>,
}

/// Reads the name of a slot.
pub fn slot(text: &str) -> Result<SlotId, String> {
    let slot = text.parse();
    slot.map_err(|_| "slots are named a to h".to_owned())
}

/// The tries that a trial can have.
pub fn tries() -> impl clap::builder::TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(1..=i64::from(MAX_TRIES))
}

pub fn activate(disk: &Disk, args: &Activate, printer: Printer) -> Result<Answer> {
    let slot = args.slot;
    let restart = Restart::asked(disk, args.reboot)?;
    let how = if args.once {
        How::Once
    } else {
        How::Trial(args.tries)
    };
    let keys = trust::keys(disk);
    let done = activation::activate(disk, slot, how, keys, &Bar::new(printer))?;
    let after = done.durable.record();
    let text = match (args.once, after.slot(slot).state) {
        (true, _) => format!("slot {slot} starts next, once"),
        (false, State::Trying) => {
            format!(
                "slot {slot} is the trial, with {} tries",
                after.slot(slot).tries_left
            )
        }
        (false, state) => format!("slot {slot} is {state} and starts next"),
    };
    answer(disk, slot, &done, "activated", text, restart)
}

pub fn rollback(disk: &Disk, args: &Rollback, printer: Printer) -> Result<Answer> {
    let restart = Restart::asked(disk, args.reboot)?;
    let (slot, done) = activation::rollback(disk, trust::keys(disk), &Bar::new(printer))?;
    let after = done.durable.record();
    let text = match after.slot(slot).state {
        State::Trying => format!("rolling back to slot {slot}, on trial"),
        _ => format!("rolling back to slot {slot}, the known-good one"),
    };
    answer(disk, slot, &done, "rolled-back", text, restart)
}

pub fn confirm(disk: &Disk, printer: Printer) -> Result<Answer> {
    let handover = handover(disk)?;
    let running = Running::new(disk, handover).started_by(bootshim_update::started_by());
    let done = match running.prove(|| trust::keys(disk), &Bar::new(printer))? {
        Some(proven) => running.confirm_last_resort(&proven, Judge::Person)?,
        None => running.confirm()?,
    };
    let slot = handover.slot;
    let text = if done.changed {
        format!("slot {slot} is good")
    } else {
        format!("slot {slot} was good already")
    };
    let restart = Restart::asked(disk, false)?;
    let mut answer = answer(disk, slot, &done, "confirmed", text, restart)?;
    let renewed = running.renew();
    answer.fields.insert(
        "bootshim_renewed".into(),
        json!(*renewed.as_ref().unwrap_or(&false)),
    );
    match renewed {
        Ok(false) => {}
        Ok(true) => {
            history::note(disk, "bootshim-renewed", RENEWED);
            answer.text.push('\n');
            answer.text.push_str(RENEWED);
        }
        // The slot is good all the same.
        Err(error) => {
            history::note(disk, "bootshim-not-renewed", &error.to_string());
            printer.warn(&error.to_string());
        }
    }
    Ok(answer)
}

pub fn reject(disk: &Disk, args: &Reject) -> Result<Answer> {
    let handover = handover(disk)?;
    let done = Running::new(disk, handover).reject(&args.reason)?;
    let (slot, after) = (handover.slot, done.durable.record());
    let back = after.known_good().map_or(String::new(), |good| {
        format!("; a restart goes back to slot {good}")
    });
    let text = format!("slot {slot} is bad: {}{back}", plain::line(&args.reason));
    answer(
        disk,
        slot,
        &done,
        "rejected",
        text,
        Restart::asked(disk, false)?,
    )
}

fn handover(disk: &Disk) -> Result<&Handover> {
    disk.handover().ok_or_else(|| {
        let found = format!(
            "this controller does not run from {}",
            disk.path().display()
        );
        Error::new(Code::NotRunning, found)
            .expected("only the running trial can be confirmed or rejected")
            .changed("nothing was written")
    })
}

/// What was done to a slot; `event` is its word in the event log.
fn answer(
    disk: &Disk,
    slot: SlotId,
    done: &Committed,
    event: &str,
    text: String,
    restart: Restart,
) -> Result<Answer> {
    if done.changed {
        history::note(disk, event, &text);
    }
    let restarted = restart.after(done.changed);
    let restarted = restarted.map_err(|error| error.changed(text.clone()))?;
    let record = done.durable.record();
    let fields = json!({
        "changed": done.changed,
        "slot": slot.to_string(),
        "state": record.slot(slot).state.word(),
        "sequence": record.sequence,
        "restarting": restart.is_due(done.changed),
    });
    Ok(Answer::new(text + &restarted, fields))
}

pub fn verify(disk: &Disk, args: &Verify, printer: Printer) -> Result<Answer> {
    let trusted = trust::keys(disk)?;
    let (record, _) = disk.read_record()?;
    let found = Found::new(disk, record, &trusted);
    let record = &found.record;
    let slots: Vec<SlotId> = if args.slots.is_empty() {
        record
            .ids()
            .filter(|slot| record.slot(*slot).manifest != NO_DIGEST)
            .collect()
    } else {
        args.slots.clone()
    };
    let mut answer = Answer::default();
    let mut checked: Vec<Value> = Vec::new();
    for slot in slots {
        let name = slot.to_string();
        // The others are checked all the same: one damaged slot says nothing of them.
        match verify::slot(&found, slot, &Bar::new(printer)) {
            Ok(image) => {
                let _ = writeln!(answer.text, "slot {slot}: {} is whole", image.version);
                checked.push(json!({ "slot": name, "version": image.version, "whole": true }));
            }
            Err(error) => {
                // One that another command wrote meanwhile is not damaged.
                let now = disk.read_record().ok();
                let changed = now.and_then(|(now, _)| verify::unchanged(record, &now, slot).err());
                answer.errors.push(changed.unwrap_or(error));
                checked.push(json!({ "slot": name, "version": null, "whole": false }));
            }
        }
    }
    if checked.is_empty() {
        answer.text.push_str("no slot holds an image");
    }
    answer.fields.insert("slots".into(), checked.into());
    Ok(answer)
}
