//! Requests to stop, and who sent them.

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

/// Hands them on.
pub(super) fn forward(signals: SignalFd, inbox: SyncSender<Message>) -> std::io::Result<()> {
    let forward = move || {
        while let Ok(Some(signal)) = signals.read_signal() {
            let message = Message::Stop {
                sender: signal.ssi_pid,
            };
            if inbox.send(message).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(forward).map(drop)
}
