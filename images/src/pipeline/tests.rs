//! Order, and the first error.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// Numbers from 0 on; each stage fails at the number it is given.
fn piped(count: u32, fail: [Option<u32>; 3]) -> (Vec<u32>, Result<(), String>) {
    let [read, work, write] = fail;
    let at = |stage: &str, number, fail| match fail {
        Some(fail) if fail == number => Err(format!("{stage} {number}")),
        _ => Ok(number),
    };
    let mut numbers = 0..count;
    let mut written = Vec::new();
    let result = run(
        || {
            numbers
                .next()
                .map(|number| at("read", number, read))
                .transpose()
        },
        |number| at("work", number, work),
        |number| {
            written.push(at("write", number, write)?);
            Ok(())
        },
    );
    (written, result)
}

proptest! {
    #[test]
    fn results_arrive_in_the_order_of_the_items(count in 0..100_u32) {
        let (written, result) = piped(count, [None; 3]);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(written, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_in_order_ends_it_and_everything_before_it_is_written(
        fail: [Option<prop::sample::Index>; 3],
    ) {
        let fail = fail.map(|index| index.map(|index| index.index(50) as u32));
        let (written, result) = piped(50, fail);
        match fail.iter().flatten().min() {
            None => prop_assert_eq!(result, Ok(())),
            Some(first) => {
                let number = format!(" {first}");
                prop_assert!(result.unwrap_err().ends_with(&number));
                prop_assert_eq!(written, (0..*first).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_worker_is_used_again() {
    let made = AtomicUsize::new(0);
    let pool = Pool::new();
    for _ in 0..10 {
        let make = || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(0)
        };
        pool.with(make, |uses| {
            *uses += 1;
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(made.into_inner(), 1);
}

#[test]
fn no_more_than_a_batch_is_read_ahead_of_the_work() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1);
    let read = AtomicUsize::new(0);
    let ahead = AtomicUsize::new(0);
    let next = || {
        let number = read.fetch_add(1, Ordering::Relaxed);
        Ok((number < 100).then_some(number))
    };
    let work = |number| {
        let now = read.load(Ordering::Relaxed) - number;
        ahead.fetch_max(now, Ordering::Relaxed);
        Ok::<_, ()>(())
    };
    let done = one
        .build()
        .unwrap()
        .install(|| run(next, work, |()| Ok(())));
    assert_eq!((done, ahead.into_inner()), (Ok(()), BATCH));
}
