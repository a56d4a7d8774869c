//! What bootshim does at every start beside reading: the record and the choice.

use bootshim::choice::{Situation, Slots, next};
use bootshim::guid::Guid;
use bootshim::record::{Record, Slot, SlotId, State};
use criterion::Criterion;
use std::hint::black_box;

const PARTITION: Guid = Guid([7; 16]);

/// Three slots: good, good, on trial.
fn record() -> Record {
    let mut record = Record::new(PARTITION, 3);
    let states = [State::Good, State::Good, State::Trying];
    for (slot, (state, fill)) in SlotId::all().zip(states.into_iter().zip(1u8..)) {
        let made = Slot {
            state,
            priority: fill,
            tries: 3,
            tries_left: 3,
            manifest: [fill; 32],
            ..Slot::EMPTY
        };
        record.set_slot(slot, made);
    }
    record
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let record = record();
    let raw = record.encode();
    let now = Situation {
        passed: Slots::default(),
        can_commit: true,
        seed: 0,
    };
    let mut group = criterion.benchmark_group("record");
    group.bench_function("decode", |bench| {
        bench.iter(|| Record::decode(black_box(&raw), PARTITION));
    });
    group.bench_function("encode", |bench| bench.iter(|| black_box(&record).encode()));
    group.bench_function("choose", |bench| {
        bench.iter(|| next(black_box(&record), black_box(&now)));
    });
    group.finish();
    criterion.final_summary();
}
