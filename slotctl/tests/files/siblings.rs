//! `slotctl NOUN` and the program that does what it says; a stand-in writes down what
//! it is given.

use crate::bench::Bench;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// slotctl in a folder of its own.
fn alone(bench: &Bench) -> PathBuf {
    let folder = bench.file("programs");
    fs::create_dir(&folder).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_slotctl"), folder.join("slotctl")).unwrap();
    folder
}

fn run(folder: &std::path::Path, words: &[&str]) -> Output {
    Command::new(folder.join("slotctl"))
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn a_program_that_is_not_installed_is_named_with_its_package() {
    let bench = Bench::new();
    let output = run(&alone(&bench), &["open-root"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("install the package slotctl-root"), "{said}");
}

#[test]
fn a_sibling_gets_the_version_and_the_options_that_stand_before_the_noun() {
    let bench = Bench::new();
    let folder = alone(&bench);
    let sibling = folder.join("slotctl-root");
    fs::write(&sibling, "#!/bin/sh\necho \"$@\"\nexit 5\n").unwrap();
    fs::set_permissions(&sibling, fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(&folder, &["--disk", "d", "--json", "-q", "open-root"]);
    assert_eq!(output.status.code(), Some(5));
    let version = env!("CARGO_PKG_VERSION");
    let given = format!("--called-by {version} --disk d --json --quiet\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), given);
}
