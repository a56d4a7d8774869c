//! The cursor: what it reads, and at which byte it says that something is wrong.

use super::*;

#[test]
fn numbers_are_little_endian_and_follow_each_other() {
    let bytes: Vec<u8> = (1..=15).collect();
    let mut cursor = Cursor::new(&bytes);
    assert_eq!(cursor.u8("a"), Ok(1));
    assert_eq!(cursor.u16("b"), Ok(0x0302));
    assert_eq!(cursor.u32("c"), Ok(0x0706_0504));
    assert_eq!((cursor.at(), cursor.left()), (7, 8));
    assert_eq!(cursor.u64("d"), Ok(0x0f0e_0d0c_0b0a_0908));
    assert_eq!(cursor.end("e"), Ok(()));
}

#[test]
fn what_is_missing_is_named_with_the_byte_where_it_should_begin() {
    let mut cursor = Cursor::new(&[1, 2, 3]);
    cursor.u8("first").unwrap();
    let what = "second";
    let wrong = Malformed { what, at: 1 };
    assert_eq!(cursor.u32(what), Err(wrong));
    assert_eq!(cursor.array::<3>(what), Err(wrong));
    assert_eq!(cursor.end(what), Err(wrong));
    assert_eq!(cursor.array(what), Ok([2, 3]));
}

#[test]
fn the_first_byte_that_should_be_zero_and_is_not_is_named() {
    let mut cursor = Cursor::new(&[9, 9, 9, 0, 0, 7, 7]);
    cursor.slice("before", 3).unwrap();
    let what = "not zero";
    let refused = cursor.zeros(what, 4);
    assert_eq!(refused, Err(Malformed { what, at: 5 }));
}

#[test]
fn rounding_up_goes_to_the_next_multiple_of_4096_or_says_that_there_is_none() {
    for (value, rounded) in [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)] {
        assert_eq!(round_up(value), Some(rounded));
    }
    let last = u64::MAX - 4095;
    assert_eq!(round_up(last), Some(last));
    assert_eq!(round_up(last + 1), None);
}
