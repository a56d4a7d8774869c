//! `slotctl open-root`: for hooks in an initramfs.

use super::output::{Answer, Voice};
use serde_json::json;
use slotctl::error::Result;
use slotctl::root::{self, Outcome};

pub fn run(voice: Voice) -> Result<Answer> {
    match root::open()? {
        Outcome::Opened(opened) => {
            opened.remarks.iter().for_each(|remark| voice.warn(remark));
            let (device, slot) = (opened.device.display(), opened.slot);
            let text = format!(
                "the root is {device}: slot {slot}, version {}, verified as it is read; a \
                 damaged block is {}",
                opened.version, opened.on_damage
            );
            let fields = json!({
                "device": device.to_string(), "slot": slot.to_string(),
                "version": opened.version, "on_damage": opened.on_damage,
                "remarks": opened.remarks,
            });
            Ok(Answer::new(text, fields))
        }
        Outcome::Restart { why, next } => {
            voice.warn(&format!("{why}; restarting, slot {next} starts next"));
            root::restart()?;
            Ok(Answer::default())
        }
    }
}
