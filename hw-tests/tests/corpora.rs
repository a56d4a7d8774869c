//! Everything that a fuzzer found worth keeping, through the same targets again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, each of them is a failure that is seen"
)]

use hw_tests::fuzz::{TARGETS, seeds};
use std::fs;
use std::io::{Write, stdout};
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn every_case_of_the_corpora_keeps_its_promises() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let seeds = seeds();
    for (name, target) in TARGETS {
        let mut cases: Vec<_> = fs::read_dir(corpora.join(name))
            .unwrap_or_else(|error| panic!("corpus of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect();
        cases.sort();
        assert!(!cases.is_empty(), "the corpus of {name} is empty");
        let own = seeds.iter().filter(|(of, ..)| *of == name);
        cases.extend(own.map(|(_, seed, bytes)| (format!("seed {seed}"), bytes.clone())));
        for (case, bytes) in &cases {
            assert!(catch_unwind(|| target(bytes)).is_ok(), "{name}: {case}");
        }
        // Past what keeps the words of a test that passes.
        let line = format!("fuzz {name}: {} cases replayed\n", cases.len());
        stdout().write_all(line.as_bytes()).unwrap();
    }
}
