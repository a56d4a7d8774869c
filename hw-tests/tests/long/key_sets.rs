//! A machine whose bootshim holds root keys: each good slot whose key set they do
//! not vouch for is passed over with its reason, and the one that is left starts.

use super::{PIPELINE, secure_boot, slot};
use bootshim::floor::Floor;
use bootshim::handover::FLOOR_KEPT_VARIABLE;
use controller::disk::Disk;
use hw_tests::damage;
use hw_tests::machine::{Machine, WebServer, target};
use hw_tests::variables::{Store, Vendor};
use images::SLOT_AREA_LEN;
use std::path::{Path, PathBuf};

/// Where the release keys of a set lie in the last bytes of a slot.
const RELEASE_KEYS: u64 = 4160 + 32;

/// A new root key, and a set of the one release key that it signed.
fn set(root: &str) {
    PIPELINE
        .slotctl(&["key", "generate", "--out", root])
        .unwrap();
    set_of_epoch(root, "1", &format!("{root}.keyset"));
}

fn set_of_epoch(root: &str, epoch: &str, out: &str) {
    let key = format!("{root}.key");
    #[rustfmt::skip]
    let words = [
        "key", "set", "create", "--epoch", epoch, "--threshold", "1",
        "--release", "release.pub", "--root", &key, "--out", out,
    ];
    PIPELINE.slotctl(&words).unwrap();
}

/// Version `number`, signed by the release key, under this set or none.
fn image(number: u32, set: Option<&str>) -> String {
    let under = set.unwrap_or("none").replace('.', "-");
    let image = format!("{under}-{number}.slotimg");
    let (kernel, initrd) = (PIPELINE.part("vmlinuz"), PIPELINE.part("initrd.img"));
    let mut words = vec!["--kernel", &kernel, "--initrd", &initrd];
    words.extend(set.iter().flat_map(|set| ["--key-set", set]));
    PIPELINE
        .build(number, &words, "release.key", &image)
        .unwrap();
    image
}

fn install_good(disk: &Path, name: &str, image: &str) {
    let words = ["install", "--allow-downgrade", "--slot", name, image];
    PIPELINE.slotctl_on(disk, &words).unwrap();
    damage::confirm(disk, slot(name)).unwrap();
}

/// A bit in a release key of the set in this slot.
fn garble_set(disk: &Path, name: &str) {
    let layout = Disk::open(disk).unwrap().layout().clone();
    let length = layout.slot(slot(name)).unwrap().extent.len;
    let area = length - u64::try_from(SLOT_AREA_LEN).unwrap();
    damage::flip(disk, slot(name), area + RELEASE_KEYS).unwrap();
}

fn bootshim() -> String {
    target().join("bootshim/BOOTX64.EFI").display().to_string()
}

/// Its bootshim trusts the release key itself and takes every image: until the one
/// with a root key comes, and they are what somebody could have put there.
fn trusting_the_release_key(name: &str, image: &str) -> PathBuf {
    let bootshim = bootshim();
    #[rustfmt::skip]
    let program = ["--bootshim", &bootshim, "--trust", "release.pub", "--slots", "4"];
    PIPELINE.disk_of(name, 512, &program, image).unwrap()
}

fn trust_roots(disk: &Path, root: &str) {
    let (key, out) = (format!("{root}.pub"), format!("{root}.efi"));
    let bootshim = bootshim();
    let words = [
        "bootshim", "trust", &bootshim, "--roots", &key, "--out", &out,
    ];
    PIPELINE.slotctl(&words).unwrap();
    secure_boot::put(&PIPELINE, disk, &out, "BOOTX64.EFI");
}

#[test]
fn a_key_set_of_an_unknown_root_garbled_or_missing_starts_nothing_and_the_good_one_starts() {
    set("root1");
    set("stranger");
    let disk = trusting_the_release_key("sets.img", &image(1, Some("root1.keyset")));
    install_good(&disk, "b", &image(2, Some("stranger.keyset")));
    install_good(&disk, "c", &image(3, Some("root1.keyset")));
    install_good(&disk, "d", &image(4, None));
    garble_set(&disk, "c");
    trust_roots(&disk, "root1");

    let mut machine = Machine::new("key-sets").disk(&disk).start().unwrap();
    for said in [
        "slot d passed over: not authentic: no key set: this bootshim trusts root keys",
        "slot c passed over: not authentic: key set not taken: the signature by key",
        "slot b passed over: not authentic: key set not taken: not signed by a trusted root key",
        "starting slot a, version 1.0, as good",
    ] {
        machine.says(said);
    }
    // Nothing else would take over.
    machine.says("a damaged block is a read error");
    let (code, _) = machine.get("/").unwrap();
    assert_eq!(code, 200, "production runs");
    let status = machine.status().unwrap();
    assert_eq!(status["running"], "a", "{status}");
    for index in 1..=3 {
        assert_eq!(
            status["slots"][index]["reason"], "not authentic",
            "{status}"
        );
    }
}

#[test]
fn a_key_set_below_the_epoch_that_the_firmware_keeps_starts_nothing_and_installs_nothing() {
    PIPELINE
        .slotctl(&["key", "generate", "--out", "elder"])
        .unwrap();
    set_of_epoch("elder", "1", "elder-1.keyset");
    set_of_epoch("elder", "2", "elder-2.keyset");
    let disk = trusting_the_release_key("epochs.img", &image(2, Some("elder-2.keyset")));
    // What somebody has written there, and called good.
    let old = image(1, Some("elder-1.keyset"));
    install_good(&disk, "b", &old);
    trust_roots(&disk, "elder");
    let floor = Floor {
        security_version: 0,
        key_epoch: 2,
    };
    let mut store = Store::factory().unwrap();
    store
        .set_for_boot(FLOOR_KEPT_VARIABLE, Vendor::BOOTSHIM, &floor.to_bytes())
        .unwrap();
    let settings = PIPELINE.directory().join("epochs.fd");
    store.write(&settings).unwrap();

    let mut machine = Machine::new("epochs")
        .disk(&disk)
        .firmware_settings(settings)
        .start()
        .unwrap();
    for said in [
        "floor: security version 0, key sets of epoch 2, kept by the firmware",
        "slot b passed over: below the floor: key set of epoch 1, the floor is 2",
        "starting slot a, version 2.0, as good",
    ] {
        machine.says(said);
    }
    machine.says("slotctl watch: this slot is not on trial");
    let server = WebServer::new(PIPELINE.directory()).unwrap();
    let words = format!("slotctl install --json {}", server.url_for_machine(&old));
    let ran = machine.run(&words).unwrap();
    assert!(ran.status == 3, "{} {}", ran.status, ran.stdout);
    assert!(
        ran.stdout.contains(r#""code":"below-floor""#),
        "{}",
        ran.stdout
    );
}
