//! How commands talk to people, to programs, and to nobody.

use crate::bench::Bench;
use std::process::Stdio;

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
