//! What takes too long to be run each time is begun each time, or it rots: every
//! long target of the Makefile does a little of what it does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, each of them is a failure that is seen"
)]

use hw_tests::bench::{Selection, bench};
use hw_tests::fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// They build, and each uses all cores for that.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a command at the root of the repository; what it printed.
#[track_caller]
fn run(words: &str) -> String {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    let output = command.args(words).current_dir(root()).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

#[test]
#[ignore = "devices need root and loop devices"]
fn every_row_of_the_bench_can_be_measured() {
    let _alone = alone();
    let report = bench(&Selection::smoke()).unwrap();
    assert_eq!(report.failures(), 0, "{}", report.table());
}

#[test]
fn every_fuzz_target_builds_and_takes_its_corpus() {
    let _alone = alone();
    let programs = fs::read_to_string(root().join("hw-tests/fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let program = format!("name = \"{name}\"\n");
        assert!(programs.contains(&program), "no program for {name}");
    }
    run("hw-tests/fuzz/run.sh --smoke");
}

#[test]
fn a_mutant_is_made_and_caught_and_those_that_are_listed_are_still_there() {
    let _alone = alone();
    run("hw-tests/mutants.sh --smoke");
}

#[test]
fn the_long_scenarios_build_and_name_themselves() {
    let _alone = alone();
    let listed = run("cargo test -q -p hw-tests --features long --test long -- --list");
    assert!(listed.contains("watchdogs::"), "{listed}");
}

#[test]
fn every_sabotage_can_be_done() {
    for patch in fs::read_dir(root().join("hw-tests/sabotage")).unwrap() {
        let patch = patch.unwrap().path();
        let words = fs::read_to_string(&patch).unwrap();
        for line in ["What: ", "Caught by: "] {
            let there = words.lines().any(|said| said.starts_with(line));
            assert!(there, "{}: no line {line:?}", patch.display());
        }
        run(&format!("patch -s -p1 --dry-run -i {}", patch.display()));
    }
}
