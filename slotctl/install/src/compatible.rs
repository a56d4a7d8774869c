//! For which machine a disk is.

use bootshim::record::Record;
use controller::disk::Disk;
use controller::error::Result;
use controller::esp;
use images::trust::Trust;
use std::path::Path;

/// For which machines images are, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatible {
    /// The name that an image must have.
    pub name: String,
    /// Where it stands.
    pub from: String,
}

/// For which machine the disk is: for the one this controller runs from, what
/// its configuration says; for any other, what its good slot says, or else what
/// it was created for.
///
/// # Errors
/// A broken configuration; an ESP that cannot be read.
pub fn of(
    disk: &Disk,
    record: &Record,
    configuration: Option<&Path>,
    trusted: &Trust,
) -> Result<Option<Compatible>> {
    let named = |name, from: String| Ok(Some(Compatible { name, from }));
    if disk.handover().is_some()
        && let Some(config) = config::find(configuration)?
    {
        let file = configuration.unwrap_or(Path::new(config::PATH));
        return named(config.compatible, file.display().to_string());
    }
    for slot in record.good() {
        if let Ok(installed) = disk.manifest(slot, trusted) {
            return named(
                installed.manifest.compatible,
                format!("the image in slot {slot}"),
            );
        }
    }
    match esp::read_compatible(disk.whole()?, disk.layout())? {
        Some(name) => named(name, "`disk create --compatible`".into()),
        None => Ok(None),
    }
}
