//! The head: nothing in it can be changed, cut or made up.

use images::head::Head;
use images::header::{HEAD_MAX, HEADER_LEN, Header};
use images::manifest::{MANIFEST_MAX, Manifest};
use images::signature::SignatureArea;
use images::trust::Trust;
use images::{Part, Refused};
use proptest::prelude::*;

use crate::sample::{Sample, key, other_key};

fn open(head: &[u8]) -> Result<Head, Refused> {
    let header = Header::parse(head)?;
    let rest = head.get(HEADER_LEN..).unwrap_or_default();
    Head::open(&header, rest, &Trust::direct([key().public()]))
}

/// Everything before the payload.
fn head_bytes() -> Vec<u8> {
    let mut image = Sample::small().bytes();
    let end = Header::parse(&image).unwrap().payload_offset();
    image.truncate(end as usize);
    image
}

#[test]
fn any_bit_of_the_head_that_changes_is_refused() {
    let mut head = head_bytes();
    open(&head).unwrap();
    for byte in 0..head.len() {
        for bit in 0..8 {
            head[byte] ^= 1 << bit;
            let opened = open(&head);
            // A longer or shorter payload is found at the table's sum.
            assert!(opened.is_err(), "bit {bit} of byte {byte}");
            head[byte] ^= 1 << bit;
        }
    }
}

#[test]
fn a_head_cut_at_any_byte_is_refused() {
    let head = head_bytes();
    for length in 0..head.len() {
        assert!(open(&head[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_head_with_a_byte_more_is_refused() {
    let mut head = head_bytes();
    head.push(0);
    assert!(matches!(open(&head), Err(Refused::Truncated { .. })));
}

#[test]
fn something_else_is_not_an_image() {
    for other in [&b""[..], b"squashfs image", &[0; 64]] {
        assert_eq!(open(other), Err(Refused::NotAnImage));
    }
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut head = head_bytes();
    for format in [0, 4, 255] {
        head[8] = format;
        let refused = open(&head).unwrap_err();
        let words = format!("unknown format {format} of the header; a newer slotctl reads it");
        assert_eq!(refused.to_string(), words);
    }
}

#[test]
fn an_unsigned_image_and_one_by_another_key_are_told_apart() {
    let mut sample = Sample::small();
    sample.inputs.keys.clear();
    assert_eq!(open_image(&sample), Err(Refused::Unsigned));
    sample.inputs.keys.push(other_key());
    let found = vec![other_key().public().id()];
    assert_eq!(
        open_image(&sample),
        Err(Refused::NoTrustedSignature { found })
    );
    sample.inputs.keys.push(key());
    assert_eq!(open_image(&sample), Ok(vec![key().public().id()]));
}

fn open_image(sample: &Sample) -> Result<Vec<images::key::KeyId>, Refused> {
    let image = sample.bytes();
    let end = Header::parse(&image)?.payload_offset() as usize;
    open(&image[..end]).map(|head| head.signed_by)
}

#[test]
fn a_head_without_a_key_can_be_shown() {
    let mut sample = Sample::small();
    sample.inputs.keys.clear();
    let image = sample.bytes();
    let header = Header::parse(&image).unwrap();
    let rest = &image[HEADER_LEN..HEADER_LEN + header.rest_length()];
    let head = Head::open_untrusted(&header, rest).unwrap().0;
    assert_eq!(head.manifest.version, "1.2.3-1");
    assert_eq!(head.signed_by, []);
}

#[test]
fn a_header_that_claims_more_than_16_mib_is_refused_before_anything_is_allocated() {
    for len in [HEAD_MAX, 1 << 32, 1 << 63, u64::MAX] {
        for (index_len, table_len) in [(len, 0), (0, len), (len, len)] {
            let header = Header {
                format: 2,
                key_set_len: 0,
                manifest_len: 100,
                index_len,
                table_len,
                payload_len: 0,
            };
            let refused = Header::parse(&header.encode()).unwrap_err();
            assert!(matches!(refused, Refused::TooLarge { .. }), "{refused}");
        }
    }
}

#[test]
fn a_header_knows_the_length_of_the_file_without_overflow() {
    let header = |payload_len| Header {
        format: 2,
        key_set_len: 0,
        manifest_len: 100,
        index_len: 36,
        table_len: 37,
        payload_len,
    };
    for length in [0, 1 << 32, 1 << 63] {
        let header = Header::parse(&header(length).encode()).unwrap();
        assert_eq!(header.file_length(), 64 + 4096 + 100 + 36 + 37 + length);
    }
    assert!(Header::parse(&header(u64::MAX).encode()).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Header::parse(&bytes);
        let _ = Manifest::parse(&bytes);
        let _ = SignatureArea::parse(&bytes);
        let _ = images::slot_area::open(&bytes, &Trust::direct([key().public()]));
    }

    #[test]
    fn arbitrary_bytes_behind_the_right_magic_never_panic(bytes: Vec<u8>) {
        let mut image = Header { format: 2,
 key_set_len: 0, manifest_len: 0, index_len: 0, table_len: 0, payload_len: 0 }
            .encode()[..12].to_vec();
        image.extend(&bytes);
        let _ = Header::parse(&image);
        let _ = Manifest::parse(&[b"SLOTMANI\x01\0\0\0", bytes.as_slice()].concat());
    }

    #[test]
    fn every_header_reads_as_it_was_written(
        manifest_len in 0..32768_u32, index_len in 0..1_u64 << 20,
        table_len in 0..1_u64 << 20, payload_len in 0..u64::MAX >> 1,
    ) {
        let header = Header { format: 2,
 key_set_len: 0, manifest_len, index_len, table_len, payload_len };
        prop_assert_eq!(Header::parse(&header.encode()), Ok(header));
    }
}

fn header_of(manifest_len: u32, index_len: u64, payload_len: u64) -> Result<Header, Refused> {
    let header = Header {
        format: 2,
        key_set_len: 0,
        manifest_len,
        index_len,
        table_len: 0,
        payload_len,
    };
    Header::parse(&header.encode())
}

#[test]
fn a_header_may_claim_as_much_as_the_limits_and_not_a_byte_more() {
    assert!(header_of(MANIFEST_MAX, 0, 0).is_ok());
    assert!(matches!(
        header_of(MANIFEST_MAX + 1, 0, 0),
        Err(Refused::TooLarge { part: Part::Manifest, found, .. }) if found == 32769
    ));
    let most = HEAD_MAX - 64 - 4096 - 100;
    let full = header_of(100, most, 0).unwrap();
    assert_eq!(full.rest_length(), (16 << 20) - 64);
    assert!(matches!(
        header_of(100, most + 1, 0),
        Err(Refused::TooLarge { part: Part::Head, found, .. }) if found == HEAD_MAX + 1
    ));
    let payload = u64::MAX - HEAD_MAX;
    assert!(header_of(100, 36, payload).is_ok());
    assert!(matches!(
        header_of(100, 36, payload + 1),
        Err(Refused::Malformed { part: Part::Header, malformed }) if malformed.at == 32
    ));
}

#[test]
fn the_beginning_of_an_image_is_truncated_and_not_something_else() {
    let head = head_bytes();
    for length in [1, 7, 8, 63] {
        let found = length as u64;
        let truncated = Refused::Truncated {
            part: Part::Header,
            expected: 64,
            found,
        };
        assert_eq!(Header::parse(&head[..length]), Err(truncated));
    }
    assert_eq!(Header::parse(b"\x89SLOTIMAGE"), Err(Refused::NotAnImage));
}
