//! Starts of machines: each costs seconds, so they are counted.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::directory::target;
use super::qmp::Event;
use super::timeline::Line;

/// One pass through the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Since the machine was switched on.
    pub at: Duration,
    /// What led to it.
    pub cause: Cause,
}

/// Why a machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was switched on.
    PowerOn,
    /// Its software asked for it.
    Reboot,
    /// The hardware watchdog was not petted.
    Watchdog,
    /// The test pressed the reset button.
    ResetButton,
}

/// Finds starts in a machine's lines, shown one after the other.
#[derive(Debug, Default)]
pub(super) struct Finder {
    watchdog: bool,
}

impl Finder {
    /// The start that `line` tells of. QEMU reports that the watchdog fired
    /// before it reports the reset.
    pub(super) fn see(&mut self, line: &Line) -> Option<Start> {
        let event = Event::of(line)?;
        if event.name == "WATCHDOG" {
            self.watchdog = true;
        }
        if event.name != "RESET" {
            return None;
        }
        let cause = match (std::mem::take(&mut self.watchdog), event.reason.as_str()) {
            (true, _) => Cause::Watchdog,
            (false, "host-qmp-system-reset") => Cause::ResetButton,
            (false, _) => Cause::Reboot,
        };
        Some(Start { at: line.at, cause })
    }
}

static STARTS: AtomicUsize = AtomicUsize::new(0);

/// How many starts the machines of this process made that have ended.
pub fn count() -> usize {
    STARTS.load(Ordering::Relaxed)
}

/// Counts `starts` of the machine `name`: here, and in `target/machines/starts`
/// for all processes of a run.
pub(super) fn add(name: &str, starts: usize) {
    let all = STARTS
        .fetch_add(starts, Ordering::Relaxed)
        .saturating_add(starts);
    eprintln!("machine {name}: {starts} starts; {all} so far");
    let file = target().join("machines/starts");
    // Only a tally: a test does not fail for it.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let _ = writeln!(file, "{starts} {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Speaker;
    use super::*;

    fn causes(events: &[&str]) -> Vec<Cause> {
        let mut finder = Finder::default();
        let line = |event: &&str| Line {
            at: Duration::ZERO,
            speaker: Speaker::Qemu,
            text: format!(r#"{{"event": {event}}}"#),
        };
        events
            .iter()
            .filter_map(|event| finder.see(&line(event)))
            .map(|s| s.cause)
            .collect()
    }

    const GUEST: &str = r#""RESET", "data": {"guest": true, "reason": "guest-reset"}"#;
    const BUTTON: &str = r#""RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}"#;

    #[test]
    fn a_watchdog_reset_is_told_from_a_reboot() {
        let seen = causes(&[
            GUEST,
            r#""WATCHDOG", "data": {"action": "reset"}"#,
            GUEST,
            GUEST,
        ]);
        assert_eq!(seen, [Cause::Reboot, Cause::Watchdog, Cause::Reboot]);
    }

    #[test]
    fn the_reset_button_is_told_from_a_reboot() {
        assert_eq!(
            causes(&[BUTTON, GUEST]),
            [Cause::ResetButton, Cause::Reboot]
        );
    }
}
