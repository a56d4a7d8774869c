//! Requests to stop, and what they mean.
//!
//! They are caught, not blocked: what this program starts would inherit that they are
//! blocked, and could not be stopped by anybody.

use super::host::ServiceManager;
use super::watcher::Message;
use nix::sys::signal::{SigSet, Signal};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use std::sync::mpsc::SyncSender;

/// The requests to stop that come in from here on.
pub(super) type Requests = SignalsInfo<WithOrigin>;

/// Takes over SIGTERM, SIGINT and SIGHUP. To be called before any thread is begun,
/// for which one of them may be blocked already.
pub(super) fn take_over() -> std::io::Result<Requests> {
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
    let requests = Requests::new(signals.map(|signal| signal as i32))?;
    SigSet::from_iter(signals).thread_unblock()?;
    Ok(requests)
}

/// Hands them on, each with its meaning, which is found out here: the petting does
/// not wait for it.
pub(super) fn forward(mut requests: Requests, inbox: SyncSender<Message>) -> std::io::Result<()> {
    let manager = ServiceManager::of_this_system();
    let forward = move || {
        for by in &mut requests {
            // Those of the kernel have no sender.
            let sender = by.process.and_then(|process| process.pid.try_into().ok());
            let signal = Signal::try_from(by.signal).ok();
            let meaning = manager.meaning(signal, sender.unwrap_or(0));
            if inbox.send(Message::Stop(meaning)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(forward).map(drop)
}
