use super::*;
use crate::fake::FakeDisk;
use alloc::string::ToString;

#[test]
fn no_access_leaves_a_window() {
    let whole = FakeDisk::new(4 * 4096);
    let window = Window::new(
        &whole,
        Extent {
            start: 4096,
            len: 8192,
        },
    );
    window.write_at(4096, &[7; 4096]).unwrap();
    assert_eq!(whole.content().bytes(8192..8193), [7]);
    for (offset, len) in [
        (8192, 4096),
        (4096, 8192),
        (u64::MAX, 4096),
        (u64::MAX - 4095, 4096),
    ] {
        let fault = window.write_at(offset, &alloc::vec![1; len]).unwrap_err();
        assert_eq!(fault.cause, Cause::OutOfRange);
    }
    assert_eq!(
        window.read_at(8191, &mut [0; 2]).unwrap_err().cause,
        Cause::OutOfRange
    );
}

#[test]
fn a_window_is_as_long_as_its_extent_and_shows_what_lies_there() {
    let whole = FakeDisk::new(3 * 4096);
    whole.put(4096 + 10, &[9]);
    let window = |start, len| Window::new(&whole, Extent { start, len });
    let middle = window(4096, 4096);
    assert_eq!((middle.len(), middle.is_empty()), (4096, false));
    assert_eq!(window(4096, 1).len(), 1);
    assert!(window(4096, 0).is_empty());
    let mut found = [0; 2];
    middle.read_at(9, &mut found).unwrap();
    assert_eq!(found, [0, 9]);
    middle.read_at(4094, &mut found).unwrap();
}

#[test]
fn a_window_is_flushed_with_the_whole() {
    let whole = FakeDisk::new(4096);
    let window = Window::new(
        &whole,
        Extent {
            start: 0,
            len: 4096,
        },
    );
    window.flush().unwrap();
    assert_eq!(whole.order(), [(Access::Flush, 0)]);
    whole.refuse(&[(Access::Flush, 0)]);
    assert!(window.flush().is_err());
}

#[test]
fn a_range_may_end_where_the_medium_ends_and_only_writes_need_whole_blocks() {
    let cause = |access, offset, length| {
        let checked = check_range(access, offset, length, 8192);
        checked.err().map(|fault| fault.cause)
    };
    assert_eq!(cause(Access::Read, 8192, 0), None);
    assert_eq!(cause(Access::Read, 100, 8092), None);
    assert_eq!(cause(Access::Read, 100, 8093), Some(Cause::OutOfRange));
    assert_eq!(cause(Access::Write, 4096, 4096), None);
    assert_eq!(cause(Access::Write, 4096, 8192), Some(Cause::OutOfRange));
    assert_eq!(cause(Access::Write, 1, 4096), Some(Cause::Unaligned));
    assert_eq!(cause(Access::Write, 0, 4095), Some(Cause::Unaligned));
}

#[test]
fn the_end_of_a_range_is_the_first_byte_behind_it() {
    let end = |start, len| Extent { start, len }.end();
    assert_eq!(end(10, 5), Some(15));
    assert_eq!(end(u64::MAX - 1, 1), Some(u64::MAX));
    assert_eq!(end(u64::MAX, 1), None);
}

#[test]
fn a_fault_says_what_was_done_where_and_why_it_failed() {
    let cases = [
        (
            Access::Read,
            Cause::OutOfRange,
            "reading 512 bytes at 4096 leaves the device",
        ),
        (
            Access::Write,
            Cause::Unaligned,
            "writing 512 bytes at 4096 is not in whole blocks of 4 KiB",
        ),
        (
            Access::Write,
            Cause::Differs,
            "writing 512 bytes at 4096 was accepted, but other bytes came back",
        ),
        (
            Access::Flush,
            Cause::Device(5),
            "flushing failed with error 5",
        ),
    ];
    for (access, cause, words) in cases {
        let fault = Fault {
            access,
            offset: 4096,
            length: 512,
            cause,
        };
        assert_eq!(fault.to_string(), words);
    }
}

#[test]
fn a_window_at_the_end_of_the_number_range_fails_instead_of_wrapping() {
    let whole = FakeDisk::new(8192);
    let window = Window::new(
        &whole,
        Extent {
            start: u64::MAX - 10,
            len: u64::MAX,
        },
    );
    assert!(window.read_at(100, &mut [0; 16]).is_err());
}

#[test]
fn a_fault_in_a_window_says_where_in_the_window_it_was() {
    let whole = FakeDisk::new(16384);
    let (start, len) = (8192, 8192);
    whole.refuse(&[(Access::Read, start), (Access::Write, start + 4096)]);
    let window = Window::new(&whole, Extent { start, len });
    assert_eq!(window.read_at(0, &mut [0; 16]).unwrap_err().offset, 0);
    assert_eq!(window.write_at(4096, &[0; 4096]).unwrap_err().offset, 4096);
}
