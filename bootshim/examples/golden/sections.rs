//! The golden vectors of the section `.slotkey`.

use bootshim::trust::{Section, SectionError};
use images::key::SecretKey;
use std::fmt::Write as _;

/// Every vector with its name.
pub fn all() -> Result<Vec<(&'static str, Vec<u8>)>, SectionError> {
    let keys = |seeds: &[u8]| {
        let public = |seed: &u8| SecretKey::from_seed(&[*seed; 32]).public();
        seeds.iter().map(public).collect::<Vec<_>>()
    };
    let section = |keys, root_threshold| Section {
        record_major: 1,
        record_minor: 2,
        keys,
        root_threshold,
    };
    Ok(vec![
        ("unfilled", section(Vec::new(), None).encode()?),
        ("two-keys", section(keys(&[1, 2]), None).encode()?),
        (
            "two-of-three-roots",
            section(keys(&[3, 4, 5]), Some(2)).encode()?,
        ),
    ])
}

/// What a reader makes of one, as text.
pub fn describe(section: &Section) -> String {
    let mut text = String::new();
    let format = section.root_threshold.map_or(1, |_| 2);
    let threshold = section.root_threshold.unwrap_or(0);
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "format = {format}\nrecord = {}.{}\nthreshold = {threshold}",
        section.record_major, section.record_minor
    );
    for key in &section.keys {
        let _ = writeln!(text, "key = {}", images::hex(&key.to_bytes()));
    }
    text
}
