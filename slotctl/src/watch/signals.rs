//! Requests to stop, and what they mean.

use super::host::ServiceManager;
use super::watcher::Message;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use std::sync::mpsc::SyncSender;

/// Takes over SIGTERM, SIGINT and SIGHUP. To be called before any thread is
/// begun: each inherits that they are blocked.
pub(super) fn take_over() -> nix::Result<SignalFd> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    SignalFd::new(&signals)
}

/// Hands them on, each with its meaning, which is found out here: the petting does
/// not wait for it.
pub(super) fn forward(signals: SignalFd, inbox: SyncSender<Message>) -> std::io::Result<()> {
    let manager = ServiceManager::of_this_system();
    let forward = move || {
        while let Ok(Some(by)) = signals.read_signal() {
            let signal = i32::try_from(by.ssi_signo).unwrap_or_default();
            let meaning = manager.meaning(Signal::try_from(signal).ok(), by.ssi_pid);
            if inbox.send(Message::Stop(meaning)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(forward).map(drop)
}
