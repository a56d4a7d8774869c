//! What was good stays good until it fails.

use super::*;

#[test]
fn calling_a_roll_back_off_leaves_what_was_good_good() {
    let start = record([Good, Good, Good]);
    let (to, once) = rollback(&start, Some(id(C)), 3).unwrap();
    assert_eq!((to, once.slot(id(B)).state), (id(B), Trying));
    let off = activate(&once, id(C), 3).unwrap();
    assert_eq!(off.good(), [id(C), id(B), id(A)], "each at its place");
    let further = activate(&once, id(A), 3).unwrap();
    assert_eq!(further.slot(id(A)).state, Trying);
    assert_eq!(further.good(), [id(C), id(B)]);
}

#[test]
fn a_roll_back_twice_is_one() {
    for running in [Some(id(C)), None] {
        let once = rollback(&record([Good, Good, Good]), running, 3).unwrap();
        let twice = rollback(&once.1, running, 3).unwrap();
        assert_eq!(twice, once, "{running:?}");
    }
}

#[test]
fn a_roll_back_from_a_running_trial_makes_it_good_again_where_it_was() {
    let back = activate(&record([Good, Good, Good]), id(A), 3).unwrap();
    let armed = arm(&back, id(A), Arming::Trial);
    let (to, now) = rollback(&armed, Some(id(A)), 3).unwrap();
    assert_eq!((to, now.good()), (id(C), alloc::vec![id(C), id(B), id(A)]));
    let new = activate(&record([Good, Good, Ready]), id(C), 3).unwrap();
    let (to, now) = rollback(&new, Some(id(C)), 3).unwrap();
    assert_eq!((to, now.slot(id(C)).state), (id(B), Ready));
}

#[test]
fn a_slot_that_was_good_and_fails_its_trial_is_bad_and_no_way_back_any_more() {
    let back = activate(&record([Good, Good, Empty]), id(A), 3).unwrap();
    let failed = fail(&back, id(A), Reason::Exhausted, Stage::Started);
    assert_eq!(failed.slot(id(A)).state, Bad);
    let again = activate(&failed, id(A), 3).unwrap();
    assert!(!again.was_good(id(A)));
    let off = activate(&again, id(B), 3).unwrap();
    assert_eq!(off.slot(id(A)).state, Ready);
}

#[test]
fn the_floor_does_not_rise_past_what_was_good_and_is_on_trial_again() {
    let mut start = Next(record([Good, Good, Ready]));
    for (index, version) in [(A, 1), (B, 5), (C, 7)] {
        start = with(&start, id(index), |s| s.security_version = version);
    }
    let back = activate(&start, id(A), 3).unwrap();
    let mut armed = back.0.clone();
    armed.armed = Some(Armed {
        slot: id(C),
        as_what: Arming::LastResort,
    });
    let confirmed = confirm(&armed, id(C), &[3; 32]).unwrap();
    assert_eq!(confirmed.floor, 1);
    assert_eq!(
        activate(&confirmed, id(C), 3).unwrap().good(),
        [id(C), id(B), id(A)]
    );
}

proptest! {
    #[test]
    fn whatever_is_activated_in_whatever_order_what_was_good_stays_good(
        record in any_record(),
        order in prop::collection::vec((0..8usize, any::<bool>()), 1..8),
    ) {
        let good = |record: &Record| -> Vec<SlotId> {
            let counts = |id: &SlotId| record.slot(*id).state == Good || record.was_good(*id);
            record.ids().filter(counts).collect()
        };
        let before = good(&record);
        let mut now = record;
        for (index, back) in order {
            let next = if back {
                rollback(&now, None, 3).map(|(_, next)| next)
            } else {
                activate(&now, id(index), 3)
            };
            if let Ok(next) = next {
                now = next.0;
            }
        }
        prop_assert_eq!(good(&now), before);
    }
}
