//! The floor that counts on a disk: what bootshim told this controller, or the
//! hint in the record.

use crate::disk::Disk;
use bootshim::floor::{Counts, Kept, Source};
use bootshim::handover::{FLOOR_VARIABLE, VARIABLE_VENDOR};
use bootshim::record::Record;

/// Where Linux shows the variables of the firmware.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// BOOTSERVICE_ACCESS and RUNTIME_ACCESS, and not NON_VOLATILE: a variable that
/// the running system could not have made.
const TOLD: [u8; 4] = [6, 0, 0, 0];

/// The floor that counts.
#[must_use]
pub fn counts(disk: &Disk, record: &Record) -> Counts {
    Counts::of(&kept(disk), record.floor)
}

/// What the firmware keeps, as far as this disk can know: of the disk that this
/// controller runs from, what bootshim told at the start.
#[must_use]
pub fn kept(disk: &Disk) -> Kept {
    if disk.handover().is_none() {
        return Kept::Nowhere("this controller does not run from this disk".into());
    }
    let path = format!("{VARIABLES}/{FLOOR_VARIABLE}-{VARIABLE_VENDOR}");
    match std::fs::read(path).map(|content| parse(&content)) {
        Ok(Some(told)) if told.source == Source::Firmware => Kept::Here(told.floor),
        Ok(Some(_)) => Kept::Nowhere("the firmware keeps none".into()),
        Ok(None) => Kept::Nowhere(format!("{FLOOR_VARIABLE} is not what bootshim writes")),
        Err(error) => Kept::Nowhere(format!("{FLOOR_VARIABLE}: {error}")),
    }
}

/// As efivarfs gives it: the attributes, then what bootshim wrote.
fn parse(content: &[u8]) -> Option<Counts> {
    Counts::parse(content.strip_prefix(&TOLD)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootshim::floor::Floor;

    #[test]
    fn only_a_volatile_variable_is_believed() {
        let told = Counts {
            floor: Floor {
                security_version: 3,
                key_epoch: 0,
            },
            source: Source::Firmware,
        };
        let with = |attributes: u8| [&[attributes, 0, 0, 0], &told.to_bytes()[..]].concat();
        assert_eq!(parse(&with(6)), Some(told));
        for attributes in [0, 2, 3, 7, 0x26] {
            assert_eq!(parse(&with(attributes)), None, "{attributes}");
        }
        assert_eq!(parse(&[]), None);
    }
}
