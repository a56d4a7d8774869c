//! What a command leaves in the event log of this controller.

use controller::disk::Disk;
use serde_json::Value;
use watch::events::Events;

/// Notes what was done to the disk that this controller runs from; what happens
/// to a disk image belongs to no controller's history.
pub fn note(disk: &Disk, event: &str, text: &str) {
    if disk.handover().is_some() {
        Events::of_this_controller().record(event, text, Value::Null);
    }
}
