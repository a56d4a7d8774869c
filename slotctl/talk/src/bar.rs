//! How far a command has come: a bar on a terminal, plain lines in a log,
//! objects for a program.
//!
//! A log gets a line when a phase begins and when it ends, and between them one
//! every few seconds, so that a long install is seen to move and a short one
//! does not fill the page.

use super::answer::{Printer, bytes, write_out};
use controller::plain;
use controller::progress::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
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
    told: Instant,
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

    fn line(&self, now: &Now) {
        let percent = now
            .done
            .saturating_mul(100)
            .checked_div(now.total)
            .unwrap_or(100);
        if self.printer.json {
            let fields = json!({
                "event": "progress", "phase": now.phase.words(),
                "done": now.done, "total": now.total,
            });
            if let Value::Object(fields) = fields {
                write_out(format!("{}\n", self.printer.object(fields)).as_bytes());
            }
            return;
        }
        let seconds = now.since.elapsed().as_secs_f64();
        let (done, total) = (bytes(now.done), bytes(now.total));
        let words = now.phase.words();
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
            told: Instant::now(),
            since: Instant::now(),
            bar,
        };
        if now.bar.is_none() {
            self.line(&now);
        }
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn advance(&self, bytes: u64) {
        let mut held = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(now) = held.as_mut() else { return };
        now.done = now.done.saturating_add(bytes);
        if let Some(bar) = &now.bar {
            bar.set_position(now.done);
            return;
        }
        if now.told.elapsed() >= PAUSE {
            now.told = Instant::now();
            self.line(now);
        }
    }

    fn say(&self, words: &str) {
        if self.printer.json {
            let fields = json!({ "event": "note", "text": words });
            if let Value::Object(fields) = fields {
                write_out(format!("{}\n", self.printer.object(fields)).as_bytes());
            }
        } else if !self.printer.quiet {
            let held = self.now.lock().unwrap_or_else(PoisonError::into_inner);
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
        let held = self
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match held {
            Some(Now { bar: Some(bar), .. }) => bar.finish_and_clear(),
            Some(now) => self.line(&now),
            None => {}
        }
    }
}
