//! `slotctl-root` as a hook or slotctl calls it, on a system that bootshim did not start.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn slotctl_root(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slotctl-root"))
        .args(words)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_system_that_bootshim_did_not_start_has_no_root_to_open() {
    for words in [&[][..], &["--called-by", env!("CARGO_PKG_VERSION")]] {
        let output = slotctl_root(words);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("name a disk"), "{}", said(&output));
    }
}

#[test]
fn a_slotctl_of_another_version_is_refused_before_anything_else() {
    let output = slotctl_root(&["--called-by", "0.0.9", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["schema"], "slotctl.open-root/1");
    assert_eq!(answer["error"]["code"], "other-version");
    let output = slotctl_root(&["--called-by", "0.0.9", "--no-such-word"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn a_word_that_it_does_not_know_is_wrong_use() {
    let output = slotctl_root(&["--disk", "x", "/dev/sda"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("`/dev/sda`"), "{}", said(&output));
}
