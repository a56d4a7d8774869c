//! The system around `watch`: is it going down, and how it is restarted.

use super::black_box::Account;
use super::probe::ended_within;
use super::watcher::Message;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::Signal;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

/// How long a service manager may take to say whether the system goes down.
const ANSWER: Duration = Duration::from_secs(3);
/// Process 1 after systemd has stopped all units (the kernel keeps 15 bytes).
const SYSTEMD_SHUTDOWN: &str = "systemd-shutdow";

/// What `watch` asks of the system.
pub(super) trait Host {
    /// Has the black box of this start written, and does not wait for it: a message says
    /// when that is done. Whether it could be begun.
    fn record(&mut self, known: Account) -> bool;
    /// Begins an orderly restart, and does not wait for it.
    fn restart(&mut self);
    /// Restarts at once, whatever still runs.
    fn force_restart(&mut self);
}

/// The system that this runs on.
pub(super) struct System {
    pub(super) inbox: SyncSender<Message>,
    /// Who writes the black box.
    pub(super) recorder: Sender<Account>,
}

impl Host for System {
    fn record(&mut self, known: Account) -> bool {
        self.recorder.send(known).is_ok()
    }

    fn restart(&mut self) {
        let inbox = self.inbox.clone();
        let restart = move || {
            if let Err(error) = controller::restart::orderly() {
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

/// What a request to stop means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The whole system goes down.
    Shutdown,
    /// Nobody can say, and it is taken for a shutdown: of the two mistakes, that one
    /// leaves nobody without a watchdog and costs no try.
    Unknown,
    /// This program alone is to end.
    Alone,
}

/// Whoever starts and stops everything here: process 1, and what it leaves in files.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// Where `/proc` and `/run` are.
    root: PathBuf,
}

impl ServiceManager {
    /// That of this system.
    pub(super) fn of_this_system() -> ServiceManager {
        ServiceManager {
            root: PathBuf::from("/"),
        }
    }

    /// What it means that `sender` sent this signal.
    pub(super) fn meaning(&self, signal: Option<Signal>, sender: u32) -> Stop {
        match self.goes_down(sender) {
            Some(true) => Stop::Shutdown,
            Some(false) => Stop::Alone,
            // No shutdown sends this one; a person at a terminal does.
            None if signal == Some(Signal::SIGINT) => Stop::Alone,
            None => Stop::Unknown,
        }
    }

    /// Whether it can be seen, without asking anybody, that the system goes down: a
    /// forced restart (`systemctl reboot -f`) tells no service, and OpenRC stops this
    /// one last.
    pub(super) fn shows_shutdown(&self) -> bool {
        self.read("proc/1/comm") == SYSTEMD_SHUTDOWN || self.openrc_goes_down() == Some(true)
    }

    /// Whether the whole system goes down, where somebody says so. systemd and
    /// OpenRC stop single services, too, and others than process 1 send the signals
    /// of a shutdown (`killall5`, `start-stop-daemon`): what is going on counts, not
    /// who the sender is. Only where nobody keeps account of it does a signal of
    /// process 1 say enough.
    fn goes_down(&self, sender: u32) -> Option<bool> {
        if self.read("proc/1/comm") == SYSTEMD_SHUTDOWN {
            return Some(true);
        }
        if self.path("run/systemd/system").exists() {
            return match said("systemctl", &["is-system-running"])?.as_str() {
                "stopping" => Some(true),
                "initializing" | "starting" | "running" | "degraded" | "maintenance" => Some(false),
                _ => None,
            };
        }
        if sender == 1 {
            return Some(true);
        }
        self.openrc_goes_down().or_else(runlevel_goes_down)
    }

    fn openrc_goes_down(&self) -> Option<bool> {
        let level = self.read("run/openrc/softlevel");
        (!level.is_empty()).then_some(matches!(level.as_str(), "shutdown" | "reboot"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn read(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.trim_end().to_owned()
    }
}

/// By what System V's init notes in `utmp`, where it is process 1.
fn runlevel_goes_down() -> Option<bool> {
    let levels = said("runlevel", &[])?;
    match levels.split_whitespace().last()? {
        "0" | "6" => Some(true),
        "1" | "2" | "3" | "4" | "5" | "S" | "s" => Some(false),
        _ => None,
    }
}

/// What a program prints, if it ends in time.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    if ended_within(&mut child, ANSWER).ok()?.is_none() {
        // It may be stuck in the kernel, and is not waited for.
        let _ = child.kill();
        return None;
    }
    // A word or two: the pipe has room for it.
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A system without systemd, whose files say what `files` says.
    fn manager(files: &[(&str, &str)]) -> (tempfile::TempDir, ServiceManager) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let manager = ServiceManager {
            root: root.path().to_owned(),
        };
        (root, manager)
    }

    const TERM: Option<Signal> = Some(Signal::SIGTERM);

    #[test]
    fn openrc_says_itself_whether_the_system_goes_down_whoever_sends_the_signal() {
        for (level, meaning) in [
            ("shutdown", Stop::Shutdown),
            ("reboot\n", Stop::Shutdown),
            ("default", Stop::Alone),
            ("single", Stop::Alone),
        ] {
            let files = [("run/openrc/softlevel", level), ("proc/1/comm", "init\n")];
            let (_root, manager) = manager(&files);
            assert_eq!(manager.meaning(TERM, 4711), meaning, "{level}");
            assert_eq!(manager.shows_shutdown(), meaning == Stop::Shutdown);
        }
    }

    #[test]
    fn a_signal_of_process_1_is_a_shutdown_where_no_service_manager_stops_single_services() {
        let (_root, manager) = manager(&[("proc/1/comm", "init\n")]);
        assert_eq!(manager.meaning(TERM, 1), Stop::Shutdown);
    }

    #[test]
    fn once_systemd_has_stopped_all_units_every_signal_is_that_of_a_shutdown() {
        let (_root, manager) = manager(&[("proc/1/comm", "systemd-shutdow\n")]);
        fs::create_dir_all(manager.path("run/systemd/system")).unwrap();
        assert_eq!(manager.meaning(TERM, 4711), Stop::Shutdown);
        assert!(manager.shows_shutdown(), "also where no signal comes");
    }

    #[test]
    fn a_program_that_does_not_answer_in_time_is_not_waited_for() {
        assert_eq!(said("sleep", &["600"]), None);
        assert_eq!(said("/nonexistent/systemctl", &[]), None);
        assert_eq!(said("echo", &["N 2"]), Some("N 2".to_owned()));
    }
}
