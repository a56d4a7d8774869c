//! Content that goes by, however it is cut.

use proptest::prelude::*;

use super::*;
use crate::manifest::{Kind, Manifest};
use crate::{Digest, digest};

/// A root of 5000 bytes, a gap, a kernel of 100 bytes, a gap.
fn manifest(content: &[u8]) -> Manifest {
    let payload = |kind, offset: u64, length: u64| Payload {
        kind,
        offset,
        length,
        hash: digest(&content[offset as usize..][..length as usize]),
    };
    Manifest {
        compatible: "x".into(),
        version: "1".into(),
        security_version: 0,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: "".into(),
        content_len: content.len() as u64,
        index_len: 36,
        index_hash: Digest::default(),
        payloads: vec![
            payload(Kind::Rootfs, 0, 5000),
            payload(Kind::Kernel, 8192, 100),
        ],
        verity: None,
        key_set: None,
    }
}

fn content() -> Vec<u8> {
    let byte = |place: u32| match place {
        0..5000 | 8192..8292 => (place % 251) as u8,
        _ => 0,
    };
    (0..12288).map(byte).collect()
}

fn hashed(manifest: &Manifest, content: &[u8], cut: usize) -> Result<(), Refused> {
    let mut check = Check::new(manifest, |_| true);
    for part in content.chunks(cut) {
        check.update(part, &[]);
    }
    check.finish()
}

#[test]
fn a_payload_with_another_byte_or_cut_short_is_refused_by_its_kind() {
    let manifest = manifest(&content());
    for (byte, kind) in [(4999, Kind::Rootfs), (8192, Kind::Kernel)] {
        let part = Part::Payload(kind);
        let mut changed = content();
        changed[byte] ^= 1;
        let refused = hashed(&manifest, &changed, 4096);
        assert_eq!(refused, Err(Refused::HashWrong { part }));
        let refused = hashed(&manifest, &content()[..byte], 4096);
        assert_eq!(refused, Err(Refused::HashWrong { part }));
    }
}

#[test]
fn a_byte_that_belongs_to_no_payload_is_refused_by_its_place() {
    for at in [5000, 8191, 8292, 12287] {
        for cut in [1000, 4096, 12288] {
            let mut changed = content();
            changed[at] = 1;
            let refused = hashed(&manifest(&content()), &changed, cut);
            assert_eq!(refused, Err(Refused::NotZero { at: at as u64 }));
        }
    }
}

proptest! {
    #[test]
    fn however_the_content_is_cut_the_hashes_are_right(cut in 1..13000_usize) {
        let content = content();
        prop_assert_eq!(hashed(&manifest(&content), &content, cut), Ok(()));
    }
}
