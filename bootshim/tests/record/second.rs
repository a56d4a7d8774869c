//! Whatever lies on the disk, both readers see the same in it.

use crate::describe::describe;
use crate::second_reader;
use crate::vectors::{Block, Blocks, PARTITION};
use bootshim::copies::{SPACING, Store};
use bootshim::medium::Access;
use fakedisk::{Injection, Wrong, copies};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::LazyLock;

/// What happened to a block.
#[derive(Clone, Debug)]
enum Change {
    /// A byte of record or note, and the hashes to match: somebody wrote it so.
    Written(usize, u8),
    /// A byte anywhere: damage.
    Damaged(usize, u8),
    /// Only so many bytes of the block arrived; another lies behind them.
    Torn(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    // Small values, the borders of the fields, and any.
    let value = prop_oneof![
        0u8..10,
        select(vec![99, 100, 127, 128, 254, 255]),
        any::<u8>()
    ];
    let state = (0usize..8).prop_map(|slot| 96 + 48 * slot);
    // Head, slots, their states, and the beginning of the note.
    let place = prop_oneof![8usize..24, 40usize..96, 96usize..480, state, 512usize..516];
    prop_oneof![
        4 => (place, value).prop_map(|(at, value)| Change::Written(at, value)),
        1 => (0usize..4096, 1u8..).prop_map(|(at, flip)| Change::Damaged(at, flip)),
        1 => (0usize..=4096, any::<usize>()).prop_map(|(at, other)| Change::Torn(at, other)),
    ]
}

/// Every block of the golden vectors.
static ORIGINALS: LazyLock<Vec<Block>> = LazyLock::new(|| {
    let vectors = crate::vectors::all().unwrap();
    vectors.into_iter().flat_map(|(_, blocks)| blocks).collect()
});

fn apply(block: &mut Block, change: &Change) {
    match *change {
        Change::Written(at, value) => {
            block[at] = value;
            for (from, to) in [(0, 480), (512, 4064)] {
                let hash = blake3::hash(&block[from..to]);
                block[to..to + 32].copy_from_slice(hash.as_bytes());
            }
        }
        Change::Damaged(at, flip) => block[at] ^= flip,
        Change::Torn(at, other) => {
            let other = &ORIGINALS[other % ORIGINALS.len()];
            block[at..].copy_from_slice(&other[at..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn both_readers_see_the_same_in_any_four_blocks(
        chosen in prop::array::uniform4(any::<usize>()),
        changes in prop::array::uniform4(prop::collection::vec(change(), 0..4)),
        failing in prop::array::uniform4(prop_oneof![6 => Just(0), 1 => 1usize..5]),
    ) {
        let mut blocks: Blocks = chosen.map(|n| ORIGINALS[n % ORIGINALS.len()]);
        for (block, changes) in blocks.iter_mut().zip(&changes) {
            for change in changes {
                apply(block, change);
            }
        }
        let partition = copies(&blocks);
        partition.inject((0..).zip(failing).map(|(copy, reads)| Injection {
            place: (Access::Read, copy * SPACING),
            turns: 0..reads,
            wrong: Wrong::Refuses,
        }));
        let store = Store::open(partition, PARTITION);
        // A read is tried three times.
        let readable = failing.map(|reads| reads < 3);
        let second = second_reader::describe(&blocks, readable, PARTITION.0);
        prop_assert_eq!(describe(&store), second);
    }
}
