//! A machine whose bootshim holds root keys: each good slot whose key set they do
//! not vouch for is passed over with its reason, and the one that is left starts.

use super::{PLANT, secure_boot, slot, status};
use hw_tests::damage;
use hw_tests::machine::{Machine, START, target};
use images::SLOT_AREA_LEN;
use slotctl::disk::Disk;
use std::path::Path;

/// Where the release keys of a set lie in the last bytes of a slot.
const RELEASE_KEYS: u64 = 4160 + 32;

/// A set of the one release key, signed by this root key.
fn set(root: &str) {
    PLANT.slotctl(&["key", "generate", "--out", root]).unwrap();
    let (key, out) = (format!("{root}.key"), format!("{root}.keyset"));
    #[rustfmt::skip]
    let words = [
        "key", "set", "create", "--epoch", "1", "--threshold", "1",
        "--release", "release.pub", "--root", &key, "--out", &out,
    ];
    PLANT.slotctl(&words).unwrap();
}

/// Version `number`, signed by the release key, under this set or none.
fn image(number: u32, set: Option<&str>) -> String {
    let image = format!("set-{number}.slotimg");
    let (kernel, initrd) = (PLANT.part("vmlinuz"), PLANT.part("initrd.img"));
    let mut words = vec!["--kernel", &kernel, "--initrd", &initrd];
    words.extend(set.iter().flat_map(|set| ["--key-set", set]));
    PLANT.build(number, &words, "release.key", &image).unwrap();
    image
}

fn install_good(disk: &Path, name: &str, image: &str) {
    let file = disk.display().to_string();
    let words = ["--disk", &file, "install", "--slot", name, image];
    PLANT.slotctl(&words).unwrap();
    damage::confirm(disk, slot(name)).unwrap();
}

/// A bit in a release key of the set in this slot.
fn garble_set(disk: &Path, name: &str) {
    let layout = Disk::open(disk).unwrap().layout().clone();
    let length = layout.slot(slot(name)).unwrap().extent.len;
    let area = length - u64::try_from(SLOT_AREA_LEN).unwrap();
    damage::flip(disk, slot(name), area + RELEASE_KEYS).unwrap();
}

#[test]
fn a_key_set_of_an_unknown_root_garbled_or_missing_starts_nothing_and_the_good_one_starts() {
    set("root1");
    set("stranger");
    // A bootshim that trusts the release key itself takes them all; then the one
    // with the root key comes, and they are what somebody could have put there.
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    #[rustfmt::skip]
    let program = ["--bootshim", &bootshim, "--trust", "release.pub", "--slots", "4"];
    let disk = PLANT
        .disk_of("sets.img", 512, &program, &image(1, Some("root1.keyset")))
        .unwrap();
    install_good(&disk, "b", &image(2, Some("stranger.keyset")));
    install_good(&disk, "c", &image(3, Some("root1.keyset")));
    install_good(&disk, "d", &image(4, None));
    garble_set(&disk, "c");
    #[rustfmt::skip]
    let words = ["bootshim", "trust", &bootshim, "--roots", "root1.pub", "--out", "roots.efi"];
    PLANT.slotctl(&words).unwrap();
    secure_boot::put(&PLANT, &disk, "roots.efi", "BOOTX64.EFI");

    let mut machine = Machine::new("key-sets").disk(&disk).start().unwrap();
    for said in [
        "slot d passed over: not authentic: no key set: this bootshim trusts root keys",
        "slot c passed over: not authentic: key set not taken: the signature by key",
        "slot b passed over: not authentic: key set not taken: not signed by a trusted root key",
        "starting slot a, version 1.0, as good",
    ] {
        machine.expect(said, START).unwrap();
    }
    // Nothing else would take over.
    machine
        .expect("a damaged block is a read error", START)
        .unwrap();
    let (code, _) = machine.get("/").unwrap();
    assert_eq!(code, 200, "production runs");
    let status = status(&mut machine);
    assert_eq!(status["running"], "a", "{status}");
    for index in 1..=3 {
        assert_eq!(
            status["slots"][index]["reason"], "not authentic",
            "{status}"
        );
    }
}
