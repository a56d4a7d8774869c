//! Root keys, the sets that they sign, and what that means on a controller: the
//! ceremony, the change of keys by an ordinary update, and what an old key is
//! worth after it.

use crate::bench::Bench;
use std::fs;
use std::process::Command;

/// Two root keys, of which both must sign, in bootshim; three release keys; set 1
/// of the first two release keys, of which one is enough; set 2 without the first.
fn with_keys() -> Bench {
    let bench = Bench::new();
    for key in ["root1", "root2", "one", "two", "three"] {
        bench.does(&format!("key generate --out {key}"));
    }
    set(&bench, 1, "--release one.pub --release two.pub");
    set(&bench, 2, "--release two.pub --release three.pub");
    image(&bench, "1.0", 1, "one", "e1.slotimg");
    image(&bench, "1.1", 1, "two", "e1-later.slotimg");
    image(&bench, "2.0", 2, "two", "e2.slotimg");
    let create = "disk create roots.img --size 12MiB --bootshim BOOTX64.EFI --roots root1.pub \
                  --roots root2.pub --root-threshold 2 --compatible plc-4 --slot-size 2MiB \
                  --esp-size 2MiB --data-size 1MiB --image e1.slotimg";
    bench.does(create);
    fs::rename(
        bench.directory().join("roots.img"),
        bench.directory().join("disk.img"),
    )
    .unwrap();
    bench
}

fn set(bench: &Bench, epoch: u64, release: &str) {
    bench.does(&format!(
        "key set create --epoch {epoch} --threshold 1 {release} --root root1.key \
             --root root2.key --out {epoch}.keyset"
    ));
}

fn build(bench: &Bench, version: &str, set: &str, keys: &str, out: &str) -> crate::ran::Ran {
    bench.run(&format!(
        "image build --rootfs root2 --kernel kernel --initrd initrd --cmdline quiet \
         --compatible plc-4 --version {version} {set} {keys} --out {out}"
    ))
}

fn image(bench: &Bench, version: &str, epoch: u64, key: &str, out: &str) {
    let (set, key) = (
        format!("--key-set {epoch}.keyset"),
        format!("--key {key}.key"),
    );
    build(bench, version, &set, &key, out).ok();
}

#[test]
fn keys_change_by_an_ordinary_update_and_the_way_back_stays() {
    let bench = with_keys();
    assert_eq!(bench.ask("next-boot")["slot"], "a");
    bench.ask("install e2.slotimg --slot b");
    bench.boots_next("next-boot --arm", "b", "trial");
    bench.ask("verify a b");
    // The slot of the older set is what the machine comes back to.
    bench.ask("rollback");
    assert_eq!(bench.ask("next-boot")["slot"], "a");
}

#[test]
fn a_release_key_that_the_newer_set_leaves_out_signs_nothing_for_it() {
    let bench = with_keys();
    image(&bench, "2.1", 2, "one", "left-out.slotimg");
    let error = bench.refuses("install left-out.slotimg", 4, "not-trusted");
    assert!(
        error["found"]
            .as_str()
            .is_some_and(|found| !found.is_empty())
    );
    bench
        .run("image verify left-out.slotimg --roots root1.pub")
        .with_status(4);
    bench.does("image verify e2.slotimg --roots root1.pub --roots root2.pub --root-threshold 2");
}

#[test]
fn under_root_keys_nothing_without_a_set_counts_not_even_what_a_root_signed() {
    let bench = with_keys();
    build(
        &bench,
        "3.0",
        "",
        "--key root1.key --key root2.key",
        "by-roots.slotimg",
    )
    .ok();
    bench.refuses("install by-roots.slotimg", 4, "no-key-set");
    // v2 is signed by a key that other controllers trust directly.
    bench.refuses("install v2.slotimg", 4, "no-key-set");
}

#[test]
fn a_set_that_too_few_roots_signed_counts_nowhere() {
    let bench = with_keys();
    let words = "key set create --epoch 3 --threshold 1 --release three.pub --root root1.key \
                 --out 3.keyset";
    bench.does(words);
    image(&bench, "3.0", 3, "three", "half.slotimg");
    bench.refuses("install half.slotimg", 4, "key-set-not-trusted");
    // The second root signs elsewhere: its signature is attached, as one of a token.
    let tbs = bench.command("key set tbs 3.keyset").output().unwrap();
    assert!(tbs.status.success());
    fs::write(bench.directory().join("tbs"), tbs.stdout).unwrap();
    let signed = Command::new("openssl")
        .current_dir(bench.directory())
        .args("pkeyutl -sign -rawin -inkey root2.key -in tbs -out sig".split(' '))
        .status()
        .unwrap();
    assert!(signed.success());
    bench.does("key set sign 3.keyset --signature sig --public root2.pub");
    image(&bench, "3.1", 3, "three", "whole.slotimg");
    bench.ask("install whole.slotimg");
}

#[test]
fn a_quorum_is_counted_in_keys() {
    let bench = with_keys();
    let words = "key set create --epoch 4 --threshold 2 --release one.pub --release two.pub \
                 --root root1.key --root root2.key --out 4.keyset";
    bench.does(words);
    image(&bench, "4.0", 4, "one", "single.slotimg");
    bench.refuses("install single.slotimg", 4, "too-few-signatures");
    bench.does("image sign single.slotimg --key one.key");
    bench.refuses("install single.slotimg", 4, "too-few-signatures");
    bench.does("image sign single.slotimg --key two.key");
    bench.ask("install single.slotimg");
}

#[test]
fn once_a_newer_set_is_good_nothing_of_an_older_one_is_installed() {
    let bench = with_keys();
    bench.ask("install e1-later.slotimg --slot b --no-activate");
    // A disk whose good slot is of epoch 2.
    let create = "disk create later.img --size 12MiB --bootshim BOOTX64.EFI --roots root1.pub \
                  --roots root2.pub --root-threshold 2 --compatible plc-4 --slot-size 2MiB \
                  --esp-size 2MiB --data-size 1MiB --image e2.slotimg";
    bench.does(create);
    bench
        .run("--disk later.img --json install e1-later.slotimg")
        .error(3, "old-key-set");
    bench.does("--disk later.img install e2.slotimg --slot b");
}

#[test]
fn a_set_is_shown_and_a_changed_one_is_none() {
    let bench = with_keys();
    let shown = bench.does("--json key show 2.keyset").json();
    assert_eq!(shown["epoch"], 2);
    assert_eq!(shown["threshold"], 1);
    for at in [0, 8, 24, 28] {
        bench.change("1.keyset", |bytes| bytes[at] ^= 0x10);
        let (set, key) = ("--key-set 1.keyset", "--key one.key");
        let ran = build(&bench, "9", set, key, "changed.slotimg");
        assert!(
            !bench.directory().join("changed.slotimg").exists(),
            "byte {at}: {}",
            ran.stderr
        );
        bench.change("1.keyset", |bytes| bytes[at] ^= 0x10);
    }
    // Whoever builds has no root keys at hand; a controller has.
    bench.change("1.keyset", |bytes| bytes[16] ^= 0x10);
    image(&bench, "9", 1, "one", "altered.slotimg");
    bench.refuses("install altered.slotimg", 4, "key-set-not-trusted");
}

#[test]
fn order_keys_come_with_an_image_and_sign_none() {
    let bench = with_keys();
    set(&bench, 5, "--release two.pub --order three.pub");
    let shown = bench.ask("key show 5.keyset");
    let three = bench.ask("key show three.pub")["id"].clone();
    assert_eq!(shown["order"], serde_json::json!([three]));
    image(&bench, "5.0", 5, "two", "e5.slotimg");
    image(&bench, "5.1", 5, "three", "by-order-key.slotimg");
    bench.refuses("install by-order-key.slotimg", 4, "not-trusted");
    bench.ask("install e5.slotimg");
    bench.boots_next("next-boot", "b", "trial");
}

#[test]
fn a_key_set_that_the_bootshim_of_the_disk_does_not_read_is_refused() {
    let bench = with_keys();
    set(&bench, 5, "--release two.pub --order three.pub");
    image(&bench, "5.0", 5, "two", "e5.slotimg");
    // A bootshim from before there were order keys: of its keys' section the minor number.
    bench.change("disk.img", |disk| {
        let head = b"SLOTKEYS\x02\0\0\0";
        let section = disk.windows(head.len()).position(|bytes| bytes == head);
        disk[section.unwrap() + 14] = 3;
    });
    bench.refuses("install e5.slotimg", 3, "old-bootshim");
    bench.refuses("install e5.slotimg --dry-run", 3, "old-bootshim");
    bench.ask("install e2.slotimg");
}
