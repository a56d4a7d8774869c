//! `slotctl watch`: pets the watchdog, asks production how it is, and ends a
//! trial: by a confirm, or by giving the start up.
//!
//! | module | holds |
//! |---|---|
//! | `watcher` | the one loop, tick by tick |
//! | `verdict` | the decision: a pure state machine |
//! | `checks`, `probe` | asking production, a thread for each check |
//! | `device` | the watchdog |
//! | `signals`, `host` | requests to stop, and the restart |
//! | `keeper` | petting on while the system goes down |
//! | `running_slot` | the boot record, as far as it is concerned |
//! | `alone` | one of its kind on a controller |
//! | `journal`, `events` | saying what happens, and what is kept of it |
//! | `black_box` | what is kept of a start that failed |

#![deny(unsafe_code)]

mod alone;
mod black_box;
mod checks;
mod device;
mod holder;
mod host;
mod journal;
mod keeper;
mod probe;
mod running_slot;
mod signals;
mod verdict;
mod watcher;

pub mod events;

pub use alone::{Alone, LOCKED_IN, alone};
pub use black_box::{BlackBox, Facts, Source};
pub use probe::{LOOK, READ, RUN};
pub use running_slot::RunningSlot;

use crate::events::Events;
use config::{Config, Watch};
use controller::error::{Error, Result};
use host::{ServiceManager, Stop, System};
use journal::Journal;
use serde_json::Value;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;
use watcher::{Message, Watcher};

/// Messages that may wait for the loop.
const WAITING_MAX: usize = 64;

/// The slot that runs, and what `watch` writes of it into the boot record. Each call
/// fails where the record cannot be read or written.
pub trait Trial {
    /// Whether the slot that runs is on trial now: armed and not yet confirmed.
    fn is_on_trial(&mut self) -> Result<bool>;
    /// What a person should know of the disk that it is on, once it is known.
    fn remark(&self) -> Option<String> {
        None
    }
    /// The trial is good.
    fn confirm(&mut self) -> Result<()>;
    /// The bootshim that the image of this good slot brings, where it has started
    /// it, is the one that firmware starts from now on; whether one was due.
    fn renew(&mut self) -> Result<bool>;
    /// This start is lost; `reason` goes into the record's note.
    fn give_up(&mut self, reason: &str) -> Result<()>;
    /// The system of a slot that is not on trial is up: a good one counts as come up,
    /// and a bad one that runs as last resort is confirmed where `healthy`, which is
    /// that all checks have passed for long enough, and where it verifies.
    fn came_up(&mut self, healthy: bool) -> Result<Up>;
    /// The system goes down in order, however that ends: a trial's start costs no
    /// try, and a reset that ends the shutdown is not held against a good slot.
    fn shut_down(&mut self) -> Result<()>;
}

/// What came of a system being up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// It is written down, or there was nothing to write.
    Noted,
    /// The slot was bad, ran as last resort, and is good now.
    Confirmed,
    /// Not yet: its checks have not passed, or its bytes are being verified.
    Later,
}

/// Why `watch` came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A person stopped it. On a good slot the watchdog is disarmed, where it can be.
    Stopped,
    /// The system goes down; the watchdog stays armed, and is petted for as long as
    /// a shutdown may take.
    SystemGoesDown,
    /// The start was given up, and the restart is under way.
    GaveUp,
}

/// Watches until the system goes down, or somebody stops it. To be called
/// before the program has begun a thread. Packages have put their checks into the
/// folder `packaged`.
///
/// Without a configuration, or with a broken one, a good slot is watched all
/// the same; a trial fails by a broken one. An error is only that it cannot begin.
pub fn run(
    config: Result<Option<Config>>,
    packaged: &Path,
    trial: &mut dyn Trial,
    events: Events,
    black_box: BlackBox,
) -> Result<Ended> {
    let cannot = |error: std::io::Error| Error::io("beginning to watch", &error);
    let signals = signals::take_over().map_err(cannot)?;
    let journal = Journal::begin(events, std::io::stderr()).map_err(cannot)?;
    let (inbox, messages) = sync_channel(WAITING_MAX);
    signals::forward(signals, inbox.clone()).map_err(cannot)?;
    let recorder = black_box.begin(&journal, &inbox).map_err(cannot)?;
    let mut host = System {
        inbox: inbox.clone(),
        recorder,
    };
    let (config, broken) = usable(config, packaged);
    for key in &config.unknown_keys {
        let text = format!("unknown key {key} in the configuration is ignored");
        journal.say("config-unknown-key", text, Value::Null);
    }
    let start = Instant::now();
    let mut watcher = Watcher::begin(&config, trial, &mut host, &journal);
    if let Some((why, without)) = broken {
        watcher.broken_configuration(start.elapsed(), why, without);
    }
    checks::begin(&config.checks, start, &inbox).map_err(cannot)?;
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(watch(&mut watcher, start, &messages))
}

fn watch(watcher: &mut Watcher<'_>, start: Instant, messages: &Receiver<Message>) -> Ended {
    let manager = ServiceManager::of_this_system();
    loop {
        watcher.tick(start.elapsed());
        if manager.shows_shutdown()
            && let Some(exit) = watcher.take(Message::Stop(Stop::Shutdown))
        {
            return exit;
        }
        let patience = watcher.patience(start.elapsed());
        let first = messages.recv_timeout(patience).ok();
        // All that waits, so that a loop that was late decides by the latest.
        for message in first.into_iter().chain(messages.try_iter()) {
            if let Some(exit) = watcher.take(message) {
                return exit;
            }
        }
    }
}

/// The configuration to go by; and what is wrong with the one there is, and what a good
/// slot is therefore watched without.
fn usable(
    config: Result<Option<Config>>,
    packaged: &Path,
) -> (Config, Option<(String, &'static str)>) {
    let none = Config {
        compatible: String::new(),
        watch: Watch::default(),
        source: config::Download::default(),
        checks: Vec::new(),
        unknown_keys: Vec::new(),
    };
    let mut config = match config {
        Ok(config) => config.unwrap_or(none),
        Err(error) => return (none, Some((error.to_string(), "checks"))),
    };
    let wrong = config::add_packaged(&mut config, packaged);
    let wrong: Vec<String> = wrong.iter().map(Error::to_string).collect();
    let broken = (!wrong.is_empty()).then(|| (wrong.join("; "), "the checks in it"));
    (config, broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<Config>> {
        config::parse(text, Path::new("slotctl.toml")).map(Some)
    }

    #[test]
    fn without_a_usable_file_the_defaults_pet_the_watchdog() {
        let broken = parsed("compatible = \"plc-4\"\n[watch]\ndeadline = 5\n");
        let nowhere = Path::new("/nonexistent");
        let (config, why) = usable(broken, nowhere);
        assert_eq!(config.watch, Watch::default());
        let (why, without) = why.unwrap();
        assert!(
            why.starts_with("slotctl.toml, line 3, column 12: "),
            "{why}"
        );
        assert_eq!(without, "checks");
        let (config, why) = usable(Ok(None), nowhere);
        assert_eq!((config.watch, why), (Watch::default(), None));
    }

    #[test]
    fn packages_vouch_where_nobody_has_configured_anything() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file(
            "web.toml",
            "[[check]]\nname = \"web\"\nkind = \"tcp\"\ntarget = \"a:1\"\n",
        );
        let (config, why) = usable(Ok(None), folder.path());
        assert_eq!((config.checks.len(), why), (1, None));
        file("torn.toml", "[[check]]\nname = \"to");
        let (config, why) = usable(Ok(None), folder.path());
        assert_eq!(config.checks.len(), 1, "that of the other file");
        let (why, without) = why.unwrap();
        assert!(why.contains("/torn.toml, line 2, column "), "{why}");
        assert_eq!(without, "the checks in it");
    }
}
