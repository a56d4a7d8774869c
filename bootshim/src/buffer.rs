//! Bytes in memory that a disk can be read into without a copy: they begin at the
//! border of a page, which is what every driver takes, whatever it says it needs.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Bytes, of which the first lies at the border of a page.
pub struct Buffer {
    bytes: Vec<u8>,
    from: usize,
    len: usize,
}

impl Buffer {
    /// So many zeros.
    pub fn new(len: usize) -> Result<Buffer, TryReserveError> {
        let whole = len.saturating_add(PAGE);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(whole)?;
        bytes.resize(whole, 0);
        // What lies elsewhere is read by way of another buffer.
        let from = bytes.as_ptr().align_offset(PAGE) % PAGE;
        Ok(Buffer { bytes, from, len })
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        rest.get(..self.len).unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let rest = self.bytes.get_mut(self.from..).unwrap_or_default();
        rest.get_mut(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_asked_for_from_a_page_on() {
        for len in [0, 1, PAGE, 3 * PAGE + 7] {
            let mut buffer = Buffer::new(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert!(buffer.as_ptr().addr().is_multiple_of(PAGE) || len == 0);
            buffer.fill(7);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
        assert!(Buffer::new(usize::MAX).is_err());
    }
}
