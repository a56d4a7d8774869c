//! Bytes in a row: taken from the front, put at the front.

use super::Invalid;

/// Bytes that are taken from the front; running out is an answer, not a panic.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Invalid::NotARecord)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Invalid> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Invalid> {
        Ok(u64::from_le_bytes(self.take()?))
    }
}

/// Room that is filled from the front.
pub(super) struct Out<'a>(pub(super) &'a mut [u8]);

impl Out<'_> {
    pub(super) fn put(&mut self, data: &[u8]) -> &mut Self {
        let room = core::mem::take(&mut self.0);
        if let Some((here, rest)) = room.split_at_mut_checked(data.len()) {
            here.copy_from_slice(data);
            self.0 = rest;
        }
        self
    }
}
