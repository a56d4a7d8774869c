//! A system that says that it is up, or goes down in order before.

use super::*;

fn counted(starts: u8) -> Record {
    let mut record = came_up(&record([Good, Good, Empty]), id(B), &[2; 32])
        .unwrap()
        .0;
    record.set_starts(Some((id(B), starts)));
    record
}

#[test]
fn a_system_that_says_that_it_is_up_ends_its_row_and_is_known_to_say_so() {
    let up = came_up(&counted(2), id(B), &[2; 32]).unwrap();
    assert_eq!(up.starts(), None);
    assert!(up.says_when_up(id(B)) && !up.says_when_up(id(A)));
    assert_eq!(came_up(&up, id(B), &[2; 32]), Ok(up));
}

#[test]
fn the_only_good_slot_writes_nothing_when_it_is_up() {
    let alone = record([Good, Ready, Bad]);
    assert_eq!(came_up(&alone, id(A), &[1; 32]), Ok(Next(alone)));
}

#[test]
fn only_the_good_slot_with_the_running_image_says_so() {
    let start = record([Good, Good, Ready]);
    let other = came_up(&start, id(B), &[9; 32]);
    assert_eq!(other, Err(Refusal::OtherImage(id(B))));
    let ready = came_up(&start, id(C), &[3; 32]);
    assert_eq!(ready, Err(Refusal::WrongState(id(C), Ready)));
}

#[test]
fn what_an_older_slotctl_installs_over_it_has_not_said_so() {
    let later = with(&counted(1), id(B), |s| s.manifest = [7; 32]);
    assert!(!later.says_when_up(id(B)));
}

#[test]
fn a_restart_in_order_before_the_system_is_up_counts_for_nothing() {
    let row = |record: &Record| record.starts();
    assert_eq!(
        row(&went_down_in_order(&counted(3), id(B))),
        Some((id(B), 2))
    );
    assert_eq!(row(&went_down_in_order(&counted(1), id(B))), None);
    assert_eq!(went_down_in_order(&counted(2), id(A)), counted(2));
}

#[test]
fn a_trial_that_goes_down_in_order_has_its_try_back() {
    let armed = arm(&record([Good, Trying, Empty]), id(B), Arming::Trial);
    assert_eq!(
        went_down_in_order(&armed, id(B)),
        give_back(&armed, id(B)).unwrap()
    );
    let lost = give_up_start(&armed, id(B), Reason::Deadline).unwrap();
    assert_eq!(went_down_in_order(&lost, id(B)), lost);
}

#[test]
fn a_trial_a_confirm_or_a_person_ends_the_row() {
    let start = counted(2);
    assert_eq!(ran_well(&start, id(B)).starts(), None);
    assert_eq!(arm(&start, id(A), Arming::Once).starts(), None);
    let left = leave(&start, id(B), Reason::NeverUp);
    let damaged = fail(&start, id(A), Reason::Damaged, Stage::Verify);
    let only = leave(&damaged, id(B), Reason::NeverUp);
    assert_eq!(
        only.slot(id(A)).reason,
        Reason::Damaged,
        "another fault stays"
    );
    assert_eq!(
        (left.starts(), left.good()),
        (None, alloc::vec![id(A), id(B)])
    );
}
