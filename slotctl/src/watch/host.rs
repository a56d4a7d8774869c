//! The system around `watch`: is it going down, and how it is restarted.

use super::watcher::Message;
use nix::sys::reboot::{RebootMode, reboot};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::SyncSender;

/// What `watch` asks of the system.
pub(super) trait Host {
    /// Whether a request to stop by the process `sender` means that the whole
    /// system goes down.
    fn goes_down(&self, sender: u32) -> bool;
    /// Begins an orderly restart, and does not wait for it.
    fn restart(&mut self);
    /// Restarts at once, whatever still runs.
    fn force_restart(&mut self);
}

/// The system that this runs on.
pub(super) struct System {
    pub(super) inbox: SyncSender<Message>,
}

impl Host for System {
    /// systemd stops single services, too, so it is asked; any other process 1
    /// sends signals only when everything ends.
    fn goes_down(&self, sender: u32) -> bool {
        if !Path::new("/run/systemd/system").exists() {
            return sender == 1;
        }
        let asked = Command::new("systemctl")
            .arg("is-system-running")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        asked.is_ok_and(|answer| answer.stdout.trim_ascii() == b"stopping")
    }

    fn restart(&mut self) {
        let inbox = self.inbox.clone();
        let restart = move || {
            if let Err(error) = crate::system::restart() {
                // Nobody listens: then this program has come to its end.
                let _ = inbox.send(Message::RestartFailed(error.to_string()));
            }
        };
        std::thread::spawn(restart);
    }

    fn force_restart(&mut self) {
        // Without the right to do so it remains for the watchdog.
        let _ = reboot(RebootMode::RB_AUTOBOOT);
    }
}
