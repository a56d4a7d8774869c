//! A disk without a good slot.

use super::*;

fn failed(record: &Record, index: usize, reason: Reason) -> Record {
    fail(record, id(index), reason, Stage::Started).0
}

#[test]
fn without_a_good_slot_nothing_that_may_start_is_written_while_something_else_is_free() {
    let only = failed(&record([Trying, Empty, Empty]), A, Reason::Exhausted);
    assert_eq!(write_target(&only, None, None), Ok(id(B)));
    let damaged = failed(&record([Trying, Ready, Ready]), A, Reason::Damaged);
    assert_eq!(write_target(&damaged, None, None), Ok(id(A)));
    let mut without_image = only;
    without_image.set_slot(id(B), slot(Bad, 0));
    assert_eq!(write_target(&without_image, None, None), Ok(id(B)));
    let two = failed(&record([Trying, Ready, Writing]), A, Reason::Unconfirmed);
    assert_eq!(write_target(&two, None, None), Ok(id(C)));
}

#[test]
fn without_a_good_slot_what_was_started_last_is_written_last() {
    let mut all = failed(&record([Trying, Bad, Ready]), A, Reason::Exhausted);
    for (last, target) in [(A, B), (B, A), (C, A)] {
        all.last_booted = Some(id(last));
        assert_eq!(write_target(&all, None, None), Ok(id(target)), "{last}");
    }
}

fn running(reason: Reason) -> Record {
    let bad = failed(&record([Trying, Empty, Empty]), A, reason);
    arm(&bad, id(A), Arming::LastResort).0
}

#[test]
fn a_bad_slot_that_runs_well_as_last_resort_becomes_good() {
    for reason in [Reason::Exhausted, Reason::Unconfirmed, Reason::Deadline] {
        let good = confirm_last_resort(&running(reason), id(A), &[1; 32], Judge::Checks).unwrap();
        assert_eq!(good.known_good(), Some(id(A)));
        assert_eq!(good.slot(id(A)).reason, Reason::None);
    }
}

#[test]
fn what_a_person_rejected_only_a_person_confirms() {
    let rejected = running(Reason::Rejected);
    let confirm = |judge| confirm_last_resort(&rejected, id(A), &[1; 32], judge);
    assert_eq!(confirm(Judge::Checks), Err(Refusal::Rejected(id(A))));
    assert!(confirm(Judge::Person).is_ok());
}

#[test]
fn only_the_bad_slot_that_runs_as_last_resort_with_this_image_is_confirmed_so() {
    let now = running(Reason::Exhausted);
    let other = confirm_last_resort(&now, id(A), &[9; 32], Judge::Person);
    assert_eq!(other, Err(Refusal::OtherImage(id(A))));
    let not_armed = failed(&record([Trying, Empty, Empty]), A, Reason::Exhausted);
    let refused = confirm_last_resort(&not_armed, id(A), &[1; 32], Judge::Person);
    assert_eq!(refused, Err(Refusal::NotArmed(id(A))));
    let ready = arm(&record([Ready, Empty, Empty]), id(A), Arming::LastResort);
    let refused = confirm_last_resort(&ready, id(A), &[1; 32], Judge::Person);
    assert_eq!(refused, Err(Refusal::WrongState(id(A), Ready)));
}
