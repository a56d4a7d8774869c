//! What is wrong with a copy, or with a commit, in words.

use super::*;
use alloc::string::ToString;

#[test]
fn what_is_found_where_the_copies_lie_is_said_in_words() {
    let fault = differs(1);
    let cases = [
        (Copy::Valid(7), "valid, number 7"),
        (
            Copy::Conflicting(7),
            "number 7 like another copy, with other bytes",
        ),
        (Copy::Invalid(Invalid::NotARecord), "not a boot record"),
        (Copy::Invalid(Invalid::Hash), "wrong hash"),
        (
            Copy::Invalid(Invalid::Foreign(PARTITION)),
            "copied from partition 07070707-0707-0707-0707-070707070707",
        ),
        (Copy::Invalid(Invalid::UnknownMajor(2)), "unknown format 2"),
        (
            Copy::Invalid(Invalid::Range("state")),
            "impossible value: state",
        ),
        (
            Copy::Unreadable(fault),
            "writing 4096 bytes at 262144 was accepted, but other bytes came back",
        ),
    ];
    for (copy, words) in cases {
        assert_eq!(copy.to_string(), words);
    }
}

#[test]
fn why_nothing_was_made_durable_is_said_in_words() {
    let cases = [
        (
            CommitError::UnknownMajor(2),
            "the boot record has the unknown format 2; a newer slotctl wrote it",
        ),
        (
            CommitError::NotDurable([differs(2), differs(3)]),
            "the boot record could not be made durable: \
             writing 4096 bytes at 524288 was accepted, but other bytes came back; \
             writing 4096 bytes at 786432 was accepted, but other bytes came back",
        ),
        (
            CommitError::Invalid(Invalid::Range("two trials")),
            "the boot record would be wrong: impossible value: two trials",
        ),
        (CommitError::NoRecord, "no copy of the boot record is valid"),
        (
            CommitError::NoNumberLeft,
            "the boot record has the last sequence number there is",
        ),
    ];
    for (error, words) in cases {
        assert_eq!(error.to_string(), words);
    }
}
