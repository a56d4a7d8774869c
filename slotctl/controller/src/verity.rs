//! The root of a slot as a device that gives each block only as it was signed: dm-verity
//! by the tree that the manifest binds (Linux,
//! `Documentation/admin-guide/device-mapper/verity.rst`).

mod device_mapper;

use crate::code::Code;
use crate::disk::Disk;
use crate::error::{Error, Result};
use bootshim::record::SlotId;
pub use device_mapper::{DeviceMapper, Table};
use images::manifest::{Kind, Manifest};
use images::verity::Shape;
use images::{ALIGN, hex};
use std::path::{Path, PathBuf};

/// Sectors of the device mapper in a block.
const SECTORS: u64 = ALIGN / 512;

/// The root of a slot that does not run, for as long as this lives.
#[derive(Debug)]
pub struct SpareRoot {
    mapper: DeviceMapper,
    node: PathBuf,
}

impl SpareRoot {
    /// Its name at the device mapper. There is one at a time: who opens it holds a lock.
    const NAME: &str = "slotctl-spare";

    /// Opens the root of `slot`, which holds the image of that manifest.
    ///
    /// # Errors
    /// An image without a tree; the operating system's.
    pub fn open(disk: &Disk, slot: SlotId, manifest: &Manifest) -> Result<SpareRoot> {
        let table = table(&disk.slot_node(slot)?, manifest, OnDamage::Error)?;
        let mapper = DeviceMapper::open()?;
        let minor = mapper.make(SpareRoot::NAME, &table)?;
        let node = PathBuf::from(format!("/dev/dm-{minor}"));
        Ok(SpareRoot { mapper, node })
    }

    /// The device.
    pub fn node(&self) -> &Path {
        &self.node
    }
}

impl Drop for SpareRoot {
    fn drop(&mut self) {
        // One that is left is replaced by the next.
        let _ = self.mapper.remove_later(SpareRoot::NAME);
    }
}

/// What a block does that is not what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// It is a read error.
    Error,
    /// The kernel panics.
    Panic,
}

impl OnDamage {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            OnDamage::Error => "a read error",
            OnDamage::Panic => "a panic",
        }
    }

    fn option(self) -> &'static str {
        match self {
            OnDamage::Error => "",
            OnDamage::Panic => " 1 panic_on_corruption",
        }
    }
}

/// The table of the root in the slot at `node`. That the root begins the slot and the
/// tree is as long as that of such a root is a rule of the manifest.
pub fn table(node: &Path, manifest: &Manifest, on_damage: OnDamage) -> Result<Table> {
    let payload = |kind| manifest.payload(kind);
    let (Some(root), Some(tree), Some(verity)) = (
        payload(Kind::Rootfs),
        payload(Kind::Verity),
        manifest.verity,
    ) else {
        let found = format!("image {} has no verity tree", manifest.version);
        return Err(Error::new(Code::NoTree, found)
            .advice("build it with this slotctl, or mount its root by PARTUUID"));
    };
    let blocks = Shape::over(root.length).data_blocks;
    // Behind the superblock, in blocks from the start of the partition.
    let hashes = (tree.offset / ALIGN).saturating_add(1);
    let parameters = format!(
        "1 {node} {node} {ALIGN} {ALIGN} {blocks} {hashes} sha256 {} {}{}",
        hex(&verity.root_hash),
        hex(&verity.salt),
        on_damage.option(),
        node = node.display(),
    );
    Ok(Table {
        sectors: blocks.saturating_mul(SECTORS),
        target: "verity",
        parameters,
    })
}
