//! What a signed image is: the format of a `.slotimg` file and of the manifest
//! area that it leaves in a slot; reading, checking, building and signing.
//!
//! The bytes are described in `docs/image-format.md`. Without features this is
//! the reader that runs before the kernel: it works on slices, does no I/O, and
//! parses nothing that is not signed. `std` reads streams and looks at the content
//! of slots, `unpack` makes content of chunks, and `build` (on by default) is
//! everything that works on image and key files.
//!
//! The way in, for a stream: [`header::Header::parse`] on the first 64 bytes,
//! [`head::Head::open`] on the `header.rest_length()` bytes that follow, then
//! [`head::Head::chunks`] for what the payload consists of. For a slot:
//! [`slot_area::open`] on its last [`SLOT_AREA_LEN`] bytes.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "in a test, each of them is a failure that is seen"
    )
)]

extern crate alloc;

#[cfg(feature = "build")]
pub mod build;
mod bytes;
pub mod chunk;
#[cfg(feature = "std")]
pub mod content;
#[cfg(feature = "build")]
pub mod delta;
#[cfg(feature = "build")]
mod fields;
pub mod group;
pub mod head;
pub mod header;
mod hex;
pub mod index;
pub mod kernel;
pub mod key;
pub mod key_set;
pub mod manifest;
pub mod memory;
#[cfg(feature = "std")]
pub mod new_file;
pub mod patch;
#[cfg(feature = "build")]
pub mod pipeline;
#[cfg(feature = "std")]
pub mod read;
mod refused;
#[cfg(feature = "std")]
pub mod rootfs;
#[cfg(feature = "build")]
pub mod sign;
pub mod signature;
pub mod slot_area;
pub mod table;
pub mod trust;
#[cfg(feature = "build")]
pub mod unpack;
#[cfg(feature = "build")]
pub mod verify;
pub mod verity;
pub mod version;

pub use hex::hex;
pub use refused::{Malformed, Part, Refused, Unproven};

/// A BLAKE3 hash. The one of a manifest's bytes is the digest of the image.
pub type Digest = [u8; 32];

/// The number of the formats of manifest, index and manifest area: what lies in
/// a slot.
pub const FORMAT: u32 = 1;

/// The number of the format of a file as it is written today. That of 1 is read
/// too: it has another transport table.
pub const FILE_FORMAT: u32 = 2;

/// The same with a key set.
pub const FILE_FORMAT_KEY_SET: u32 = 3;

/// Payloads, pieces and the index begin at multiples of this in a slot, so
/// that direct I/O works on every disk. In bytes.
pub const ALIGN: u64 = 4096;

/// The longest piece of slot content, in bytes.
pub const PIECE_MAX: u32 = 1 << 20;

/// The length of one entry of the index, in bytes.
pub(crate) const INDEX_ENTRY_LEN: usize = 36;

/// How much of the end of a slot belongs to the manifest, in bytes.
pub const SLOT_AREA_LEN: usize = 64 * 1024;

/// BLAKE3 of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}
