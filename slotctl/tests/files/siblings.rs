//! `slotctl NOUN` and the program that does what it says; a stand-in writes down what
//! it is given.

use crate::bench::Bench;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// slotctl in a folder of its own.
fn alone(bench: &Bench) -> PathBuf {
    let folder = bench.file("programs");
    fs::create_dir(&folder).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_slotctl"), folder.join("slotctl")).unwrap();
    folder
}

fn run(folder: &Path, words: &[&str]) -> Output {
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
fn what_lies_there_and_cannot_be_run_is_named_with_what_mends_it() {
    let bench = Bench::new();
    let folder = alone(&bench);
    let program = folder.join("slotctl-root");
    let script = |mode| {
        fs::write(&program, "#!/no/such/shell\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
    };
    for what in [
        "a folder",
        "no leave to run it",
        "a link to nothing",
        "no shell",
    ] {
        match what {
            "a folder" => fs::create_dir(&program).unwrap(),
            "a link to nothing" => symlink("nothing", &program).unwrap(),
            "no shell" => script(0o755),
            _ => script(0o644),
        }
        let output = run(&folder, &["open-root"]);
        let said = String::from_utf8(output.stderr).unwrap();
        let running = format!("running {}: ", program.display());
        assert!(said.contains(&running), "{what}: {said}");
        let advice = "install the package slotctl-root again; nothing was done";
        assert!(said.contains(advice), "{what}: {said}");
        fs::rename(&program, folder.join(what)).unwrap();
    }
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
