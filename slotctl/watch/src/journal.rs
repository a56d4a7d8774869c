//! What `watch` says: to its console, and to the event log. Both are
//! written by a thread of their own, so that a disk or a console that hangs
//! does not stop the petting.

use crate::events::{Events, Patient};
use controller::plain;
use serde_json::Value;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

/// Lines that may wait; more are dropped.
const WAITING_MAX: usize = 256;
/// How long the end of `watch`, or a restart, waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How often it is tried again to write what could not be written.
const AGAIN: Duration = Duration::from_secs(5);

enum Entry {
    Line {
        event: &'static str,
        text: String,
        details: Value,
    },
    Flush(Sender<()>),
}

/// Where `watch` says what happens.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    entries: SyncSender<Entry>,
    /// The event log that it writes into.
    pub(super) events: Events,
}

impl Journal {
    /// Begins to write.
    pub(super) fn begin(
        events: Events,
        console: impl Write + Send + 'static,
    ) -> std::io::Result<Journal> {
        let (entries, waiting) = sync_channel(WAITING_MAX);
        let log = Patient::new(events.clone());
        let write = move || write(log, console, &waiting);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        thread.spawn(write)?;
        Ok(Journal { entries, events })
    }

    /// Says that something happened. Never waits.
    pub(super) fn say(&self, event: &'static str, text: impl Into<String>, details: Value) {
        let text = text.into();
        // A full queue means that neither log nor console takes anything.
        let _ = self.entries.try_send(Entry::Line {
            event,
            text,
            details,
        });
    }

    /// Waits a moment until everything said is written.
    pub(super) fn flush(&self) {
        let (done, wait) = channel();
        if self.entries.try_send(Entry::Flush(done)).is_ok() {
            // Later than that it is not waited for.
            let _ = wait.recv_timeout(LAST_LINES);
        }
    }
}

fn write(mut log: Patient, mut console: impl Write, waiting: &Receiver<Entry>) {
    loop {
        match next(&log, waiting) {
            Ok(Entry::Line {
                event,
                text,
                details,
            }) => {
                // A closed console is no reason to stop.
                let _ = writeln!(console, "slotctl watch: {}", plain::line(&text));
                log.record(event, &text, details);
            }
            Ok(Entry::Flush(done)) => {
                log.catch_up();
                // Whoever asked may have gone on.
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => log.catch_up(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The next entry; for as long as something could not be written, only for a while.
fn next(log: &Patient, waiting: &Receiver<Entry>) -> Result<Entry, RecvTimeoutError> {
    if log.is_waiting() {
        waiting.recv_timeout(AGAIN)
    } else {
        waiting.recv().map_err(RecvTimeoutError::from)
    }
}
