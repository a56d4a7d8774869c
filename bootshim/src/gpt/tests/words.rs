//! What is wrong with a table, in words.

use super::*;
use crate::medium::{Access, Cause};
use alloc::string::ToString;

#[test]
fn what_is_wrong_with_a_table_is_said_in_words() {
    let fault = Fault {
        access: Access::Read,
        offset: 512,
        length: 92,
        cause: Cause::Device(5),
    };
    let cases = [
        (
            Invalid::Unreadable(fault),
            "reading 92 bytes at 512 failed with error 5",
        ),
        (Invalid::NoSignature, "no GPT header"),
        (Invalid::Revision, "not revision 1.0"),
        (Invalid::HeaderChecksum, "wrong checksum of the header"),
        (
            Invalid::HeaderRange,
            "header fields that do not fit the disk",
        ),
        (Invalid::EntrySize, "entries of an unusual size or number"),
        (Invalid::EntryChecksum, "wrong checksum of the entries"),
        (Invalid::Differs, "other partitions than the primary"),
    ];
    for (invalid, words) in cases {
        assert_eq!(invalid.to_string(), words);
    }
}

#[test]
fn what_is_wrong_with_a_disk_is_said_in_words() {
    let none = GptError::NoTable {
        primary: Invalid::NoSignature,
        backup: Invalid::Revision,
    };
    let cases = [
        (
            none,
            "no valid GPT: no GPT header at the start, not revision 1.0 at the end of the disk",
        ),
        (
            GptError::Range(3),
            "GPT entry 3 leaves the usable range of the disk",
        ),
    ];
    for (error, words) in cases {
        assert_eq!(error.to_string(), words);
        assert_ne!(error.mend(), "");
    }
}
