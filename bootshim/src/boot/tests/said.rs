//! What bootshim says, word for word: it is all that somebody has who stands
//! before a machine that does not start.

use super::*;
use crate::record::Invalid;

#[test]
fn a_copy_that_is_lost_is_missed_and_an_empty_partition_is_not_four_of_them() {
    let second = usize::try_from(crate::copies::SPACING).unwrap();
    let erased = committed([Good, Empty, Empty]);
    erased.put(second, &[0; 4096]);
    let torn = FakeDisk::new(RECORD_LEN);
    torn.put(0, b"SLOTBOOT");
    for (medium, said) in [
        (FakeDisk::new(RECORD_LEN), None),
        (torn, Some("record copy 0 does not count: wrong hash")),
        (
            erased,
            Some("record copy 1 does not count: not a boot record"),
        ),
    ] {
        let (_, fake, _) = start(&medium, three());
        let of_copies = |line: &&String| line.starts_with("record copy");
        assert!(fake.events.iter().filter(of_copies).eq(said));
    }
}

#[test]
fn every_reason_to_pass_over_a_slot_is_said_in_words() {
    let cases = [
        (Why::NotInstalled(State::Writing), "writing"),
        (
            Why::TrialOver(Reason::Deadline),
            "trial over: deadline passed",
        ),
        (
            Why::Defect(Defect::Bad(Reason::Damaged, "kernel".into())),
            "damaged: kernel",
        ),
        (
            Why::Defect(Defect::Bad(Reason::WrongManifest, String::new())),
            "another manifest than installed",
        ),
        (
            Why::Defect(unreadable().unwrap_err()),
            "unreadable: reading 1 bytes at 0 failed with error 5",
        ),
        (
            Why::NotStarted("Unsupported".into()),
            "did not start: Unsupported",
        ),
    ];
    for (why, words) in cases {
        assert_eq!(why.to_string(), words);
        let event = Event::PassedOver(id("c"), why);
        assert_eq!(
            event.to_string(),
            alloc::format!("slot c passed over: {words}")
        );
    }
}

#[test]
fn a_start_is_said_with_the_tries_that_are_left_behind_it() {
    let cases = [
        (StartKind::Good, 0, "good"),
        (StartKind::Once, 1, "once"),
        (StartKind::LastResort, 0, "last resort"),
        (StartKind::Trial, 0, "trial, the last try"),
        (StartKind::Trial, 1, "trial, 1 try left after this one"),
        (StartKind::Trial, 2, "trial, 2 tries left after this one"),
    ];
    for (kind, tries_left, words) in cases {
        let event = Event::Starting {
            slot: id("b"),
            kind,
            tries_left,
            version: "1.2".into(),
        };
        let expected = alloc::format!("starting slot b, version 1.2, as {words}");
        assert_eq!(event.to_string(), expected);
    }
}

#[test]
fn what_becomes_of_the_record_is_said_in_words() {
    let found = Facts {
        manifest: [1; 32],
        security_version: 7,
        revoke_below: 0,
        key_epoch: None,
        version: "1.2".into(),
    };
    let cases = [
        (
            Event::CopyLost(3, Copy::Invalid(Invalid::Hash)),
            "record copy 3 does not count: wrong hash",
        ),
        (
            Event::RecordLost,
            "no valid copy of the boot record; making it anew from the slots that verify",
        ),
        (
            Event::UnknownMajor(2),
            "boot record format 2 is unknown; only good slots start, nothing is written",
        ),
        (
            Event::Found(id("b"), found),
            "slot b verifies: version 1.2, security version 7",
        ),
        (Event::Rebuilt(4), "boot record made anew, number 4"),
        (
            Event::CommitFailed(CommitError::NoRecord),
            "no copy of the boot record is valid; no trial and no one-shot now",
        ),
        (Event::Nothing, "no slot starts"),
    ];
    for (event, words) in cases {
        assert_eq!(event.to_string(), words);
    }
}

#[test]
fn a_reset_by_the_watchdog_is_said_with_the_slot_it_is_counted_for() {
    let said = |meaning| Event::Ended(meaning).to_string();
    assert_eq!(
        said(Meaning::Counted(id("b"), 2)),
        "the watchdog reset the machine: good slot b, 2 in a row"
    );
    assert_eq!(said(Meaning::NotCounted), "the watchdog reset the machine");
    assert_eq!(
        said(Meaning::NeverUp(id("b"), 2)),
        "good slot b never said that it is up: 2 starts in a row"
    );
    assert_eq!(
        Event::PassedOver(id("b"), Why::Left(Reason::NeverUp)).to_string(),
        "slot b passed over: it never came up, again and again"
    );
}
