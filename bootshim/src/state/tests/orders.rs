//! Orders that were accepted: their counter only rises, and nothing else changes.

use super::*;
use crate::record::MINOR_ORDERS;

#[test]
fn a_record_that_knows_of_no_order_has_no_floor_for_them() {
    let fresh = record([Good, Ready, Empty]);
    assert_eq!(fresh.order_floor(), 0);
    let accepted = accept_order(&fresh, 7);
    assert_eq!((accepted.order_floor(), accepted.minor), (7, MINOR_ORDERS));
}

#[test]
fn a_counter_that_does_not_fit_changes_nothing() {
    let before = record([Good, Good, Empty]);
    assert_eq!(accept_order(&before, 1 << 48), Next(before.clone()));
    assert_eq!(accept_order(&before, u64::MAX), Next(before.clone()));
    assert_eq!(
        accept_order(&before, (1 << 48) - 1).order_floor(),
        (1 << 48) - 1
    );
}

proptest! {
    #[test]
    fn the_floor_of_orders_never_falls_and_nothing_else_changes(
        before in any_record(), counter in 0u64..1 << 48,
    ) {
        let after = accept_order(&before, counter);
        prop_assert_eq!(after.order_floor(), before.order_floor().max(counter));
        prop_assert_eq!(accept_order(&after, counter), after.clone());
        // Minor number, floor and hash apart, it is the same record to the last bit.
        let rest = |record: &Record| {
            let mut raw = record.encode();
            for own in [10..12, 66..72, 480..512] {
                raw[own].fill(0);
            }
            raw
        };
        prop_assert_eq!(rest(&after), rest(&before));
    }
}
