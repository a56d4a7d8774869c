//! For which machine a disk is.

use controller::disk::Disk;
use controller::error::Result;
use controller::esp;
use controller::found::Found;
use std::path::Path;

/// For which machines images are, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compatible {
    /// Somebody who knows.
    Named {
        /// The name that an image must have.
        name: String,
        /// Where it stands.
        from: String,
    },
    /// The disk: its good slot, or else what it was created for.
    AsTheDisk,
}

/// For which machine the disk is: for the one this controller runs from, what
/// its configuration says; for any other, what the disk says.
pub fn of(disk: &Disk, configuration: Option<&Path>) -> Result<Compatible> {
    if disk.handover().is_some()
        && let Some(config) = config::find(configuration)?
    {
        let file = configuration.unwrap_or(Path::new(config::PATH));
        return Ok(Compatible::Named {
            name: config.compatible,
            from: file.display().to_string(),
        });
    }
    Ok(Compatible::AsTheDisk)
}

impl Compatible {
    /// The name, and where it stands; nothing on a disk that never said so.
    pub(super) fn name(&self, found: &Found<'_>) -> Result<Option<(String, String)>> {
        if let Compatible::Named { name, from } = self {
            return Ok(Some((name.clone(), from.clone())));
        }
        let good = found.record.good().into_iter();
        let mut signed = good.filter_map(|slot| Some((slot, found.slot(slot).ok()?)));
        if let Some((slot, installed)) = signed.next() {
            let name = installed.manifest.compatible.clone();
            return Ok(Some((name, format!("the image in slot {slot}"))));
        }
        let created = esp::read_compatible(found.disk.whole()?, found.disk.layout())?;
        Ok(created.map(|name| (name, "`disk create --compatible`".into())))
    }
}
