//! What a reader makes of four blocks, as text: the numbers of the format as
//! they are, so that another implementation can write the same.

use bootshim::copies::{Copy, Store};
use bootshim::medium::Medium;
use bootshim::record::{Invalid, Record, SlotId};
use std::fmt::Write as _;

/// All that the blocks say.
pub fn describe<M: Medium>(store: &Store<M>) -> String {
    let mut text = String::new();
    for (place, copy) in store.copies().iter().enumerate() {
        line(&mut text, &format!("copy {place}"), found(copy));
    }
    match store.record() {
        None => line(&mut text, "record", "none"),
        Some(record) => fields(&mut text, record),
    }
    line(&mut text, "note", format!("{:?}", store.note().text()));
    text
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "{name} = {value}");
}

fn found(copy: &Copy) -> String {
    match copy {
        Copy::Valid(sequence) => format!("valid {sequence}"),
        Copy::Conflicting(sequence) => format!("conflicting {sequence}"),
        Copy::Invalid(Invalid::NotARecord) => "not a record".into(),
        Copy::Invalid(Invalid::Hash) => "wrong hash".into(),
        Copy::Invalid(Invalid::Foreign(_)) => "foreign".into(),
        Copy::Invalid(Invalid::UnknownMajor(major)) => format!("unknown major {major}"),
        Copy::Invalid(Invalid::Range(_)) => "impossible value".into(),
        Copy::Unreadable(_) => "unreadable".into(),
    }
}

fn fields(text: &mut String, record: &Record) {
    line(text, "minor", record.minor);
    line(text, "sequence", record.sequence);
    line(text, "partition", hex(&record.partition.0));
    line(text, "default tries", record.default_tries);
    line(text, "one-shot", letter(record.once));
    let armed = record.armed;
    line(text, "armed", letter(armed.map(|armed| armed.slot)));
    let as_what = armed.map_or(0, |armed| armed.as_what.code());
    line(text, "armed as", as_what);
    line(text, "last booted", letter(record.last_booted));
    let failed = record.last_failure;
    line(text, "last failed", letter(failed.map(|f| f.slot)));
    line(text, "reason", failed.map_or(0, |f| f.reason.code()));
    line(text, "stage", failed.map_or(0, |f| f.stage.code()));
    line(text, "found at", failed.map_or(0, |f| f.sequence));
    line(text, "floor", record.floor);
    for (name, row) in [
        ("resets", record.watchdog_resets()),
        ("starts", record.starts()),
    ] {
        if let Some((slot, count)) = row {
            line(text, name, format!("{slot} {count}"));
        }
    }
    for id in record.ids().filter(|id| record.says_when_up(*id)) {
        line(text, "says when up", id);
    }
    for id in record.ids().filter(|id| record.activation(*id) > 0) {
        line(
            text,
            "activation",
            format!("{id} {}", record.activation(id)),
        );
    }
    if record.order_floor() > 0 {
        line(text, "orders", record.order_floor());
    }
    for (id, slot) in record.slots() {
        let numbers = format!(
            "state {} reason {} priority {} tries {} left {} kept {} attempts {} security {}",
            slot.state as u8,
            slot.reason.code(),
            slot.priority,
            slot.tries,
            slot.tries_left,
            slot.activation,
            slot.attempts,
            slot.security_version,
        );
        let manifest = hex(&slot.manifest);
        line(text, &format!("slot {id}"), format!("{numbers} {manifest}"));
    }
    line(text, "written back", hex(record.encode().split_at(480).1));
}

fn letter(slot: Option<SlotId>) -> String {
    slot.map_or_else(|| "none".into(), |slot| slot.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
