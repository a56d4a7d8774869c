//! Images that are not installed: each with its exit status and its reason.

use crate::bench::Bench;
use crate::ran::says;
use images::header::{HEADER_LEN, Header};

/// Where the parts of an image begin.
struct Parts {
    manifest: usize,
    index: usize,
    table: usize,
    payload: usize,
    end: usize,
}

impl Parts {
    fn of(image: &[u8]) -> Parts {
        let header = Header::parse(image).unwrap();
        let payload = image.len() - header.payload_len as usize;
        let table = payload - header.table_len as usize;
        let index = table - header.index_len as usize;
        Parts {
            manifest: index - header.manifest_len as usize,
            index,
            table,
            payload,
            end: image.len(),
        }
    }
}

/// A bench with `changed.slotimg`, made from version 2.
fn changed(change: impl FnOnce(&mut Vec<u8>, Parts)) -> Bench {
    let bench = Bench::new();
    let mut image = bench.read("v2.slotimg");
    let parts = Parts::of(&image);
    change(&mut image, parts);
    std::fs::write(bench.file("changed.slotimg"), image).unwrap();
    bench
}

#[test]
fn an_unsigned_image_is_refused() {
    let error = Bench::new().refuses("install unsigned.slotimg", 4, "unsigned");
    assert_eq!(error["changed"], "nothing was written");
}

#[test]
fn an_image_signed_by_another_key_is_refused_and_the_key_is_named() {
    let bench = Bench::new();
    let key = bench.does("--json key show stranger.pub").json();
    let error = bench.refuses("install strangers.slotimg", 4, "not-trusted");
    assert!(
        error["found"]
            .as_str()
            .unwrap()
            .contains(key["id"].as_str().unwrap())
    );
}

#[test]
fn a_manifest_changed_by_one_bit_is_refused() {
    let bench = changed(|image, parts| image[parts.manifest + 40] ^= 1);
    let error = bench.refuses("install changed.slotimg", 4, "not-intact");
    assert_eq!(error["changed"], "nothing was written");
}

#[test]
fn no_single_bit_of_the_head_can_be_changed() {
    // Every byte of header, manifest, index and table, and of the first signature.
    let bench = Bench::new();
    let whole = bench.read("v2.slotimg");
    let parts = Parts::of(&whole);
    let before = bench.read("disk.img");
    let signature = HEADER_LEN..HEADER_LEN + 120;
    for at in (0..HEADER_LEN)
        .chain(signature)
        .chain(parts.manifest..parts.payload)
        .step_by(7)
    {
        let mut image = whole.clone();
        image[at] ^= 1 << (at % 8);
        std::fs::write(bench.file("changed.slotimg"), image).unwrap();
        bench.on_disk("install changed.slotimg").with_status(4);
    }
    assert!(before == bench.read("disk.img"));
}

/// A bench with `mixed.slotimg`: a sample up to one of its parts, and
/// another from there on.
fn mixed(first: &str, until: fn(&Parts) -> usize, second: &str) -> Bench {
    let bench = Bench::new();
    let (first, second) = (bench.read(first), bench.read(second));
    let (end, from) = (until(&Parts::of(&first)), until(&Parts::of(&second)));
    let image = [&first[..end], &second[from..]].concat();
    std::fs::write(bench.file("mixed.slotimg"), image).unwrap();
    bench
}

#[test]
fn the_head_of_an_image_over_the_payload_of_another_is_refused() {
    for (first, second) in [("v2.slotimg", "v3.slotimg"), ("v3.slotimg", "v2.slotimg")] {
        let bench = mixed(first, |parts| parts.payload, second);
        bench.breaks_off("install mixed.slotimg", 4, "not-intact");
        bench.next_install_works();
    }
}

#[test]
fn the_manifest_of_an_image_over_index_and_table_of_another_is_refused() {
    for (first, second) in [("v2.slotimg", "v3.slotimg"), ("v3.slotimg", "v2.slotimg")] {
        for until in [|parts: &Parts| parts.index, |parts: &Parts| parts.table] {
            let bench = mixed(first, until, second);
            let error = bench.refuses("install mixed.slotimg", 4, "not-intact");
            assert_eq!(error["changed"], "nothing was written");
        }
    }
}

#[test]
fn the_signatures_of_an_image_over_the_manifest_of_another_are_refused() {
    for (first, second) in [("v2.slotimg", "v3.slotimg"), ("v3.slotimg", "v2.slotimg")] {
        let bench = mixed(first, |parts| parts.manifest, second);
        bench.refuses("install mixed.slotimg", 4, "not-intact");
    }
}

#[test]
fn a_chunk_changed_by_one_bit_is_refused_and_the_other_slots_are_untouched() {
    for at in [
        |p: &Parts| p.payload,
        |p: &Parts| p.payload + 200_000,
        |p: &Parts| p.end - 1,
    ] {
        let bench = changed(|image, parts| image[at(&parts)] ^= 0x10);
        bench.breaks_off("install changed.slotimg", 4, "not-intact");
        bench.next_install_works();
    }
}

#[test]
fn an_image_cut_off_in_its_head_changes_nothing() {
    let places: [fn(&Parts) -> usize; 8] = [
        |_| 0,
        |_| 5,
        |_| HEADER_LEN - 1,
        |_| HEADER_LEN,
        |p| p.manifest - 1,
        |p| p.index - 1,
        |p| p.table - 1,
        |p| p.payload - 1,
    ];
    for place in places {
        let bench = changed(|image, parts| image.truncate(place(&parts)));
        let error = bench
            .on_disk("install changed.slotimg")
            .with_status(4)
            .json();
        let code = error["error"]["code"].as_str().unwrap();
        bench.refuses("install changed.slotimg", 4, code);
        assert!(["truncated", "not-an-image"].contains(&code), "{error}");
    }
}

#[test]
fn an_image_cut_off_in_its_payload_touches_only_the_slot_that_is_written() {
    let places: [fn(&Parts) -> usize; 4] = [
        |p| p.payload,
        |p| p.payload + 1,
        |p| p.payload + (p.end - p.payload) / 2,
        |p| p.end - 1,
    ];
    for place in places {
        let bench = changed(|image, parts| image.truncate(place(&parts)));
        bench.breaks_off("install changed.slotimg", 4, "truncated");
        bench.next_install_works();
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let bench = changed(|image, _| image.push(0));
    let error = bench.breaks_off("install changed.slotimg", 4, "not-intact");
    assert!(error["found"].as_str().unwrap().contains("trailing bytes"));
    bench.next_install_works();
}

#[test]
fn a_file_that_is_no_image_is_refused() {
    let bench = changed(|image, _| image[0] = b'S');
    bench.refuses("install changed.slotimg", 4, "not-an-image");
    bench.refuses("install root1", 4, "not-an-image");
    bench.refuses("install disk.img", 4, "not-an-image");
}

#[test]
fn a_later_format_is_refused_and_said_to_be_unknown() {
    let bench = changed(|image, _| image[8] = 4);
    let error = bench.refuses("install changed.slotimg", 4, "unknown-format");
    assert_eq!(
        error["found"],
        "changed.slotimg: unknown format 4 of the header; a newer slotctl reads it"
    );
}

#[test]
fn an_image_larger_than_the_slot_is_refused_with_both_sizes() {
    let error = Bench::new().refuses("install large.slotimg", 3, "slot-too-small");
    assert!(
        error["found"]
            .as_str()
            .unwrap()
            .starts_with("image needs 3")
    );
    assert_eq!(error["expected"], "slot b has 2097152");
}

#[test]
fn an_image_for_another_machine_is_refused_in_the_words_of_the_design() {
    let bench = Bench::new();
    let error = bench.refuses("install for-plc-5.slotimg", 3, "wrong-compatible");
    assert_eq!(error["found"], "image is for \"plc-5\"");
    let ran = bench.run("--disk disk.img install for-plc-5.slotimg");
    assert_eq!(
        ran.complaint(),
        "slotctl: image is for \"plc-5\", this controller is \"plc-4\" \
         (compatible in the image in slot a); nothing was written"
    );
}

#[test]
fn a_disk_without_a_good_image_is_for_what_it_was_created_for() {
    let bench = Bench::new();
    let create = crate::samples::DISK
        .replace("disk.img", "new.img")
        .replace("--image v1.slotimg", "");
    bench.does(&create);
    let ran = bench
        .run("--disk new.img install for-plc-5.slotimg")
        .with_status(3);
    assert!(
        ran.complaint()
            .contains("this controller is \"plc-4\" (compatible in `disk create")
    );
    bench.does("--disk new.img install v1.slotimg");
}

#[test]
fn an_image_below_the_floor_is_refused() {
    let error = Bench::new().refuses("install insecure.slotimg", 3, "below-floor");
    assert_eq!(error["found"], "image has security version 0");
    assert_eq!(error["expected"], "the floor of this controller is 1");
}

#[test]
fn a_source_that_is_not_there_or_a_folder_is_wrong_use() {
    let bench = Bench::new();
    bench.refuses("install nothing.slotimg", 2, "not-found");
    std::fs::create_dir(bench.directory().join("folder")).unwrap();
    bench.refuses("install folder", 2, "not-a-file");
}

/// A vector of `images`.
fn golden(name: &str) -> std::path::PathBuf {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/tests/golden");
    std::path::Path::new(vectors).join(name)
}

#[test]
fn a_signed_image_that_is_not_as_the_format_says_never_becomes_a_slot_that_starts() {
    let bench = Bench::new();
    std::fs::copy(golden("public.pem"), bench.file("golden.pub")).unwrap();
    let create = "disk create golden.img --size 64MiB --bootshim BOOTX64.EFI --trust golden.pub \
                  --compatible golden";
    bench.does(create);
    std::fs::rename(bench.file("golden.img"), bench.directory().join("disk.img")).unwrap();
    std::fs::copy(golden("right.bin"), bench.file("right.bin")).unwrap();
    bench.ask("install right.bin --slot b");
    bench.ask("verify b");
    for file in std::fs::read_dir(golden("refused")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        std::fs::copy(file.path(), bench.file(&name)).unwrap();
        let ran = bench.on_disk(&format!("install {name} --slot c"));
        assert_eq!(ran.status, 4, "{name}: {}", ran.stdout);
        // The device did as it was told.
        let error = &ran.json()["error"];
        assert_eq!(error["code"], "not-intact", "{name}: {error}");
        let status = bench.ask("status");
        let state = &status["slots"][2]["state"];
        assert!(state == "empty" || state == "writing", "{name}: {state}");
    }
    bench.ask("install right.bin --slot b");
}

#[test]
fn a_slot_with_the_tree_of_another_root_does_not_verify() {
    // As a slotctl that did not look at the tree has installed it.
    let bench = Bench::new();
    bench.ask("install v2.slotimg");
    let slot = bench.slot(1);
    let before = bench.read("disk.img");
    let key = images::key::SecretKey::load(&bench.file("ours.key")).unwrap();
    let forged = forge(&before[slot.clone()], &key);
    bench.change("disk.img", |disk| disk[slot].copy_from_slice(&forged.0));
    bench.change_record(|record| {
        let id = bootshim::record::SlotId::new(1).unwrap();
        let mut slot = *record.slot(id);
        slot.manifest = forged.1;
        record.set_slot(id, slot);
    });
    let error = bench.fails("verify b", 4, "not-intact");
    says(&error["found"], "verity tree");
}

/// The same slot with another root hash in its manifest, signed anew; and the digest of
/// that.
fn forge(slot: &[u8], key: &images::key::SecretKey) -> (Vec<u8>, images::Digest) {
    use images::slot_area;
    let mut slot = slot.to_vec();
    let at = slot.len() - images::SLOT_AREA_LEN;
    let trusted = images::trust::Trust::direct([key.public()]);
    let installed = slot_area::open(&slot[at..], &trusted).unwrap();
    let mut manifest = installed.manifest;
    manifest.verity.as_mut().unwrap().root_hash[0] ^= 1;
    let bytes = manifest.encode().unwrap();
    let digest = images::digest(&bytes);
    let mut signatures = images::signature::SignatureArea::default();
    let message = images::signature::tbs(&digest, &installed.table_digest);
    let signature = images::signature::Signature {
        key: key.public().id(),
        bytes: key.sign(&message),
    };
    signatures.insert(signature).unwrap();
    let area = slot_area::build(&bytes, &signatures, &installed.table_digest, None).unwrap();
    slot[at..].copy_from_slice(&area);
    (slot, digest)
}

#[test]
fn an_image_whose_software_does_not_read_the_record_of_this_disk_is_refused() {
    let bench = Bench::new();
    let mut image = bench.read("unsigned.slotimg");
    let parts = Parts::of(&image);
    image[parts.manifest + 12] = 2;
    std::fs::write(bench.file("later.slotimg"), image).unwrap();
    bench.does("image sign later.slotimg --key ours.key");
    let error = bench.refuses("install later.slotimg", 3, "record-format");
    assert_eq!(
        error["found"],
        "the software in the image reads boot records of format 2"
    );
    assert_eq!(error["expected"], "this disk has one of format 1");
}

#[test]
fn what_a_start_takes_of_memory_is_said_when_an_image_is_built_and_shown() {
    let bench = Bench::new();
    let shown = bench.ask("image show v1.slotimg");
    let length = |kind| {
        let payloads = shown["payloads"].as_array().unwrap().iter();
        let mut of_kind = payloads.filter(|payload| payload["kind"] == kind);
        of_kind.next().unwrap()["length"].as_u64().unwrap()
    };
    let needed = length("kernel") + 3 * length("initrd");
    assert_eq!(shown["memory_needed"], needed);
    let words = bench.does("image show v1.slotimg").stdout;
    let line = words
        .lines()
        .find(|line| line.starts_with("memory to start"));
    assert!(line.unwrap().contains("the initrd 1 MiB twice"), "{words}");
}
