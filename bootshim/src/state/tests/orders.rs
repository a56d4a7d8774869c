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
        for slot in before.ids() {
            prop_assert_eq!(after.slot(slot), before.slot(slot));
        }
        // What an older one reads of it is the record that it was.
        let as_minor_3 = |record: &Record| {
            let mut record = record.clone();
            record.minor = 3;
            (record.watchdog_resets(), record.starts(), record.floor, record.sequence)
        };
        prop_assert_eq!(as_minor_3(&after), as_minor_3(&before));
    }
}
