//! One question to production, and its answer within a time limit.

mod command;
mod family;
#[cfg(test)]
mod tests;

pub use command::RUN;
pub(super) use command::ended_within;

use config::Target;
use controller::duration::spell;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Asks once. The error is one line: what was said, and by whom.
///
/// Looking up a name is the one thing that may take longer than `limit`.
pub(super) fn ask(target: &Target, limit: Duration) -> Result<(), String> {
    match target {
        Target::Http(address) => http(address, limit),
        Target::Tcp(address) => tcp(address, limit),
        Target::Command(words) => command::ask(words, limit),
        Target::Systemd(unit) => Err(format!("{unit} cannot be asked by this version")),
    }
}

/// Every time over a new connection, without a proxy: production is asked,
/// nobody in between.
fn http(address: &str, limit: Duration) -> Result<(), String> {
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(limit))
        .max_redirects(0)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .build()
        .new_agent();
    match agent.get(address).call() {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("status {} ({address})", answer.status())),
        Err(ureq::Error::Timeout(_)) => Err(too_slow(limit, address)),
        Err(ureq::Error::Io(error)) => Err(format!("{} ({address})", plain(&error))),
        Err(error) => Err(format!("{error} ({address})")),
    }
}

fn tcp(address: &str, limit: Duration) -> Result<(), String> {
    let began = Instant::now();
    let fail = |error: std::io::Error| format!("{} ({address})", plain(&error));
    let mut failure = format!("no address ({address})");
    for candidate in address.to_socket_addrs().map_err(fail)? {
        let left = limit.saturating_sub(began.elapsed());
        // A limit of zero is an error of its own.
        let left = left.max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&candidate, left) {
            Ok(_) => return Ok(()),
            Err(error) => failure = fail(error),
        }
    }
    Err(failure)
}

fn too_slow(limit: Duration, whom: impl std::fmt::Display) -> String {
    format!("no answer within {} ({whom})", spell(limit))
}

/// The error without its number, on one line.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    one_line(text)
}

fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(visible).collect()
}
