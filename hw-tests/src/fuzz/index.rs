//! The index of the content, and the transport table.

use super::input::Input;
use images::index::{self, Index};
use images::manifest::Manifest;
use images::table::{self, Entry, Table};
use images::{PIECE_MAX, digest};

/// Any index and table that a manifest binds give an answer; what is accepted
/// covers the content without gaps, and has one encoding.
pub fn index(data: &[u8]) {
    let mut input = Input(data);
    let (mend, content_len, payload_len) = (input.u8(), input.u64(), input.u64());
    let index = input.counted();
    let table = input.0;
    let manifest = binding(index, content_len, mend);
    let Ok(parsed) = Index::parse(index, &manifest) else {
        return;
    };
    let pieces = parsed.pieces();
    let again = pieces
        .iter()
        .flat_map(|piece| index::encode_entry(piece.length, &piece.hash));
    assert!(again.eq(index.iter().copied()), "one encoding");
    let mut place = 0;
    for piece in pieces {
        assert_eq!(piece.offset, place);
        assert!((1..=PIECE_MAX).contains(&piece.length));
        place += u64::from(piece.length);
    }
    assert_eq!(place, manifest.content_len);
    let packed = table
        .chunks_exact(37)
        .map(|entry| lengths(&entry[1..]))
        .sum();
    let payload_len = if mend & 4 == 0 { packed } else { payload_len };
    // The same bytes as a table of either format.
    for read in [Table::parse_1, Table::parse] {
        let Ok(parsed) = read(table, &parsed, payload_len) else {
            continue;
        };
        assert_eq!(encode(&parsed, table.len()), table, "one encoding");
        let entries = parsed.entries();
        let covered: usize = entries.iter().map(|entry| usize::from(entry.pieces)).sum();
        assert_eq!(covered, pieces.len());
        let end = entries
            .last()
            .map_or(0, |last| last.offset + u64::from(last.length));
        assert_eq!(end, payload_len);
    }
}

/// The bytes of a table, in the format that makes it so long.
fn encode(parsed: &Table, length: usize) -> Vec<u8> {
    let entries = parsed.entries();
    if length == entries.len() * 37 {
        let entry = |entry: &Entry| {
            let bytes = table::encode_entry(entry.packing, 1, entry.length, &entry.hash);
            [&bytes[..1], &bytes[3..]].concat()
        };
        return entries.iter().flat_map(entry).collect();
    }
    let mut bytes = table::encode_start(parsed.base(), parsed.self_limit());
    for entry in entries {
        let (packing, pieces) = (entry.packing, entry.pieces);
        bytes.extend(table::encode_entry(
            packing,
            pieces,
            entry.length,
            &entry.hash,
        ));
    }
    bytes
}

/// The bytes of a case.
pub(super) fn encoded(content_len: u64, index: &[u8], table: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(content_len.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(super::input::counted(index));
    bytes.extend(table);
    bytes
}

fn lengths(entry: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes(entry[..4].try_into().unwrap()))
}

/// A manifest that binds the index; one that says something else where the case
/// wants that.
fn binding(index: &[u8], content_len: u64, mend: u8) -> Manifest {
    let sum = index.chunks_exact(36).map(lengths).sum();
    let (length, hash) = (u64::try_from(index.len()).unwrap(), digest(index));
    Manifest {
        compatible: "plc".into(),
        version: "1".into(),
        security_version: 0,
        revoke_below: 0,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: 0,
        cmdline: String::new(),
        content_len: if mend & 1 == 0 { sum } else { content_len },
        index_len: length + u64::from(mend >> 1 & 1),
        index_hash: hash,
        payloads: Vec::new(),
        verity: None,
        key_set: None,
    }
}
