//! What production is asked.

use controller::error::Error;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// One thing that production is asked again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name in messages; unique.
    pub name: String,
    /// What is asked.
    pub target: Target,
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So long after the begin of `watch` a failure does not count, and nothing is
    /// confirmed.
    pub grace: Duration,
    /// So many passes in a row make it pass.
    pub successes: u32,
    /// So many failures in a row make it fail, once it passes.
    pub failures: u32,
    /// Whether it decides.
    pub importance: Importance,
}

/// Whether a check has a say in what becomes of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// Without its pass nothing is confirmed.
    #[default]
    Required,
    /// What it says is reported, and decides nothing.
    Informative,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// GET of this page.
    Http {
        /// The page.
        page: Page,
        /// The status with which it passes; `None` is any of 200 to 299.
        status: Option<u16>,
        /// What must be in the first MiB of the answer.
        contains: Option<String>,
    },
    /// A connection to this `host:port`; passes when it is accepted.
    Tcp(String),
    /// This program with these arguments; passes with exit status 0.
    Command(Vec<String>),
    /// This unit of systemd; passes while it is active and is not being restarted.
    Systemd(String),
    /// This file; passes while it is written.
    Heartbeat {
        /// The file.
        file: PathBuf,
        /// How long ago it may have been written.
        max_age: Duration,
    },
    /// This name on the system's bus; passes while somebody owns it.
    Dbus(String),
    /// The PostgreSQL that listens here; passes when it takes connections.
    Postgresql(Place),
    /// A number; passes while it is within its bounds.
    Metric {
        /// Who says it.
        source: Source,
        /// The line that it stands in, up to the blank before it; `None` is a text
        /// that is nothing but the number.
        series: Option<String>,
        /// The lowest that passes.
        min: Option<f64>,
        /// The highest that passes.
        max: Option<f64>,
    },
    /// Something of a kind that this version does not know, as the error says.
    Unknown(Error),
}

/// A page of the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its address, `http://` or `https://`.
    pub address: String,
    /// The authorities that the certificate of its server must be from, in PEM,
    /// instead of those of the system.
    pub ca: Option<PathBuf>,
}

/// Where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this Unix socket.
    Socket(PathBuf),
    /// At this `host:port`.
    Port(String),
}

/// Where a number is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this file.
    File(PathBuf),
    /// On this page.
    Page(Page),
}
