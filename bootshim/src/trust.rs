//! The keys that a bootshim trusts, and the boot record it reads: a section of
//! the program, so that a signature over the program covers them.
//!
//! The section `.slotkey` has 4096 bytes, numbers little-endian:
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 8 | `SLOTKEYS` |
//! | 8 | 4 | format: 1, or 2 where the keys are root keys |
//! | 12 | 2 | major number of the boot record that this program reads |
//! | 14 | 2 | minor number of it |
//! | 16 | 4 | number of keys, at most 100 |
//! | 20 | 4 | format 2: how many root keys must sign a key set; format 1: zero |
//! | 24 | 8 | zero |
//! | 32 | 32 each | the keys, raw Ed25519 |
//! | then | to the end | zero |

use crate::record;
use alloc::vec::Vec;
use images::key::{KeyId, PublicKey};
use images::trust::Trust;

/// Name of the section in the program.
pub const SECTION_NAME: &str = ".slotkey";
/// Length of the section in bytes.
pub const SECTION_LEN: usize = 4096;
/// The most keys that a bootshim trusts.
pub const KEYS_MAX: usize = 100;

const MAGIC: [u8; 8] = *b"SLOTKEYS";
const FORMAT: u32 = 1;
const FORMAT_ROOTS: u32 = 2;
const RESERVED: usize = 8;

/// What the section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Major number of the boot record format that this bootshim reads.
    pub record_major: u16,
    /// Minor number of it.
    pub record_minor: u16,
    /// Who may sign what this bootshim starts; nobody while it is empty.
    pub keys: Vec<PublicKey>,
    /// Where the keys are root keys, which sign key sets and not images: how many
    /// of them must sign one.
    pub root_threshold: Option<u32>,
}

/// The bytes are not a section of trusted keys, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// Not 4096 bytes.
    #[error("the key section has {0} bytes instead of 4096")]
    Length(usize),
    /// It does not begin with `SLOTKEYS`: not a bootshim.
    #[error("no SLOTKEYS in the key section: not a bootshim")]
    Magic,
    /// A format of a later version.
    #[error("the key section has the unknown format {0}, known are 1 and 2")]
    UnknownFormat(u32),
    /// More than 100 keys.
    #[error("{0} trusted keys, at most 100 fit")]
    TooMany(usize),
    /// The key at this place (from 0) is not one that can be trusted.
    #[error("trusted key {0} is not a usable Ed25519 public key")]
    BadKey(usize),
    /// The same key twice.
    #[error("trusted key {0} is there twice")]
    SameKey(KeyId),
    /// More root keys would have to sign than there are, or none.
    #[error("{0} root keys must sign, expected 1 to as many as there are")]
    Threshold(u32),
    /// A byte that should be zero is not.
    #[error("unused bytes of the key section are not zero: it is damaged")]
    NotZero,
}

impl Section {
    /// Reads the section. After an error no key of it may be trusted.
    pub fn parse(bytes: &[u8]) -> Result<Section, SectionError> {
        let mut rest = bytes;
        if bytes.len() != SECTION_LEN {
            return Err(SectionError::Length(bytes.len()));
        }
        if take(&mut rest)? != MAGIC {
            return Err(SectionError::Magic);
        }
        let format = u32::from_le_bytes(take(&mut rest)?);
        if format != FORMAT && format != FORMAT_ROOTS {
            return Err(SectionError::UnknownFormat(format));
        }
        let record_major = u16::from_le_bytes(take(&mut rest)?);
        let record_minor = u16::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > KEYS_MAX {
            return Err(SectionError::TooMany(count));
        }
        let threshold = u32::from_le_bytes(take(&mut rest)?);
        let root_threshold = (format == FORMAT_ROOTS).then_some(threshold);
        if root_threshold.is_none() && threshold != 0 {
            return Err(SectionError::NotZero);
        }
        let unused: [u8; RESERVED] = take(&mut rest)?;
        let mut keys = Vec::with_capacity(count);
        for place in 0..count {
            let key = PublicKey::from_bytes(&take(&mut rest)?);
            keys.push(key.map_err(|_| SectionError::BadKey(place))?);
        }
        if unused.iter().chain(rest).any(|byte| *byte != 0) {
            return Err(SectionError::NotZero);
        }
        let section = Section {
            record_major,
            record_minor,
            keys,
            root_threshold,
        };
        section.check()?;
        Ok(section)
    }

    /// The [`SECTION_LEN`] bytes of the section.
    pub fn encode(&self) -> Result<Vec<u8>, SectionError> {
        self.check()?;
        let format = self.root_threshold.map_or(FORMAT, |_| FORMAT_ROOTS);
        let count = self.keys.len();
        let count = u32::try_from(count).map_err(|_| SectionError::TooMany(count))?;
        let mut bytes = Vec::with_capacity(SECTION_LEN);
        bytes.extend(MAGIC);
        bytes.extend(format.to_le_bytes());
        bytes.extend(self.record_major.to_le_bytes());
        bytes.extend(self.record_minor.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(self.root_threshold.unwrap_or_default().to_le_bytes());
        bytes.extend([0; RESERVED]);
        for key in &self.keys {
            bytes.extend(key.to_bytes());
        }
        bytes.resize(SECTION_LEN, 0);
        Ok(bytes)
    }

    /// Whose word counts for what this bootshim starts.
    pub fn trust(&self) -> Trust {
        match self.root_threshold {
            None => Trust::direct(self.keys.as_slice()),
            Some(threshold) => Trust::roots(self.keys.as_slice(), threshold),
        }
    }

    fn check(&self) -> Result<(), SectionError> {
        check(&self.keys)?;
        let possible = 1..=u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        match self.root_threshold.filter(|t| !possible.contains(t)) {
            Some(threshold) => Err(SectionError::Threshold(threshold)),
            None => Ok(()),
        }
    }

    /// The section as the program is built with it: no keys.
    pub const fn unfilled() -> [u8; SECTION_LEN] {
        let mut bytes = [0; SECTION_LEN];
        if let Some((magic, rest)) = bytes.split_first_chunk_mut()
            && let Some((format, rest)) = rest.split_first_chunk_mut()
            && let Some((major, rest)) = rest.split_first_chunk_mut()
            && let Some((minor, _)) = rest.split_first_chunk_mut()
        {
            *magic = MAGIC;
            *format = FORMAT.to_le_bytes();
            *major = record::MAJOR.to_le_bytes();
            *minor = record::MINOR.to_le_bytes();
        }
        bytes
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SectionError> {
    let whole = *rest;
    let (taken, behind) = whole
        .split_first_chunk()
        .ok_or(SectionError::Length(whole.len()))?;
    *rest = behind;
    Ok(*taken)
}

fn check(keys: &[PublicKey]) -> Result<(), SectionError> {
    if keys.len() > KEYS_MAX {
        return Err(SectionError::TooMany(keys.len()));
    }
    for (place, key) in keys.iter().enumerate() {
        if keys.iter().take(place).any(|earlier| earlier == key) {
            return Err(SectionError::SameKey(key.id()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
