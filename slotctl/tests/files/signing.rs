//! Keys, and signatures made here or elsewhere.

use crate::bench::Bench;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn openssl(bench: &Bench, words: &str) {
    let mut command = Command::new("openssl");
    let output = command
        .current_dir(bench.directory())
        .args(words.split_whitespace());
    let output = output.output().expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
}

/// Writes the bytes of an image that are to be signed to `tbs`.
fn to_be_signed(bench: &Bench, image: &str) {
    let output = bench
        .command(&format!("image tbs {image}"))
        .output()
        .unwrap();
    assert!(output.status.success());
    fs::write(bench.directory().join("tbs"), output.stdout).unwrap();
}

#[test]
fn a_key_is_secret_and_never_overwritten() {
    let bench = Bench::new();
    bench.does("key generate --out mine");
    let mode = fs::metadata(bench.file("mine.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (secret, public) = (bench.read("mine.key"), bench.read("mine.pub"));
    bench
        .run("--json key generate --out mine")
        .error(3, "exists");
    fs::remove_file(bench.file("mine.key")).unwrap();
    bench.run("key generate --out mine").with_status(3);
    assert_eq!(bench.read("mine.pub"), public);
    assert!(!bench.directory().join("mine.key").exists());
    assert!(secret.starts_with(b"-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_key_of_somebody_else_is_shown_to_be_one() {
    let bench = Bench::new();
    openssl(&bench, "genpkey -algorithm RSA -out rsa.pem");
    openssl(&bench, "pkey -in rsa.pem -pubout -out rsa.pub");
    openssl(&bench, "rsa -in rsa.pem -traditional -out old.pem");
    for (file, words) in [
        ("rsa.pub", "holds a key for RSA, one for Ed25519 is needed"),
        ("rsa.pem", "holds a key for RSA, one for Ed25519 is needed"),
        (
            "old.pem",
            "holds an RSA PRIVATE KEY, a PUBLIC KEY or a PRIVATE KEY is needed",
        ),
    ] {
        let shown = bench.run(&format!("--json key show {file}")).with_status(4);
        let error = shown.json()["error"].clone();
        assert_eq!(error["code"], "not-a-key");
        assert_eq!(error["found"], format!("{file}: {words}"));
    }
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let bench = Bench::new();
    for file in ["kernel", "v1.slotimg"] {
        bench
            .run(&format!("--json key show {file}"))
            .error(4, "not-a-key");
    }
    bench.run("key show nothing.pub").with_status(2);
}

#[test]
fn signing_twice_with_the_same_key_changes_nothing() {
    let bench = Bench::new();
    let sign = "--json image sign unsigned.slotimg --key ours.key";
    assert_eq!(bench.does(sign).json()["changed"], true);
    let signed = bench.read("unsigned.slotimg");
    assert_eq!(bench.does(sign).json()["changed"], false);
    assert!(signed == bench.read("unsigned.slotimg"));
    bench.ask("install unsigned.slotimg");
}

#[test]
fn a_second_key_adds_a_signature_and_either_of_them_is_enough() {
    let bench = Bench::new();
    bench.does("image sign strangers.slotimg --key ours.key");
    let shown = bench.does("--json image show strangers.slotimg").json();
    assert_eq!(shown["signatures"].as_array().unwrap().len(), 2);
    bench.ask("install strangers.slotimg");
}

#[test]
fn a_signature_by_openssl_is_attached_and_trusted() {
    let bench = Bench::new();
    bench.file("ours.key");
    to_be_signed(&bench, "unsigned.slotimg");
    openssl(
        &bench,
        "pkeyutl -sign -rawin -inkey ours.key -in tbs -out sig",
    );
    let attach = "image sign unsigned.slotimg --signature sig --public ours.pub";
    bench.does(attach);
    bench.does("image verify unsigned.slotimg --trust ours.pub");
    bench.ask("install unsigned.slotimg");
}

#[test]
fn openssl_finds_our_signature_right() {
    let bench = Bench::new();
    bench.file("ours.pub");
    to_be_signed(&bench, "v2.slotimg");
    // Behind header, count and the id of the key: docs/image-format.md.
    let signature = &bench.read("v2.slotimg")[96..160];
    fs::write(bench.directory().join("sig"), signature).unwrap();
    openssl(
        &bench,
        "pkeyutl -verify -rawin -pubin -inkey ours.pub -in tbs -sigfile sig",
    );
}

#[test]
fn a_signature_by_another_key_or_of_other_bytes_is_not_attached() {
    let bench = Bench::new();
    bench.file("stranger.key");
    to_be_signed(&bench, "unsigned.slotimg");
    openssl(
        &bench,
        "pkeyutl -sign -rawin -inkey stranger.key -in tbs -out sig",
    );
    let before = bench.read("unsigned.slotimg");
    let attach = "--json image sign unsigned.slotimg --signature sig --public ours.pub";
    let error = bench.run(attach).with_status(4).json();
    assert_eq!(error["error"]["changed"], "nothing was written");
    fs::write(bench.directory().join("sig"), [0; 63]).unwrap();
    bench.run(attach).error(4, "not-a-signature");
    assert!(before == bench.read("unsigned.slotimg"));
}

#[test]
fn verify_finds_what_show_does_not_look_at() {
    let bench = Bench::new();
    bench.change("v2.slotimg", |image| *image.last_mut().unwrap() ^= 1);
    bench.does("image show v2.slotimg");
    bench
        .run("image verify v2.slotimg --trust ours.pub")
        .with_status(4);
    bench.does("image verify v3.slotimg --trust ours.pub");
    bench
        .run("image verify v3.slotimg --trust stranger.pub")
        .with_status(4);
    bench.on_disk("image verify v3.slotimg").ok();
}
