//! Why an image is not taken, in words.

use super::*;

#[test]
fn every_part_of_an_image_has_a_name() {
    let names = [
        (Part::Header, "header"),
        (Part::Head, "head"),
        (Part::Signatures, "signature area"),
        (Part::Manifest, "manifest"),
        (Part::Index, "index"),
        (Part::Table, "transport table"),
        (Part::SlotArea, "manifest area"),
        (Part::Piece(3), "content of piece 3"),
        (Part::Chunk(4), "chunk 4"),
        (Part::Payload(Kind::Rootfs), "root filesystem"),
        (Part::Payload(Kind::Verity), "verity tree"),
        (Part::Payload(Kind::Kernel), "kernel"),
        (Part::Payload(Kind::Initrd), "initrd"),
        (Part::Payload(Kind::Uki), "unified kernel image"),
    ];
    for (part, name) in names {
        let refused = Refused::HashWrong { part };
        assert_eq!(
            refused.to_string(),
            format!("hash of {name} is wrong: its bytes are not the ones that were signed")
        );
    }
}

#[test]
fn all_who_signed_are_named_with_commas_between() {
    let [one, two] = [KeyId([0x1f; 16]), KeyId([0xa0; 16])];
    let (first, second) = ("1f".repeat(16), "a0".repeat(16));
    let words = |found| Refused::NoTrustedSignature { found }.to_string();
    let begins = "no signature by a trusted key: signed by ";
    assert_eq!(words(vec![one]), format!("{begins}{first}"));
    assert_eq!(words(vec![one, two]), format!("{begins}{first}, {second}"));
    assert_eq!(format!("{one:?}"), format!("KeyId({first})"));
}

#[test]
fn a_malformed_field_is_named_with_its_part_and_its_byte() {
    let what = "flag is neither 0 nor 1";
    let refused = Malformed { what, at: 7 }.of(Part::Manifest);
    assert_eq!(
        refused.to_string(),
        "malformed manifest: flag is neither 0 nor 1 (at byte 7)"
    );
}
