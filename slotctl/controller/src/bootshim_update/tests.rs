use super::*;
use bootshim::copies::{Note, Store};
use bootshim::guid::Guid;
use bootshim::record::{Record, Slot};
use bootshim::state::Next;
use fakedisk::{FakeDisk, program as sample};

#[test]
fn what_has_started_the_slot_goes_to_the_spare_place_and_what_waits_there_is_swapped() {
    assert_eq!(due(false, false), Due::Nothing);
    assert_eq!(due(false, true), Due::Spare);
    assert_eq!(due(true, false), Due::Swap);
    assert_eq!(due(true, true), Due::Swap);
}

#[test]
fn a_bootshim_that_could_not_start_what_starts_now_is_refused() {
    let program = |machine| Program::parse(sample::program(machine)).unwrap();
    let (here, other) = (program(0x8664), program(0xaa64));
    let why = |active: &Program, shut_out| check(active, &here, shut_out).unwrap_err().found;
    assert_eq!(check(&here, &here, None), Ok(()));
    assert!(why(&other, None).ends_with("it is for another kind of processor"));
    let slot = SlotId::new(0).unwrap();
    let defect = Defect::Bad(bootshim::record::Reason::NotAuthentic, "unsigned".into());
    let refused = why(&here, Some((slot, defect)));
    assert!(refused.contains("it would not start slot a: "), "{refused}");
}

#[test]
fn only_a_durable_good_slot_with_the_image_that_runs_is_confirmed() {
    let id = Guid([7; 16]);
    let running = Handover {
        slot: SlotId::new(1).unwrap(),
        disk: id,
        boot: 1,
        manifest: [2; 32],
    };
    let confirmed = |state, priority, manifest| {
        let mut record = Record::new(id, 3);
        let known = Slot {
            state,
            priority,
            manifest,
            ..Slot::EMPTY
        };
        record.set_slot(running.slot, known);
        let durable = Store::open(FakeDisk::new(1 << 20), id)
            .commit_everywhere(Next::by_hand(record), Note::default())
            .unwrap();
        Confirmed::by(&durable, &running).is_ok()
    };
    assert!(confirmed(State::Good, 1, [2; 32]));
    assert!(!confirmed(State::Good, 1, [3; 32]));
    assert!(!confirmed(State::Ready, 0, [2; 32]));
}
