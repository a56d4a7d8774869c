//! The very end: no slot starts. A person may choose one; nobody may be there,
//! and then the machine restarts and tries again, for ever.

use crate::console::{Console, say};
use crate::disk::Disk;
use crate::firmware;
use crate::platform::UefiPlatform;
use bootshim::boot::Boot;
use bootshim::layout::Layout;
use bootshim::medium::Window;
use bootshim::record::SlotId;
use core::time::Duration;
use uefi::proto::console::text::Key;
use uefi::{boot, system, table};

/// How long a person is waited for.
const SECONDS: u32 = 60;
/// How often the keyboard is looked at.
const LOOKS_PER_SECOND: u32 = 10;
const LOOK: Duration = Duration::from_millis(100);
/// How often the rest of the time is said, in seconds.
const SAY_EVERY: u32 = 10;

/// Lists the slots and waits. `None` is a restart, by a person or because there
/// was none.
pub fn ask(
    boot: &mut Boot<Window<&Disk>, UefiPlatform<'_>>,
    layout: &Layout,
    console: &Console,
) -> Option<SlotId> {
    let slots = layout.slots.len();
    for slot in SlotId::all().take(slots) {
        let state = boot.record().map(|record| record.slot(slot).state);
        let why = boot.platform().passed_over(slot).unwrap_or("not tried");
        match state {
            Some(state) => say!(console, "  {slot}  {state}  {why}"),
            None => say!(console, "  {slot}  {why}"),
        }
    }
    say!(
        console,
        "press the letter of a slot to start it, r to restart now"
    );
    wait(console, |key| key_of(key, slots), || boot.platform().pet())
}

/// Where not even the slots are known.
pub fn restart_after_a_minute(console: &Console) -> ! {
    say!(console, "press r to restart now");
    let pet = || {
        // A watchdog that cannot be petted resets the machine, as it should.
        let _ = firmware::pet_watchdog();
    };
    wait(console, |key| key_of(key, 0), pet);
    firmware::restart()
}

/// What a key means: a slot, or `Some(None)` for a restart.
fn key_of(key: char, slots: usize) -> Option<Option<SlotId>> {
    if key == 'r' {
        return Some(None);
    }
    let slot: SlotId = key.encode_utf8(&mut [0; 4]).parse().ok()?;
    (slot.index() < slots).then_some(Some(slot))
}

/// Waits for a key that means something; `None` when there was none.
fn wait(
    console: &Console,
    meaning: impl Fn(char) -> Option<Option<SlotId>>,
    mut pet: impl FnMut(),
) -> Option<SlotId> {
    for left in (1..=SECONDS).rev() {
        if left.is_multiple_of(SAY_EVERY) {
            say!(console, "restart in {left} s");
        }
        pet();
        for _ in 0..LOOKS_PER_SECOND {
            if let Some(chosen) = key().and_then(&meaning) {
                return chosen;
            }
            boot::stall(LOOK);
        }
    }
    None
}

/// The key that was pressed, if one was.
fn key() -> Option<char> {
    let table = table::system_table_raw()?;
    // SAFETY: the firmware's table stays where it is while the program runs.
    if unsafe { table.as_ref().stdin.is_null() } {
        return None;
    }
    match system::with_stdin(|keyboard| keyboard.read_key()) {
        Ok(Some(Key::Printable(key))) => Some(char::from(key).to_ascii_lowercase()),
        _ => None,
    }
}
