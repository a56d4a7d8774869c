//! The number of an activation: one for each flip, and nothing else changes it.

use super::*;
use crate::record::MINOR_ACTIVATIONS;
use alloc::vec;

#[test]
fn a_flip_has_the_number_under_which_its_state_was_made_ready() {
    for state in [Ready, Good, Bad] {
        let before = record([Good, state, Good]);
        let flip = number(&before, activate(&before, id(B), 3).unwrap(), id(B), 9);
        assert_eq!(flip.activation(id(B)), 9, "{state}");
        assert_eq!((flip.activation(id(A)), flip.activation(id(C))), (0, 0));
        assert_eq!(flip.minor, MINOR_ACTIVATIONS);
    }
}

#[test]
fn a_slot_that_needs_no_trial_keeps_the_state_that_it_has() {
    let before = record([Good, Good, Good]);
    // Its trial goes on.
    let trial = number(&before, activate(&before, id(B), 3).unwrap(), id(B), 4);
    let again = number(&trial, activate(&trial, id(B), 3).unwrap(), id(B), 5);
    assert_eq!(again, *trial);
    // It is good as soon as the trial of another ends.
    let known_good = trial.known_good().unwrap();
    let back = activate(&trial, known_good, 3).unwrap();
    let back = number(&trial, back, known_good, 5);
    assert_eq!(back.activation(known_good), 0);
    assert_eq!(back.activation(id(B)), 4, "and the trial keeps its own");
}

#[test]
fn a_rollback_to_an_older_slot_is_a_flip_as_well() {
    let before = record([Good, Good, Good]);
    let (to, next) = rollback(&before, Some(id(C)), 3).unwrap();
    assert_eq!((to, next.trial()), (id(B), Some(id(B))));
    assert_eq!(number(&before, next, to, 3).activation(id(B)), 3);
}

#[test]
fn in_a_record_of_an_earlier_minor_the_byte_says_nothing() {
    let mut old = with(&record([Good, Good, Empty]), id(B), |s| s.activation = 7);
    for minor in 0..MINOR_ACTIVATIONS {
        old.0.minor = minor;
        assert_eq!(old.activation(id(B)), 0);
    }
    old.0.minor = MINOR_ACTIVATIONS;
    assert_eq!(old.activation(id(B)), 7);
}

proptest! {
    #[test]
    fn only_a_flip_gives_a_number(
        before in any_record(), at in 0usize..8, reason in 0u8..14,
        as_what in prop::sample::select(vec![Arming::Once, Arming::Trial, Arming::LastResort]),
    ) {
        let slot = SlotId::new(at % before.ids().count()).unwrap();
        let reason = Reason::from_code(reason);
        let manifest = before.slot(slot).manifest;
        let made = [
            activate(&before, slot, 3).ok(),
            activate_once(&before, slot).ok(),
            rollback(&before, Some(slot), 3).ok().map(|(_, next)| next),
            begin_writing(&before, slot, None).ok(),
            finish_writing(&before, slot, [9; 32], 1).ok(),
            provision(&before, slot).ok(),
            Some(accept_order(&before, 7)),
            Some(arm(&before, slot, as_what)),
            Some(fail(&before, slot, reason, Stage::Watch)),
            Some(leave(&before, slot, reason)),
            Some(ran_well(&before, slot)),
            Some(went_down_in_order(&before, slot)),
            give_up_start(&before, slot, reason).ok(),
            give_back(&before, slot).ok(),
            confirm(&before, slot, &manifest).ok(),
            confirm_last_resort(&before, slot, &manifest, Judge::Person).ok(),
            came_up(&before, slot, &manifest).ok(),
            reject(&before, slot, &manifest).ok(),
        ];
        for next in made.into_iter().flatten() {
            for slot in before.ids() {
                prop_assert_eq!(next.slot(slot).activation, before.slot(slot).activation);
            }
        }
    }
}
