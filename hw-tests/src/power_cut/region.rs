//! Which part of the disk a range belongs to.

use bootshim::layout::Layout;
use bootshim::medium::Extent;
use bootshim::record::SlotId;
use std::fmt;

/// A part of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// The partition of the boot record.
    Record,
    /// A slot.
    Slot(SlotId),
    /// The EFI system partition.
    Esp,
    /// The data partition.
    Data,
    /// What lies outside all of these: the partition tables.
    Table,
}

impl Region {
    /// The region in which `range` lies whole, or `None` where it crosses a
    /// border.
    #[must_use]
    pub fn of(range: Extent, layout: &Layout) -> Option<Region> {
        let end = range.end()?;
        let mut outside = true;
        for (region, part) in regions(layout) {
            let part_end = part.end()?;
            if range.start >= part.start && end <= part_end {
                return Some(region);
            }
            outside &= end <= part.start || range.start >= part_end;
        }
        outside.then_some(Region::Table)
    }

    /// Whether the next start can depend on what is written there by a system
    /// that runs: record and slots. The rest bootshim does not read, or nobody
    /// may write.
    #[must_use]
    pub fn decides(self) -> bool {
        matches!(self, Region::Record | Region::Slot(_))
    }
}

fn regions(layout: &Layout) -> impl Iterator<Item = (Region, Extent)> {
    let slots = SlotId::all().zip(&layout.slots);
    let slots = slots.map(|(slot, partition)| (Region::Slot(slot), partition.extent));
    let esp = layout.esp.iter().map(|esp| (Region::Esp, esp.extent));
    let data = layout.data.iter().map(|data| (Region::Data, data.extent));
    let record = (Region::Record, layout.record.extent);
    std::iter::once(record).chain(slots).chain(esp).chain(data)
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Region::Record => f.write_str("the record"),
            Region::Slot(slot) => write!(f, "slot {slot}"),
            Region::Esp => f.write_str("the ESP"),
            Region::Data => f.write_str("data"),
            Region::Table => f.write_str("the GPT"),
        }
    }
}
