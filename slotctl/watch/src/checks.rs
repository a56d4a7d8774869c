//! The checks, each in a thread of its own: one that hangs holds up nothing.

use super::probe;
use super::watcher::Message;
use config::Check;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// Asks every check again and again until nobody listens any more. Times are
/// counted from `start`.
pub(super) fn begin(
    checks: &[Check],
    start: Instant,
    inbox: &SyncSender<Message>,
) -> std::io::Result<()> {
    for (number, check) in checks.iter().cloned().enumerate() {
        let inbox = inbox.clone();
        let name = format!("check {}", check.name);
        let ask = move || repeat(number, &check, start, &inbox);
        std::thread::Builder::new().name(name).spawn(ask)?;
    }
    Ok(())
}

fn repeat(number: usize, check: &Check, start: Instant, inbox: &SyncSender<Message>) {
    let mut ask = probe::of(check);
    loop {
        let began = Instant::now();
        let outcome = ask();
        let answer = Message::Answer {
            check: number,
            at: start.elapsed(),
            outcome,
        };
        if inbox.send(answer).is_err() {
            return;
        }
        std::thread::sleep(check.interval.saturating_sub(began.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Importance, Page, Place, Target};
    use std::net::TcpListener;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    fn check(target: Target) -> Check {
        Check {
            name: "x".to_owned(),
            target,
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(600),
            grace: Duration::ZERO,
            successes: 1,
            failures: 1,
            importance: Importance::Required,
        }
    }

    #[test]
    fn a_check_that_hangs_does_not_hold_up_the_others() {
        // Accepts by backlog, and never says a word.
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = mute.local_addr().unwrap();
        let page = Page {
            address: format!("http://{address}/"),
            ca: None,
        };
        let checks = [
            check(Target::Http {
                page,
                status: None,
                contains: None,
            }),
            check(Target::Postgresql(Place::Port(address.to_string()))),
            check(Target::Tcp(address.to_string())),
        ];
        let (inbox, messages) = sync_channel(8);
        begin(&checks, Instant::now(), &inbox).unwrap();
        for _ in 0..3 {
            let Message::Answer { check, outcome, .. } = messages.recv().unwrap() else {
                panic!("no answer");
            };
            assert_eq!((check, outcome), (2, Ok(())));
        }
    }
}
