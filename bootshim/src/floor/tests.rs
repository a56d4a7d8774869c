use super::*;
use proptest::prelude::*;

fn facts(security_version: u64, revoke_below: u64) -> Facts {
    Facts {
        manifest: [1; 32],
        security_version,
        revoke_below,
        key_epoch: None,
        version: "1".into(),
    }
}

fn demand(good: &[(u64, u64)]) -> Demand {
    let mut demand = Demand::default();
    for (version, revokes) in good {
        demand.add(Some(&facts(*version, *revokes)));
    }
    demand
}

#[test]
fn it_rises_to_the_lowest_good_slot() {
    assert_eq!(demand(&[(7, 0), (4, 0)]).due(2), 4);
}

#[test]
fn it_waits_for_a_good_slot_that_cannot_be_read() {
    let mut demand = demand(&[(7, 0)]);
    demand.add(None);
    assert_eq!(demand.due(2), 2);
}

#[test]
fn what_a_good_slot_revokes_is_out_although_it_was_the_way_back() {
    let demand = demand(&[(7, 5), (4, 0)]);
    assert_eq!((demand.required(2), demand.due(2)), (5, 7));
}

#[test]
fn an_image_that_revokes_itself_may_still_start() {
    let demand = demand(&[(7, u64::MAX)]);
    assert_eq!((demand.required(0), demand.due(0)), (7, 7));
}

#[test]
fn epochs_rise_to_the_lowest_of_a_good_slot_that_may_start() {
    let counts = |key_epoch| Floor {
        security_version: 2,
        key_epoch,
    };
    let slot = |version, revokes, epoch| Facts {
        key_epoch: epoch,
        ..facts(version, revokes)
    };
    let due = |good: &[Facts], floor| {
        let mut demand = Demand::default();
        good.iter().for_each(|facts| demand.add(Some(facts)));
        demand.due_epoch(counts(floor))
    };
    assert_eq!(due(&[slot(2, 0, Some(4)), slot(2, 0, Some(3))], 1), 3);
    // The older one is revoked, or below the floor already: it is no way back.
    assert_eq!(due(&[slot(5, 5, Some(4)), slot(2, 0, Some(3))], 1), 4);
    assert_eq!(due(&[slot(2, 0, Some(4)), slot(2, 0, Some(3))], 4), 4);
    assert_eq!(due(&[slot(2, 0, None)], 4), 4, "it never falls");
    let mut unseen = Demand::default();
    unseen.add(Some(&slot(2, 0, Some(9))));
    unseen.add(None);
    assert_eq!(unseen.due_epoch(counts(1)), 1);
}

#[test]
fn without_good_slots_it_stays() {
    assert_eq!(Demand::default().due(3), 3);
}

#[test]
fn the_firmware_wins_in_both_directions() {
    let floor = Floor {
        security_version: 5,
        key_epoch: 2,
    };
    for hint in [0, 5, u64::MAX] {
        let counts = FloorInForce::of(&Kept::Here(floor), hint);
        assert_eq!((counts.floor, counts.keeper), (floor, Keeper::Firmware));
    }
    for kept in [
        Kept::Absent,
        Kept::Garbage("x".into()),
        Kept::Nowhere("x".into()),
    ] {
        let counts = FloorInForce::of(&kept, 7);
        assert_eq!(counts.floor.security_version, 7);
        assert_eq!(counts.keeper, Keeper::Record);
    }
}

#[test]
fn the_bytes_are_those_of_the_document() {
    let floor = Floor {
        security_version: 0x0102,
        key_epoch: 3,
    };
    let bytes = *b"SLOTFLR1\x02\x01\0\0\0\0\0\0\x03\0\0\0\0\0\0\0";
    assert_eq!(floor.to_bytes(), bytes);
    let keeper = Keeper::Firmware;
    let told = FloorInForce { floor, keeper }.to_bytes();
    assert_eq!(told.split_last(), Some((&1, &bytes[..])));
}

proptest! {
    #[test]
    fn it_never_falls_and_never_passes_a_good_slot_that_may_start(
        good in proptest::collection::vec((0u64..9, 0u64..9), 0..5), counts in 0u64..9,
    ) {
        let demand = demand(&good);
        let (required, due) = (demand.required(counts), demand.due(counts));
        prop_assert!(counts <= required && required <= due);
        for (version, _) in good {
            prop_assert!(version < required || version >= due);
        }
    }

    #[test]
    fn whatever_is_written_is_read_and_nothing_else_is(
        security_version: u64, key_epoch: u64, firmware: bool, cut in 0..PUBLISHED_LEN, bit in 0..8u32,
    ) {
        let floor = Floor { security_version, key_epoch };
        prop_assert_eq!(Floor::parse(&floor.to_bytes()), Some(floor));
        let keeper = if firmware { Keeper::Firmware } else { Keeper::Record };
        let told = FloorInForce { floor, keeper };
        let bytes = told.to_bytes();
        prop_assert_eq!(FloorInForce::parse(&bytes), Some(told));
        prop_assert_eq!(FloorInForce::parse(&bytes[..cut]), None);
        let longer: alloc::vec::Vec<u8> = bytes.into_iter().chain([0]).collect();
        prop_assert_eq!(FloorInForce::parse(&longer), None);
        let mut magic = bytes;
        magic[cut % MAGIC.len()] ^= 1 << bit;
        prop_assert_eq!(FloorInForce::parse(&magic), None);
        let mut unknown = bytes;
        unknown[LEN] = 2;
        prop_assert_eq!(FloorInForce::parse(&unknown), None);
    }
}
