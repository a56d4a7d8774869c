//! The hashes of the payloads, taken while the slot's content goes by.

use alloc::vec::Vec;

use crate::manifest::{Manifest, Payload};
use crate::{Part, Refused};

/// Takes the content of a slot, from its first byte to its last, and says at
/// the end whether every payload is the one that the manifest binds.
pub struct PayloadHashes {
    payloads: Vec<(Payload, blake3::Hasher)>,
    offset: u64,
}

impl PayloadHashes {
    /// Nothing has gone by yet.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        let payloads = manifest.payloads.iter();
        Self {
            payloads: payloads
                .map(|payload| (*payload, blake3::Hasher::new()))
                .collect(),
            offset: 0,
        }
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, content: &[u8]) {
        let end = self.offset.saturating_add(content.len() as u64);
        for (payload, hasher) in &mut self.payloads {
            let until = payload.offset.saturating_add(payload.length);
            let from = payload.offset.clamp(self.offset, end) - self.offset;
            let to = until.clamp(self.offset, end) - self.offset;
            // Both lie within `content`, so they fit.
            let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            if let Some(part) = range.and_then(|(from, to)| content.get(from..to)) {
                hasher.update(part);
            }
        }
        self.offset = end;
    }

    /// Whether every payload went by whole and is the right one.
    ///
    /// # Errors
    /// [`Refused::HashWrong`] with the first payload that is not.
    pub fn finish(self) -> Result<(), Refused> {
        for (payload, hasher) in &self.payloads {
            if *hasher.finalize().as_bytes() != payload.hash {
                let part = Part::Payload(payload.kind);
                return Err(Refused::HashWrong { part });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
