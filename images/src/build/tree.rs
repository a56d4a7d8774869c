//! The verity tree while the root is read: its leaves are hashed where the root is
//! packed, on all cores, and it is whole when the first byte behind the root is
//! asked for.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::vec::Vec;

use super::layout::Layout;
use crate::Digest;
use crate::manifest::Kind;
use crate::verity::{Salted, Tree};

/// A tree whose leaves come in, in order.
pub(super) struct Growing {
    root_len: u64,
    /// Where the tree lies in the slot.
    offset: u64,
    salted: Salted,
    leaves: Mutex<Vec<Digest>>,
    tree: OnceLock<Tree>,
}

impl Growing {
    pub(super) fn new(layout: &Layout, salt: [u8; 32]) -> Self {
        let find = |kind| layout.inputs.iter().find(|input| input.kind == kind);
        Self {
            root_len: find(Kind::Rootfs).map_or(0, |root| root.length),
            offset: find(Kind::Verity).map_or(0, |tree| tree.offset),
            salted: Salted::new(salt),
            leaves: Mutex::default(),
            tree: OnceLock::new(),
        }
    }

    /// The leaves above content that lies at this place of the slot; none once the
    /// tree is whole.
    pub(super) fn leaves(&self, offset: u64, content: &[u8]) -> Vec<Digest> {
        if self.tree.get().is_some() {
            return Vec::new();
        }
        self.salted.hashes_within(self.root_len, offset, content)
    }

    /// Takes the next leaves.
    pub(super) fn put(&self, leaves: Vec<Digest>) {
        // A poisoned lock still guards a whole list.
        let mut held = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(leaves);
    }

    /// Whether the tree lies at this place of the slot.
    pub(super) fn begins_at(&self, offset: u64) -> bool {
        self.offset == offset
    }

    /// Makes the tree, of all leaves that came in and of the last of the root, which
    /// lies at this place.
    pub(super) fn grow(&self, offset: u64, content: &[u8]) {
        self.put(self.leaves(offset, content));
        let leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        self.tree.get_or_init(|| Tree::above(&self.salted, &leaves));
    }

    /// The whole tree.
    pub(super) fn get(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::above(&self.salted, &[]))
    }

    /// Fills a buffer with the tree's bytes from this place of it on.
    pub(super) fn read(&self, place: u64, buffer: &mut [u8]) -> io::Result<()> {
        let place = usize::try_from(place).ok();
        let found = place.and_then(|place| {
            let end = place.checked_add(buffer.len())?;
            self.tree.get()?.bytes.get(place..end)
        });
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
