//! Why a transition is not allowed, in words.

use super::*;
use alloc::string::ToString;

#[test]
fn why_something_is_refused_is_said_in_words() {
    let protections = alloc::vec![
        (id(A), Protection::Running),
        (id(B), Protection::KnownGood),
        (id(C), Protection::OnTrial),
    ];
    let cases = [
        (Refusal::NoSuchSlot(id(C)), "this disk has no slot c"),
        (Refusal::WrongState(id(B), Writing), "slot b is writing"),
        (
            Refusal::NoTarget(protections),
            "no slot is free; a is running; b is the known-good one; c is on trial",
        ),
        (
            Refusal::Protected(id(A), Protection::Running),
            "slot a is running",
        ),
        (
            Refusal::NotArmed(id(B)),
            "slot b is not the one that was armed",
        ),
        (
            Refusal::OtherImage(id(B)),
            "slot b holds another image than the one that runs",
        ),
        (
            Refusal::NoOtherGood,
            "there is no other good slot to go back to",
        ),
    ];
    for (refusal, words) in cases {
        assert_eq!(refusal.to_string(), words);
    }
}
