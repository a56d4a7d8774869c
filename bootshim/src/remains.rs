//! Was there power since the start before? Memory may tell: a page that nobody uses outlives a
//! restart, and not the loss of power: where it holds what the last start left, that
//! start was not ended by the mains. Where it does not, nothing is known: some
//! firmware clears all memory at each start.

use crate::guid::Guid;

const TAG: &[u8] = b"slotctl: memory since the last start";

/// Fills a page with what the next start looks for. All of it: without power single
/// bits fall first.
pub fn leave(page: &mut [u8], disk: Guid) {
    for (to, from) in page.iter_mut().zip(pattern(disk)) {
        *to = from;
    }
}

/// Whether a page holds that, to the last bit.
pub fn are_in(page: &[u8], disk: Guid) -> bool {
    !page.is_empty() && page.iter().copied().eq(pattern(disk).take(page.len()))
}

/// As many ones as zeros, more or less, for each disk its own.
fn pattern(disk: Guid) -> impl Iterator<Item = u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(TAG).update(&disk.0);
    let hash: [u8; 32] = hasher.finalize().into();
    core::iter::repeat(hash).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Guid = Guid([7; 16]);

    #[test]
    fn what_a_start_left_is_found_by_the_next_one_of_the_same_disk() {
        let mut page = [0; 4096];
        assert!(!are_in(&page, DISK), "memory that was cleared");
        leave(&mut page, DISK);
        assert!(are_in(&page, DISK));
        assert!(!are_in(&page, Guid([8; 16])));
        assert!(!are_in(&[], DISK));
    }

    #[test]
    fn one_bit_that_fell_is_the_loss_of_power() {
        for at in (0..4096 * 8).step_by(997) {
            let mut page = [0; 4096];
            leave(&mut page, DISK);
            page[at / 8] ^= 1 << (at % 8);
            assert!(!are_in(&page, DISK), "bit {at}");
        }
    }
}
