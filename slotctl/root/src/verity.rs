//! The table that makes dm-verity of a manifest (Linux,
//! `Documentation/admin-guide/device-mapper/verity.rst`).

use crate::device_mapper::Table;
use controller::code::Code;
use controller::error::{Error, Result};
use images::manifest::{Kind, Manifest};
use images::verity::Shape;
use images::{ALIGN, hex};
use std::path::Path;

/// Sectors of the device mapper in a block.
const SECTORS: u64 = ALIGN / 512;

/// What a block does that is not what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDamage {
    /// It is a read error.
    Error,
    /// The kernel panics.
    Panic,
}

impl OnDamage {
    /// For people.
    pub(super) fn words(self) -> &'static str {
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
pub(super) fn table(node: &Path, manifest: &Manifest, on_damage: OnDamage) -> Result<Table> {
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
