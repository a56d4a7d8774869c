//! The manifest: one encoding, and nothing in it that does not fit.

use proptest::prelude::*;

use super::*;
use crate::{ALIGN, PIECE_MAX, Part, Refused};

/// Two payloads in 8 MiB.
fn manifest() -> Manifest {
    let payload = |kind, offset, length| Payload {
        kind,
        offset,
        length,
        hash: [kind as u8; 32],
    };
    Manifest {
        compatible: "plc-4".into(),
        version: "1.0".into(),
        security_version: 1,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: "ro".into(),
        content_len: 8 << 20,
        index_len: 8 * 36,
        index_hash: [9; 32],
        payloads: vec![
            payload(Kind::Rootfs, 0, 4 << 20),
            payload(Kind::Kernel, 4 << 20, 5000),
        ],
        verity: None,
        key_set: None,
    }
}

fn refusal(change: impl FnOnce(&mut Manifest)) -> &'static str {
    let mut manifest = manifest();
    change(&mut manifest);
    manifest.encode().unwrap_err().what
}

#[test]
fn every_field_reads_as_it_was_written() {
    let mut manifest = manifest();
    manifest.verity = Some(Verity {
        root_hash: [1; 32],
        salt: [2; 32],
    });
    manifest.payloads.push(Payload {
        kind: Kind::Verity,
        offset: 5 << 20,
        length: 10 * ALIGN,
        hash: [3; 32],
    });
    manifest.key_set = Some(KeySet {
        epoch: u64::MAX,
        hash: [4; 32],
    });
    manifest.revoke_below = 77;
    manifest.watchdog_seconds = u32::MAX;
    let bytes = manifest.encode().unwrap();
    assert_eq!(Manifest::parse(&bytes), Ok(manifest));
}

#[test]
fn a_manifest_cut_anywhere_or_with_a_byte_more_is_refused() {
    let mut bytes = manifest().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(Manifest::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(Manifest::parse(&bytes).is_err());
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut bytes = manifest().encode().unwrap();
    bytes[8] = 2;
    let part = Part::Manifest;
    assert_eq!(
        Manifest::parse(&bytes),
        Err(Refused::UnknownFormat { part, found: 2 })
    );
}

#[test]
fn a_manifest_of_more_than_32_kib_is_refused() {
    let bytes = vec![0; 32 * 1024 + 1];
    let refused = Manifest::parse(&bytes).unwrap_err();
    assert!(refused.to_string().contains("longer than 32 KiB"));
}

#[test]
fn offsets_and_lengths_at_the_borders_of_their_types_are_refused() {
    for border in [1_u64 << 32, 1 << 63, u64::MAX - 4095, u64::MAX] {
        for value in [border - 1, border, border.saturating_add(1)] {
            refusal(|manifest| manifest.payloads[1].offset = value);
            refusal(|manifest| manifest.payloads[0].length = value);
            refusal(|manifest| manifest.payloads[1].length = value);
            refusal(|manifest| manifest.content_len = value);
            refusal(|manifest| manifest.index_len = value);
        }
    }
}

#[test]
fn a_content_that_leaves_no_room_for_the_index_below_2_to_the_64_is_refused() {
    let what = refusal(|manifest| {
        manifest.content_len = u64::MAX - 4095;
        manifest.index_len = manifest.content_len.div_ceil(u64::from(PIECE_MAX)) * 36;
    });
    assert_eq!(what, "content and index would end past 2^64 bytes");
}

#[test]
fn a_content_of_more_than_4_gib_is_fine() {
    let mut manifest = manifest();
    manifest.content_len = 5 << 32;
    manifest.index_len = manifest.content_len / u64::from(PIECE_MAX) * 36;
    manifest.payloads[0].length = (1 << 32) + 1;
    manifest.payloads[1].offset = (1 << 32) + ALIGN;
    let bytes = manifest.encode().unwrap();
    assert_eq!(
        manifest.slot_bytes_needed().unwrap() % ALIGN,
        0,
        "slots end at 4 KiB"
    );
    assert_eq!(Manifest::parse(&bytes), Ok(manifest));
}

#[test]
fn payloads_that_overlap_or_are_in_disorder_are_refused() {
    for offset in [0, (4 << 20) - 4096] {
        let what = refusal(|manifest| manifest.payloads[1].offset = offset);
        assert_eq!(what, "payloads overlap or are not in order");
    }
    refusal(|manifest| manifest.payloads.reverse());
    refusal(|manifest| manifest.payloads[1].offset += 1);
    refusal(|manifest| manifest.payloads[1].length = 0);
}

#[test]
fn a_root_that_does_not_begin_the_slot_is_refused() {
    let what = refusal(|manifest| {
        manifest.payloads[0].offset = ALIGN;
        manifest.payloads[0].length -= ALIGN;
    });
    assert_eq!(what, "root filesystem does not begin at 0");
}

#[test]
fn a_tree_that_cannot_be_that_of_its_root_is_refused() {
    // 1024 blocks have 8 blocks of hashes, one above, and the superblock.
    let with_tree = |length| {
        let mut manifest = manifest();
        manifest.verity = Some(Verity {
            root_hash: [1; 32],
            salt: [2; 32],
        });
        manifest.payloads.push(Payload {
            kind: Kind::Verity,
            offset: 5 << 20,
            length,
            hash: [3; 32],
        });
        manifest.encode()
    };
    assert!(with_tree(10 * ALIGN).is_ok());
    for length in [1, 9 * ALIGN, 10 * ALIGN - 1, 11 * ALIGN] {
        let what = with_tree(length).unwrap_err().what;
        assert_eq!(what, "verity tree is not as long as that of its root");
    }
}

#[test]
fn payloads_that_nothing_can_start_are_refused() {
    refusal(|manifest| manifest.payloads.clear());
    refusal(|manifest| manifest.payloads.truncate(1));
    refusal(|manifest| manifest.payloads[0].kind = Kind::Initrd);
    refusal(|manifest| manifest.payloads[1].kind = Kind::Rootfs);
    refusal(|manifest| manifest.payloads[1].kind = Kind::Initrd);
    refusal(|manifest| manifest.payloads[1].kind = Kind::Verity);
    refusal(|manifest| {
        let uki = Payload {
            kind: Kind::Uki,
            offset: 5 << 20,
            ..manifest.payloads[1]
        };
        manifest.payloads.push(uki);
    });
}

#[test]
fn texts_with_control_characters_or_of_the_wrong_length_are_refused() {
    for text in ["", "a\0", "a\nb", "a\u{7f}", "a\u{85}"] {
        refusal(|manifest| manifest.compatible = text.into());
        refusal(|manifest| manifest.version = text.into());
    }
    for text in ["ro\n", "ro\0", "rö"] {
        refusal(|manifest| manifest.cmdline = text.into());
    }
    refusal(|manifest| manifest.compatible = "x".repeat(NAME_MAX + 1));
    refusal(|manifest| manifest.version = "1".repeat(NAME_MAX + 1));
    refusal(|manifest| manifest.cmdline = "x".repeat(CMDLINE_MAX + 1));
}

prop_compose! {
    /// Any manifest that may be.
    fn any_manifest()(
        compatible in "[ -~äß€]{1,40}", version in "[0-9][A-Za-z0-9.+~]{0,20}(-[0-9]{1,3})?",
        cmdline in "[ -~]{0,200}", security_version: u64, revoke_below: u64,
        numbers: (u16, u16, u32), content in 2..10_000_u64, root in 1..4096_u64,
        hash: [u8; 32], key_set: Option<(u64, [u8; 32])>, initrd: bool,
    ) -> Manifest {
        let mut manifest = manifest();
        manifest.content_len = (content + root + 1) * ALIGN;
        manifest.index_len = 36 * manifest.content_len.div_ceil(u64::from(PIECE_MAX));
        manifest.payloads[0].length = root * ALIGN - 1;
        manifest.payloads[1].offset = root * ALIGN;
        manifest.payloads[1].length = 1;
        manifest.payloads[1].hash = hash;
        if initrd {
            let offset = (root + 1) * ALIGN;
            manifest.payloads.push(Payload { kind: Kind::Initrd, offset, length: content, hash });
        }
        Manifest {
            compatible, version, cmdline, security_version, revoke_below,
            record_major: numbers.0, record_minor: numbers.1, watchdog_seconds: numbers.2,
            index_hash: hash, key_set: key_set.map(|(epoch, hash)| KeySet { epoch, hash }),
            ..manifest
        }
    }
}

proptest! {
    #[test]
    fn every_manifest_reads_as_it_was_written(manifest in any_manifest()) {
        let bytes = manifest.encode().unwrap();
        prop_assert_eq!(Manifest::parse(&bytes), Ok(manifest));
    }

    #[test]
    fn whatever_is_read_has_exactly_one_encoding(
        manifest in any_manifest(), changes: Vec<(prop::sample::Index, u8)>,
    ) {
        let mut bytes = manifest.encode().unwrap();
        for (place, value) in changes.iter().take(3) {
            let place = place.index(bytes.len());
            bytes[place] = *value;
        }
        if let Ok(read) = Manifest::parse(&bytes) {
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn the_longest_texts_are_taken() {
    let mut manifest = manifest();
    manifest.compatible = "x".repeat(NAME_MAX);
    manifest.version = "1".repeat(NAME_MAX);
    manifest.cmdline = "x".repeat(CMDLINE_MAX);
    let bytes = manifest.encode().unwrap();
    assert_eq!(Manifest::parse(&bytes), Ok(manifest));
}

#[test]
fn a_manifest_of_32_kib_is_looked_at() {
    let refused = Manifest::parse(&[0; 32 * 1024]).unwrap_err();
    assert!(refused.to_string().contains("wrong magic bytes"));
}

#[test]
fn a_slot_holds_content_then_index_then_the_manifest_area() {
    let manifest = manifest();
    assert_eq!(manifest.index_offset(), 8 << 20);
    let needed = (8 << 20) + 4096 + 65536;
    assert_eq!(manifest.slot_bytes_needed(), Some(needed));
}

#[test]
fn a_content_is_whole_blocks_and_has_at_least_one() {
    let what = "content length is not a multiple of 4096";
    let content = |length: u64| {
        refusal(|manifest| {
            manifest.content_len = length;
            manifest.index_len = 36 * length.div_ceil(u64::from(PIECE_MAX));
        })
    };
    for length in [0, (8 << 20) - 1, (8 << 20) + 1] {
        assert_eq!(content(length), what, "{length}");
    }
}

#[test]
fn an_index_has_a_piece_for_each_mib_at_least_and_for_each_block_at_most() {
    let with = |length| {
        let mut manifest = manifest();
        manifest.index_len = length;
        manifest.encode().map_err(|malformed| malformed.what).err()
    };
    let wrong = Some("index length does not fit the content length");
    assert_eq!(with(7 * 36), wrong);
    assert_eq!(with(8 * 36), None);
    assert_eq!(with(8 * 36 + 1), wrong);
    assert_eq!(with(2048 * 36), None);
    assert_eq!(with(2049 * 36), wrong);
}

#[test]
fn a_payload_may_end_where_the_content_ends() {
    let with = |length| {
        let mut manifest = manifest();
        manifest.payloads[1].length = length;
        manifest.encode().map_err(|malformed| malformed.what).err()
    };
    assert_eq!(with(1), None);
    assert_eq!(with(4 << 20), None);
    assert_eq!(with((4 << 20) + 1), Some("payload ends behind the content"));
    assert_eq!(with(0), Some("payload is empty"));
}

/// What is wrong with payloads of these kinds, one behind the other.
fn kinds(kinds: &[Kind]) -> Option<&'static str> {
    let mut manifest = manifest();
    let payload = manifest.payloads[1];
    manifest.payloads = (0..)
        .zip(kinds)
        .map(|(place, kind)| Payload {
            kind: *kind,
            offset: place * 8192,
            ..payload
        })
        .collect();
    manifest.encode().map_err(|malformed| malformed.what).err()
}

#[test]
fn payloads_are_a_root_and_what_starts_it() {
    use Kind::{Initrd, Kernel, Rootfs, Uki, Verity};
    let starts = "payloads have neither kernel nor unified kernel image, or both";
    let root = "no root filesystem among the payloads";
    let tree = "verity tree without root hash, or root hash without tree";
    let table: [(&[Kind], _); 11] = [
        (&[Rootfs, Kernel], None),
        (&[Rootfs, Kernel, Initrd], None),
        (&[Rootfs, Uki], None),
        (&[Uki, Rootfs], Some("root filesystem does not begin at 0")),
        (&[], Some(root)),
        (&[Kernel], Some(root)),
        (&[Rootfs], Some(starts)),
        (&[Rootfs, Kernel, Uki], Some(starts)),
        (&[Rootfs, Initrd], Some(starts)),
        (
            &[Rootfs, Uki, Initrd],
            Some("initrd beside a unified kernel image"),
        ),
        (&[Rootfs, Kernel, Verity], Some(tree)),
    ];
    for (wanted, expected) in table {
        assert_eq!(kinds(wanted), expected, "{wanted:?}");
    }
    assert_eq!(
        kinds(&[Rootfs, Kernel, Rootfs]),
        Some("kind of payload occurs twice")
    );
}

#[test]
fn a_root_hash_without_a_tree_is_refused() {
    let what = refusal(|manifest| {
        let (root_hash, salt) = ([1; 32], [2; 32]);
        manifest.verity = Some(Verity { root_hash, salt });
    });
    assert_eq!(
        what,
        "verity tree without root hash, or root hash without tree"
    );
}

#[test]
fn a_flag_that_is_neither_0_nor_1_is_refused_at_its_byte() {
    let mut bytes = manifest().encode().unwrap();
    let last = bytes.len() - 1;
    for flag in [2, 255] {
        bytes[last] = flag;
        let refused = Manifest::parse(&bytes).unwrap_err();
        let what = format!("flag is neither 0 nor 1 (at byte {last})");
        assert!(refused.to_string().contains(&what), "{refused}");
    }
}
