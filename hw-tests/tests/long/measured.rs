//! What starts is proven by a TPM, and known to `bootctl`.

use super::PIPELINE;
use hw_tests::machine::{Machine, Tpm, WebServer, target};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// Of the Boot Loader Interface.
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

#[test]
fn manifest_slot_and_command_line_are_in_pcr_12_and_the_log_replays_it() {
    let disk = PIPELINE.disk("measured.img", 512).unwrap();
    let tpm = Tpm::new().unwrap();
    let mut machine = Machine::new("measured")
        .disk(&disk)
        .tpm(&tpm)
        .start()
        .unwrap();
    let said = "measured into PCR 12: manifest, slot, command line";
    machine.says(said);

    let mut run = |words: &str| {
        let ran = machine.run(words).unwrap();
        assert_eq!(ran.status, 0, "{words}: {}", ran.stdout);
        ran.stdout
    };
    let pcr = run("cat /sys/class/tpm/tpm0/pcr-sha256/12");
    run("mount -t securityfs none /sys/kernel/security || true");
    let log = run("base64 /sys/kernel/security/tpm0/binary_bios_measurements");
    let line = run("cat /proc/cmdline");
    let status = run("slotctl status --json");
    let status: Value = serde_json::from_str(&status).unwrap();
    let manifest = status["slots"][0]["manifest"].as_str().unwrap().to_owned();
    let selected = run(&format!(
        "cat /sys/firmware/efi/efivars/LoaderEntrySelected-{LOADER}"
    ));
    let info = run(&format!(
        "cat /sys/firmware/efi/efivars/LoaderInfo-{LOADER}"
    ));
    let text = |raw: &str| {
        raw.chars()
            .filter(char::is_ascii_graphic)
            .collect::<String>()
    };
    assert_eq!(text(&selected), "slot-a");
    assert!(text(&info).starts_with("bootshim"), "{info:?}");

    let folder = tempfile::tempdir().unwrap();
    let (encoded, file) = (folder.path().join("log.b64"), folder.path().join("log"));
    fs::write(&encoded, log).unwrap();
    let decoded = Command::new("base64")
        .arg("-d")
        .arg(&encoded)
        .output()
        .unwrap();
    fs::write(&file, decoded.stdout).unwrap();
    let shown = Command::new("tpm2_eventlog").arg(&file).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for measured in [
        format!("slotctl manifest {manifest}"),
        "slotctl slot a".into(),
        format!("slotctl command line {}", line.trim_end()),
    ] {
        assert!(shown.contains(&measured), "{measured} is not in\n{shown}");
    }
    // tpm2_eventlog replays the log: its PCR is the one that the TPM has.
    let replayed = format!("12 : 0x{}", pcr.trim().to_lowercase());
    assert!(shown.contains(&replayed), "{replayed} is not in\n{shown}");
}

/// bootctl (Debian's, from systemd) reads the variables of the Boot Loader Interface.
#[test]
fn bootctl_shows_what_booted() {
    let disk = PIPELINE.disk("bootctl.img", 512).unwrap();
    let server = WebServer::new(&target()).unwrap();
    let archive = server.url_for_machine("bootctl.tar");
    let mut machine = Machine::new("bootctl").disk(&disk).start().unwrap();
    let none = "no TPM: nothing is measured";
    machine.says(none);
    let fetched = machine
        .run(&format!("wget -q -O - {archive} | tar x -C /tmp"))
        .unwrap();
    assert_eq!(fetched.status, 0, "{}", fetched.stderr);
    let program =
        "/tmp/bootctl/ld-linux-x86-64.so.2 --library-path /tmp/bootctl /tmp/bootctl/bootctl";
    let status = machine
        .run(&format!("{program} --no-pager status"))
        .unwrap();
    let stub = concat!("Product: bootshim ", env!("CARGO_PKG_VERSION"));
    assert!(status.stdout.contains(stub), "{}", status.stdout);
}
