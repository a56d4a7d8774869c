//! How commands talk to people, to programs, and to nobody.

use crate::bench::Bench;
use crate::ran::says;
use controller::code::Exit;
use std::fs;
use std::process::Stdio;

#[test]
fn every_answer_to_a_program_says_what_it_is() {
    let bench = Bench::new();
    for (words, schema) in [
        ("status", "status"),
        ("next-boot", "next-boot"),
        ("next-boot --arm", "next-boot"),
        ("disk show", "disk-show"),
        ("verify", "verify"),
        ("install v2.slotimg", "install"),
        ("activate b", "activate"),
        ("rollback", "rollback"),
        ("image show v1.slotimg", "image-show"),
        ("image verify v1.slotimg", "image-verify"),
        ("image sign v1.slotimg --key ours.key", "image-sign"),
        ("key show ours.pub", "key-show"),
    ] {
        assert_eq!(bench.ask(words)["schema"], format!("slotctl.{schema}/1"));
    }
}

#[test]
fn a_failure_is_the_same_object_with_an_error_in_it() {
    let bench = Bench::new();
    let answer = bench.on_disk("install for-plc-5.slotimg").with_status(3);
    assert_eq!(answer.stderr, "");
    let answer = answer.json();
    assert_eq!(answer["schema"], "slotctl.install/1");
    let mut fields: Vec<_> = answer["error"].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["advice", "changed", "code", "exit", "expected", "found"]
    );
}

#[test]
fn the_progress_of_an_install_is_one_object_a_line() {
    let ran = Bench::new().on_disk("install v2.slotimg").ok();
    let lines = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let events: Vec<_> = lines
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events.last().unwrap(), "done");
    assert!(
        events.len() > 1
            && events[..events.len() - 1]
                .iter()
                .all(|event| event == "progress")
    );
}

#[test]
fn a_reader_that_went_away_ends_a_command_quietly() {
    let bench = Bench::new();
    for words in [
        "status",
        "disk show",
        "next-boot",
        "image tbs v1.slotimg",
        "--json install v2.slotimg",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(&format!("--disk disk.img {words}"));
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words}");
    }
    // Nobody listened, and it was installed all the same.
    assert_eq!(bench.ask("status")["slots"][1]["state"], "trying");
}

#[test]
fn quiet_says_nothing_where_all_is_well() {
    let ran = Bench::new()
        .run("--disk disk.img --quiet install v2.slotimg")
        .ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn wrong_use_is_status_2() {
    let bench = Bench::new();
    for words in [
        "",
        "instal v2.slotimg",
        "install",
        "--disk",
        "install v2.slotimg --no-activate --reboot",
    ] {
        bench.run(words).with_status(2);
    }
    bench.does("--version");
    bench.does("help install");
}

#[test]
fn a_mistake_in_the_configuration_has_line_and_column() {
    let bench = Bench::new();
    let file = bench.directory().join("slotctl.toml");
    fs::write(&file, "compatible = \"plc-4\"\n[watch]\ndeadline = 5\n").unwrap();
    let error = config::load(&file).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    says(&error.found, "slotctl.toml, line 3, column 12: ");
}
