//! Single words and lines: the handover on the kernel's command line, GUIDs,
//! sizes, durations, letters of slots, versions.

use bootshim::guid::Guid;
use bootshim::handover::Handover;
use bootshim::record::SlotId;
use controller::duration;
use controller::size::Size;
use images::version;
use std::cmp::Ordering;
use std::time::Duration;

/// Any text gives an answer; what was read is shown and read back the same;
/// nothing in a signed command line stands in for the handover; and versions
/// have one order.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    handover(&text);
    for word in text.split('\n') {
        if let Ok(guid) = word.parse::<Guid>() {
            assert_eq!(guid.to_string().parse(), Ok(guid));
        }
        if let Ok(slot) = word.parse::<SlotId>() {
            assert_eq!(slot.to_string().parse(), Ok(slot));
        }
        if let Ok(size) = word.parse::<Size>() {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        if let Some(length) = duration::parse(word) {
            let millis = Duration::from_millis(u64::try_from(length.as_millis()).unwrap());
            assert_eq!(duration::parse(&duration::spell(length)), Some(millis));
        }
    }
    let mut versions = text.split('\n');
    if let [Some(a), Some(b), Some(c)] = [versions.next(), versions.next(), versions.next()] {
        order(a, b, c);
    }
}

fn handover(line: &str) {
    let some = Handover {
        slot: SlotId::new(1).unwrap(),
        disk: Guid([3; 16]),
        boot: 17,
        manifest: [4; 32],
    };
    let started = some.command_line(line, Guid([5; 16]));
    assert_eq!(Handover::parse(&started), Some(some));
    if let Some(found) = Handover::parse(line) {
        assert_eq!(
            Handover::parse(&found.command_line("", Guid::ZERO)),
            Some(found)
        );
    }
}

fn order(a: &str, b: &str, c: &str) {
    let _ = version::is_valid(a);
    assert_eq!(version::compare(a, a), Ordering::Equal);
    assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
    let rises = |x: &str, y: &str| version::compare(x, y) != Ordering::Greater;
    if rises(a, b) && rises(b, c) {
        assert!(rises(a, c), "{a:?} {b:?} {c:?}");
    }
}
