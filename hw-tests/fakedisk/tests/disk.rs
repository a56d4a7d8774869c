//! The fake disk does what it says: every test with one rests on that.

#![allow(
    clippy::unwrap_used,
    reason = "in a test, it is a failure that is seen"
)]

use bootshim::medium::{Access, Cause, Medium};
use fakedisk::{FakeDisk, Injection, Wrong};

const LEN: u64 = 64 << 10;

#[test]
fn what_was_flushed_is_durable_and_a_flush_that_fails_loses_the_rest() {
    let disk = FakeDisk::new(LEN);
    disk.write_at(0, &[1; 4096]).unwrap();
    disk.flush().unwrap();
    disk.write_at(4096, &[2; 4096]).unwrap();
    assert!(disk.is_unflushed());
    assert_eq!(disk.content().bytes(4096..4097), [2]);
    assert_eq!(disk.durable().bytes(4096..4097), [0]);
    disk.always(Wrong::Fails(5), &[(Access::Flush, 0)]);
    assert_eq!(disk.flush().unwrap_err().cause, Cause::Device(5));
    for left in [disk.content(), disk.durable()] {
        assert_eq!(left.bytes(4095..4097), [1, 0]);
    }
}

#[test]
fn a_flush_that_is_refused_loses_nothing() {
    let disk = FakeDisk::new(LEN);
    disk.write_at(0, &[1; 4096]).unwrap();
    disk.refuse(&[(Access::Flush, 0)]);
    disk.flush().unwrap_err();
    assert_eq!(disk.content().bytes(0..1), [1]);
    assert_eq!(disk.durable().bytes(0..1), [0]);
}

#[test]
fn two_things_go_wrong_at_one_place_each_in_its_turn() {
    let disk = FakeDisk::new(LEN);
    let place = (Access::Read, 0);
    let in_turn = |turn, wrong| Injection {
        place,
        turns: turn..turn + 1,
        wrong,
    };
    disk.inject([in_turn(0, Wrong::Fails(5)), in_turn(1, Wrong::Fails(28))]);
    let read = || disk.read_at(0, &mut [0; 4096]).map_err(|fault| fault.cause);
    assert_eq!(read(), Err(Cause::Device(5)));
    assert!(!disk.all_struck());
    assert_eq!(read(), Err(Cause::Device(28)));
    assert!(disk.all_struck());
    assert_eq!(read(), Ok(()));
}

#[test]
fn an_access_that_no_disk_takes_is_refused_and_seen() {
    let disk = FakeDisk::new(LEN);
    assert_eq!(
        disk.write_at(LEN, &[0; 4096]).unwrap_err().cause,
        Cause::OutOfRange
    );
    assert_eq!(disk.order(), [(Access::Write, LEN)]);
}
