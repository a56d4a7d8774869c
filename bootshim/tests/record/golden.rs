//! The golden vectors: what a released version wrote is read for ever.

use crate::describe::describe;
use crate::vectors::{self, Blocks, open};
use crate::{second_reader, sections};
use bootshim::copies::{CommitError, Note};
use bootshim::state::Next;
use bootshim::trust::Section;
use fakedisk::BYTES;
use std::fs;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".bin")?.to_owned()))
        .collect();
    names.sort();
    names
}

fn blocks(name: &str) -> Blocks {
    let bytes = fs::read(golden(&format!("{name}.bin"))).unwrap();
    assert_eq!(bytes.len(), 4 * BYTES, "{name}");
    std::array::from_fn(|copy| bytes[copy * BYTES..][..BYTES].try_into().unwrap())
}

fn text(name: &str) -> String {
    fs::read_to_string(golden(&format!("{name}.txt"))).unwrap()
}

#[test]
fn every_golden_vector_says_what_is_written_beside_it() {
    for name in names() {
        assert_eq!(describe(&open(&blocks(&name))), text(&name), "{name}");
    }
}

#[test]
fn the_second_reader_agrees_on_every_golden_vector() {
    for name in names() {
        let partition = vectors::PARTITION.0;
        let said = second_reader::describe(&blocks(&name), [true; 4], partition);
        assert_eq!(said, text(&name), "{name}");
    }
}

#[test]
fn what_writes_today_writes_the_golden_vectors() {
    let written = vectors::all().unwrap();
    let mut made: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
    made.sort_unstable();
    assert_eq!(made, names());
    for (name, made) in written {
        assert!(made == blocks(name), "{name}");
    }
}

#[test]
fn bytes_of_a_later_minor_are_written_back_as_they_were() {
    for name in ["later-minor", "last-minor"] {
        let blocks = blocks(name);
        let record = open(&blocks).record().unwrap().encode();
        assert_eq!(record, blocks[0][..512], "{name}");
    }
}

#[test]
fn a_commit_is_refused_where_one_golden_copy_has_an_unknown_major() {
    let mut store = open(&blocks("unknown-major"));
    let next = store.record().unwrap().clone();
    let refused = store.commit(Next::by_hand(next), Note::default());
    assert_eq!(refused, Err(CommitError::UnknownMajor(2)));
}

#[test]
fn every_golden_key_section_says_what_is_written_beside_it() {
    let made = sections::all().unwrap();
    for (name, written) in &made {
        let bytes = fs::read(golden(&format!("slotkey/{name}.bin"))).unwrap();
        assert_eq!(&bytes, written, "{name}: what writes today writes it");
        let section = Section::parse(&bytes).unwrap();
        assert_eq!(
            sections::describe(&section),
            text(&format!("slotkey/{name}"))
        );
    }
    let files = fs::read_dir(golden("slotkey")).unwrap().count();
    assert_eq!(files, 2 * made.len());
}
