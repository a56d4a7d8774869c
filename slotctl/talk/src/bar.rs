//! How far a command has come: a bar on a terminal, plain lines in a log,
//! objects for a program.
//!
//! A log gets a line when a phase begins and when it ends, and between them one
//! every few seconds, so that a long install is seen to move and a short one
//! does not fill the page.

use super::answer::{Printer, bytes};
use controller::plain;
use controller::progress::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// From one plain line to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// A bar where a person looks on, else plain lines.
pub struct Bar {
    printer: Printer,
    now: Mutex<Option<Now>>,
}

struct Now {
    phase: Phase,
    total: u64,
    done: u64,
    said: Instant,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// For what this command does.
    pub fn new(printer: Printer) -> Bar {
        Bar {
            printer,
            now: Mutex::new(None),
        }
    }

    fn now(&self) -> MutexGuard<'_, Option<Now>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, now: &Now) {
        let (done, total, words) = (now.done, now.total, now.phase.words());
        if self.printer.json {
            return self.printer.event(json!({
                "event": "progress", "phase": words, "done": done, "total": total,
            }));
        }
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let seconds = now.since.elapsed().as_secs_f64();
        let (done, total) = (bytes(done), bytes(total));
        let _ = writeln!(
            std::io::stderr(),
            "{words}: {percent} %, {done} of {total}, {seconds:.1} s"
        );
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, total: u64) {
        // The answer of a command is one object; only an install gives one a line.
        if self.printer.quiet || self.printer.json && self.printer.command != "install" {
            return;
        }
        let looked_at = !self.printer.json && std::io::stderr().is_terminal();
        let bar = looked_at.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // No wider than 80 columns, or each step would leave a line behind.
            let template = "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(phase.words());
            bar
        });
        let now = Now {
            phase,
            total,
            done: 0,
            said: Instant::now(),
            since: Instant::now(),
            bar,
        };
        if now.bar.is_none() {
            self.line(&now);
        }
        *self.now() = Some(now);
    }

    fn advance(&self, bytes: u64) {
        let mut held = self.now();
        let Some(now) = held.as_mut() else { return };
        now.done = now.done.saturating_add(bytes);
        if let Some(bar) = &now.bar {
            bar.set_position(now.done);
            return;
        }
        if now.said.elapsed() >= PAUSE {
            now.said = Instant::now();
            self.line(now);
        }
    }

    fn say(&self, words: &str) {
        if self.printer.json {
            self.printer
                .event(json!({ "event": "note", "text": words }));
        } else if !self.printer.quiet {
            let held = self.now();
            let write = || {
                // Nobody is there to hear that nobody hears.
                let _ = writeln!(std::io::stderr(), "{}", plain::line(words));
            };
            match held.as_ref().and_then(|now| now.bar.as_ref()) {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
    }

    fn end(&self) {
        let held = self.now().take();
        match held {
            Some(Now { bar: Some(bar), .. }) => bar.finish_and_clear(),
            Some(now) => self.line(&now),
            None => {}
        }
    }
}
