//! Images that are older than what runs.

use crate::bench::{Bench, handover};
use crate::ran::says;
use bootshim::state;
use controller::code::Code;
use controller::disk::Disk;
use controller::medium::{FileMedium, Mode};
use controller::progress::Quiet;
use controller::trust;
use install::source::{Settings, Source};
use install::{Compatible, Outcome, Request, install};
use std::sync::Arc;

/// An image with this version, in a file of that name.
fn image(bench: &Bench, version: &str, security: u64) -> String {
    let name = format!("{}-{security}.slotimg", version.replace('~', "-"));
    bench.does(&format!(
        "image build --rootfs root3 --kernel kernel --cmdline quiet --compatible plc-4 \
             --version {version} --security-version {security} --key ours.key --out {name}"
    ));
    name
}

/// Version 2 is good in slot b, version 1 in slot a.
fn with_version_2() -> Bench {
    let bench = Bench::new();
    let running = bench.start_version_2();
    let disk = Disk::open(&bench.file("disk.img")).unwrap();
    disk.update(|record, note| {
        Ok((
            state::confirm(record, running.slot, &running.manifest)?,
            note,
        ))
    })
    .unwrap();
    bench
}

#[test]
fn an_older_image_is_refused_in_plain_words_until_somebody_allows_it() {
    let bench = with_version_2();
    for words in [
        "install v1.slotimg",
        "install v1.slotimg --dry-run",
        "install v1.slotimg --no-activate --slot c",
    ] {
        let error = bench.refuses(words, 3, "downgrade");
        assert_eq!(
            error["found"],
            "the image is older than what is good in slot b: v1 (security version 1)"
        );
        assert_eq!(
            error["expected"],
            "expected v2 (security version 1) or newer"
        );
    }
    let done = bench.ask("install v1.slotimg --allow-downgrade");
    assert_eq!(
        (&done["slot"], &done["changed"]),
        (&"a".into(), &true.into())
    );
    assert_eq!(bench.ask("next-boot")["slot"], "a");
}

#[test]
fn versions_are_compared_as_dpkg_orders_them_behind_the_security_version() {
    let bench = with_version_2();
    for (version, security, older) in [
        ("v2~rc1", 1, true),
        ("v1.99", 1, true),
        ("v2", 1, false),
        ("v2+hotfix", 1, false),
        ("v10", 1, false),
        ("1:v0", 1, false),
        ("v0", 2, false),
    ] {
        let name = image(&bench, version, security);
        let ran = bench.on_disk(&format!("install {name} --dry-run"));
        assert_eq!(
            ran.status,
            if older { 3 } else { 0 },
            "{version}: {}",
            ran.stdout
        );
    }
}

#[test]
fn what_is_compared_is_what_runs_and_not_only_what_is_good() {
    let bench = Bench::new();
    let running = bench.start_version_2();
    let between = image(&bench, "v1.5", 1);
    let medium = FileMedium::open(&bench.file("disk.img"), Mode::Write).unwrap();
    let disk = Disk::on(Arc::new(medium), Some(running)).unwrap();
    let trusted = trust::keys(&disk).unwrap();
    let path = bench.file(&between).display().to_string();
    let put = |allow_downgrade| -> Result<Outcome, _> {
        let request = Request {
            allow_downgrade,
            ..Request::default()
        };
        let mut source = Source::open(&path, &Settings::default()).unwrap();
        install(
            &disk,
            &trusted,
            &Compatible::AsTheDisk,
            &mut source,
            &request,
            &Quiet,
        )
    };
    let error = put(false).unwrap_err();
    assert_eq!(error.code, Code::Downgrade);
    says(&error.found, "older than what runs in slot b");
    assert!(put(true).unwrap().changed);
    // On the same disk without a running system, slot a is what boots.
    assert_eq!(handover(&bench.record()).slot, running.slot);
}

#[test]
fn going_back_to_a_good_slot_is_no_downgrade() {
    let bench = with_version_2();
    assert_eq!(bench.ask("rollback")["slot"], "a");
    assert_eq!(bench.ask("activate a")["slot"], "a");
}
