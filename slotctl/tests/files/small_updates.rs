//! Deltas, and what an install does not do again: pieces that lie in the slot
//! already, and those that another slot holds.

use crate::bench::Bench;
use crate::ran::says;
use fakedisk::noise;
use std::fs;
use std::path::Path;

pub const PIECE: usize = 1 << 20;
/// Of a root of four pieces: superblock, topmost level, a hash for each block.
pub const TREE: usize = (1 + 1 + 8) * 4096;

/// Version 1 good in slot a; version 2, of which little differs; a delta.
pub fn bench() -> Bench {
    let bench = Bench::new();
    let create = "disk create big.img --size 40MiB --bootshim BOOTX64.EFI --trust ours.pub \
                  --compatible plc-4 --slot-size 8MiB --esp-size 2MiB --data-size 1MiB \
                  --image v1.slotimg";
    bench.does(create);
    fs::rename(bench.file("big.img"), bench.directory().join("disk.img")).unwrap();
    let root = noise("small-updates", 4 * PIECE);
    let mut next = root.clone();
    next[2 * PIECE + 5] ^= 1;
    next[3 * PIECE + 9000] ^= 1;
    fs::write(bench.file("was"), root).unwrap();
    fs::write(bench.file("is"), next).unwrap();
    for (root, version, out) in [("was", "v5", "old.slotimg"), ("is", "v6", "new.slotimg")] {
        let words = format!(
            "image build --rootfs {root} --kernel kernel --initrd initrd --cmdline quiet \
             --compatible plc-4 --version {version} --security-version 1 --key ours.key \
             --out {out}"
        );
        bench.does(&words);
    }
    bench
}

fn delta(bench: &Bench) {
    let words = "image delta --from old.slotimg --to new.slotimg --key ours.key --out d.slotimg";
    bench.does(words);
}

#[test]
fn a_delta_installs_what_the_full_image_does_and_is_far_smaller() {
    let bench = bench();
    bench.ask("install old.slotimg");
    delta(&bench);
    let full = fs::metadata(bench.file("new.slotimg")).unwrap().len();
    let small = fs::metadata(bench.file("d.slotimg")).unwrap().len();
    assert!(small * 100 < full, "{small} of {full}");
    let done = bench.ask("install d.slotimg --slot c --no-activate");
    let shown = bench.ask("image show new.slotimg");
    assert_eq!(done["manifest"], shown["manifest"], "byte for byte");
    bench.ask("verify c");
}

#[test]
fn a_delta_without_its_base_names_it_and_where_it_looked() {
    let bench = bench();
    delta(&bench);
    let error = bench.refuses("install d.slotimg", 3, "missing-base");
    let found = error["found"].as_str().unwrap();
    assert!(
        found.starts_with("this is a delta from v5 (manifest "),
        "{found}"
    );
    says(&error["expected"], "slot a holds");
}

#[test]
fn a_delta_of_a_delta_and_one_by_another_key_are_refused() {
    let bench = bench();
    bench.ask("install old.slotimg");
    delta(&bench);
    bench.fails(
        "image delta --from d.slotimg --to new.slotimg --key ours.key --out dd.slotimg",
        3,
        "no-delta",
    );
    let words =
        "image delta --from old.slotimg --to new.slotimg --key stranger.key --out s.slotimg";
    bench.does(words);
    bench.refuses("install s.slotimg --slot c", 4, "not-trusted");
}

#[test]
fn an_image_that_differs_in_one_piece_is_written_in_that_piece_and_the_tree() {
    let bench = bench();
    bench.ask("install old.slotimg --slot b --no-activate");
    let done = bench.ask("install new.slotimg --slot b --no-activate");
    assert_eq!(done["written"], 2 * PIECE + TREE);
    bench.ask("verify b");
    let again = bench.ask("install new.slotimg --slot b --no-activate");
    assert_eq!(
        (&again["written"], &again["changed"]),
        (&0.into(), &false.into())
    );
}

#[test]
fn a_damaged_base_is_said_to_be_damaged_and_the_full_image_takes_up_from_there() {
    let bench = bench();
    bench.ask("install old.slotimg --slot b --no-activate");
    delta(&bench);
    let at = bench.slot(1).start + 2 * PIECE + 100;
    bench.change("disk.img", |disk| disk[at] ^= 1);
    let failed = bench.fails(
        "install d.slotimg --slot c --no-activate",
        4,
        "base-damaged",
    );
    assert!(failed["found"].as_str().unwrap().contains("slot b"));
    let done = bench.ask("install new.slotimg --slot c --no-activate");
    assert!(done["kept"].as_u64().unwrap() > 0, "{done}");
    bench.ask("verify c");
}

#[test]
fn a_slot_that_is_damaged_in_one_piece_is_written_in_that_piece() {
    let bench = bench();
    bench.ask("install old.slotimg --slot b --no-activate");
    let at = bench.slot(1).start + 3 * PIECE;
    bench.change("disk.img", |disk| disk[at] ^= 1);
    let done = bench.ask("install old.slotimg --slot b --no-activate");
    assert_eq!(done["written"], PIECE);
    bench.ask("verify b");
}

#[test]
fn the_golden_delta_of_format_2_installs_what_its_full_image_does() {
    let bench = Bench::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/tests/golden");
    for name in ["public.pem", "2/from.bin", "2/to.bin", "2/delta.bin"] {
        let own = name.trim_start_matches("2/");
        fs::copy(golden.join(name), bench.directory().join(own)).unwrap();
    }
    let create = "disk create golden.img --size 12MiB --bootshim BOOTX64.EFI --trust public.pem \
                  --compatible golden --slot-size 2MiB --esp-size 2MiB --data-size 1MiB \
                  --image from.bin";
    bench.does(create);
    fs::rename(bench.file("golden.img"), bench.directory().join("disk.img")).unwrap();
    let delta = bench.ask("install delta.bin --slot b --no-activate");
    let full = bench.ask("install to.bin --slot c --no-activate");
    assert_eq!(delta["manifest"], full["manifest"]);
    bench.ask("verify a b c");
}
