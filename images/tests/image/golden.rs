//! The golden vectors: what a released version wrote is read for ever.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use images::build::build;
use images::digest;
use images::key::{PublicKey, SecretKey};
use images::key_set::SignedKeySet;
use images::manifest::Manifest;
use images::read;
use images::signature::tbs;
use images::slot_area;
use images::table::Packing;
use images::trust::Trust;
use images::verify::verify;
use tempfile::TempDir;

/// Of the tree over the golden root; `docs/image-format.md` has them too.
const SALT: &str = "f7b442497a924f69297c0ff2de564adb03d21885a749356e08f4bc5f3f927da9";
const ROOT_HASH: &str = "61033b86666fcb50d9e9fb8c7db15f68f77b290d889030b3dfaf809b698d8aa7";

/// BLAKE3 of the body of the golden key set.
const KEY_SET: &str = "0f7de131309d3ffb047c2cbc2003561a35609283ee779d82d459f3f82aceeefa";
const KEY_SET_WITH_ORDERS: &str =
    "cf7ec9fbea401f3e5cc6c7b71a59e18beb1eb2d50609212bf8b375b907cc1797";

#[path = "../../examples/golden/inputs.rs"]
mod inputs;
#[path = "../../examples/golden/refused.rs"]
mod refused;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn expected() -> HashMap<String, String> {
    expected_in("expected.txt")
}

fn expected_in(name: &str) -> HashMap<String, String> {
    let text = fs::read_to_string(golden(name)).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(" = ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    text.lines().map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_golden_image_verifies_and_gives_the_expected_values() {
    let image = fs::read(golden("image.bin")).unwrap();
    let trusted = Trust::direct([PublicKey::load(&golden("public.pem")).unwrap()]);
    let head = verify(image.as_slice(), &trusted, &|_, _| {}).unwrap();
    let expected = expected();
    let signature = head.signatures.signatures()[0];
    assert_eq!(hex(&head.digest), expected["image_digest"]);
    assert_eq!(hex(&head.table_digest), expected["table_digest"]);
    assert_eq!(hex(&head.manifest.index_hash), expected["index_hash"]);
    assert_eq!(hex(&signature.key.0), expected["key_id"]);
    assert_eq!(hex(&signature.bytes), expected["signature"]);
    assert_eq!(hex(&tbs(&head.digest, &head.table_digest)), expected["tbs"]);
    assert_eq!(image.len().to_string(), expected["file_length"]);
    let area = head.slot_area().unwrap();
    assert_eq!(hex(&digest(&area)), expected["slot_area_blake3"]);
    slot_area::open(&area, &trusted).unwrap();
}

#[test]
fn the_golden_key_set_is_read_made_again_and_signed_by_its_root_keys() {
    let bytes = fs::read(golden("set.keyset")).unwrap();
    let signed = SignedKeySet::parse(&bytes).unwrap();
    assert_eq!(
        (
            signed.set.epoch,
            signed.set.threshold,
            signed.set.keys.len()
        ),
        (7, 2, 3)
    );
    assert_eq!(hex(&signed.digest), KEY_SET);
    assert_eq!(inputs::key_set().unwrap().encode().unwrap(), bytes);
    let message = images::key_set::tbs(&signed.digest);
    let roots = inputs::ROOTS.map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let signs = |root: &PublicKey| {
        let signatures = signed.signatures.signatures().iter();
        let mut own = signatures.filter(|one| one.key == root.id());
        own.next().map(|one| root.verifies(&message, &one.bytes))
    };
    assert_eq!(roots.each_ref().map(signs), [Some(true), Some(true), None]);
}

#[test]
fn the_golden_key_set_with_order_keys_is_read_and_made_again() {
    let bytes = fs::read(golden("orders.keyset")).unwrap();
    let signed = SignedKeySet::parse(&bytes).unwrap();
    let ids = signed.set.order_keys.iter().map(PublicKey::id);
    let mut orders = [0x71, 0x72].map(|seed| SecretKey::from_seed(&[seed; 32]).public().id());
    orders.sort();
    assert_eq!(ids.collect::<Vec<_>>(), orders);
    assert_eq!((signed.set.epoch, signed.set.keys.len()), (8, 3));
    assert_eq!(hex(&signed.digest), KEY_SET_WITH_ORDERS);
    let made = inputs::key_set_with_orders().unwrap();
    assert_eq!(made.encode().unwrap(), bytes);
}

#[test]
fn the_golden_files_of_format_2_verify_and_use_every_packing() {
    let trusted = Trust::direct([PublicKey::load(&golden("public.pem")).unwrap()]);
    let mut packings = Vec::new();
    let mut digests = HashMap::new();
    for name in ["from.bin", "to.bin", "delta.bin"] {
        let image = fs::read(golden("2").join(name)).unwrap();
        // A delta is read as far as it can be without its base.
        let head = match name {
            "delta.bin" => {
                let (header, rest) = read::head(&mut image.as_slice()).unwrap();
                images::head::Head::open(&header, &rest, &trusted).unwrap()
            }
            _ => verify(image.as_slice(), &trusted, &|_, _| {}).unwrap(),
        };
        assert_eq!(head.header.format, 2, "{name}");
        packings.extend(head.table.entries().iter().map(|entry| entry.packing));
        digests.insert(name, head.digest);
    }
    assert_eq!(digests["delta.bin"], digests["to.bin"]);
    for packing in [Packing::Zstd, Packing::Continued, Packing::Patch] {
        assert!(packings.contains(&packing), "{packing:?} of {packings:?}");
    }
}

#[test]
fn the_golden_manifest_is_the_one_in_the_image_and_encodes_to_itself() {
    let bytes = fs::read(golden("manifest.bin")).unwrap();
    let manifest = Manifest::parse(&bytes).unwrap();
    assert_eq!(manifest.encode().unwrap(), bytes);
    assert_eq!(manifest.version, "1:2.0~rc1-3");
    assert_eq!(manifest.watchdog_seconds, 30);
    assert_eq!(hex(&digest(&bytes)), expected()["image_digest"]);
}

#[test]
fn the_golden_keys_are_a_pair() {
    let secret = SecretKey::load(&golden("secret.pem")).unwrap();
    let public = PublicKey::load(&golden("public.pem")).unwrap();
    assert_eq!(secret.public(), public);
}

#[test]
fn the_golden_inputs_still_give_the_golden_payloads_and_today_a_tree_as_well() {
    // The packed bytes may change with the compressor, the payloads never.
    let directory = TempDir::new().unwrap();
    let inputs = inputs::write(directory.path()).unwrap();
    let out = directory.path().join("out");
    let built = build(&inputs, &out, &|_, _| {}).unwrap();
    let golden = fs::read(golden("manifest.bin")).unwrap();
    let golden = Manifest::parse(&golden).unwrap();
    for payload in &golden.payloads {
        let today = built.manifest.payload(payload.kind).unwrap();
        assert_eq!((today.length, today.hash), (payload.length, payload.hash));
    }
    assert_eq!(golden.verity, None);
    let verity = built.manifest.verity.unwrap();
    assert_eq!(hex(&verity.salt), SALT);
    assert_eq!(hex(&verity.root_hash), ROOT_HASH);
}

#[test]
fn what_must_be_refused_is_refused_and_what_it_was_made_of_is_not() {
    let trusted = Trust::direct([PublicKey::load(&golden("public.pem")).unwrap()]);
    let taken = |image: &[u8]| verify(image, &trusted, &|_, _| {}).map(drop);
    taken(&fs::read(golden("right.bin")).unwrap()).unwrap();
    let made = refused::all();
    for (name, _) in &made {
        let file = golden("refused").join(name).with_extension("bin");
        let image = fs::read(file).unwrap();
        match (*name, taken(&image)) {
            // Its base is on a controller.
            (refused::OTHER_BASE, taken) => taken.unwrap(),
            (_, Err(read::ReadError::Refused(_))) => {}
            (name, other) => panic!("{name} is not refused: {other:?}"),
        }
    }
    let files = fs::read_dir(golden("refused")).unwrap().count();
    assert_eq!(files, made.len());
}

#[test]
fn the_golden_image_with_a_key_set_verifies_under_root_keys_and_leaves_the_golden_area() {
    let roots = inputs::ROOTS.map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let roots = Trust::roots(roots, 2);
    let direct = Trust::direct([PublicKey::load(&golden("public.pem")).unwrap()]);
    let image = fs::read(golden("3/image.bin")).unwrap();
    let expected = expected_in("3/expected.txt");
    let area = fs::read(golden("3/area.bin")).unwrap();
    for trusted in [roots, direct] {
        let head = verify(image.as_slice(), &trusted, &|_, _| {}).unwrap();
        assert_eq!(head.header.format, 3);
        assert_eq!(hex(&head.digest), expected["image_digest"]);
        assert_eq!(hex(&head.table_digest), expected["table_digest"]);
        let set = head.key_set.as_ref().unwrap();
        assert_eq!(hex(&set.digest), expected["key_set_digest"]);
        assert!(head.slot_area().unwrap() == area);
        assert_eq!(hex(&digest(&area)), expected["slot_area_blake3"]);
        let installed = slot_area::open(&area, &trusted).unwrap();
        assert_eq!(installed.digest, head.digest);
    }
    assert_eq!(area[8], 2, "format of the area");
}

#[test]
fn the_golden_erofs_is_still_cut_and_hashed_as_it_was() {
    let directory = TempDir::new().unwrap();
    let inputs = inputs::with_key_set(directory.path(), &golden("3/root.erofs")).unwrap();
    let out = directory.path().join("out");
    let built = build(&inputs, &out, &|_, _| {}).unwrap().manifest;
    let expected = expected_in("3/expected.txt");
    // The rest of the manifest says what the software in an image reads, and grows.
    assert_eq!(hex(&built.index_hash), expected["index_hash"]);
    let verity = built.verity.unwrap();
    assert_eq!(hex(&verity.root_hash), expected["root_hash"]);
    assert_eq!(hex(&verity.salt), expected["salt"]);
    let image = fs::read(golden("3/image.bin")).unwrap();
    let (header, rest) = read::head(&mut image.as_slice()).unwrap();
    let golden = images::head::Head::open_untrusted(&header, &rest)
        .unwrap()
        .0;
    assert_eq!(built.payloads, golden.manifest.payloads);
    let pieces = golden.index.pieces().iter();
    let lengths: Vec<_> = pieces.map(|piece| piece.length.to_string()).collect();
    assert_eq!(lengths.join(" "), expected["pieces"]);
}
