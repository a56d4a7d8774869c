//! What is waited for, for how long, and what is said meanwhile.

use super::rude::{Asked, Reply, Rude, Then};
use super::yard::{FIRST, Yard, honest, image, small};
use crate::ran::says;
use controller::code::Code;
use controller::progress::{Phase, Progress};
use install::source::{Patience, Settings, Source};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Its lines on standard output that are notes.
fn notes(stdout: &str) -> Vec<String> {
    let lines = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let notes = lines.filter(|line: &serde_json::Value| line["event"] == "note");
    notes
        .map(|note| note["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_wait_is_a_line_with_what_and_how_long_and_how_often() {
    for refused in [0, 1, 2] {
        let server = Rude::new(move |asked| match asked.number == refused {
            true => Reply::status("503 Service Unavailable"),
            false => honest(asked),
        });
        let ran = Yard::new().install(&server.url()).ok();
        let notes = notes(&ran.stdout);
        let waits: Vec<_> = notes.iter().filter(|note| note.contains("503")).collect();
        assert_eq!(waits.len(), 1, "{notes:?}");
        assert!(waits[0].contains("asked again in "), "{waits:?}");
        assert!(waits[0].contains("attempt 2 of 10"), "{waits:?}");
    }
}

#[test]
fn a_wait_is_said_to_a_person_and_not_to_one_who_wants_quiet() {
    let busy = |asked: &Asked| match asked.number {
        0 => Reply::status("503 Service Unavailable"),
        _ => Reply::honest(asked, small("v2.slotimg")),
    };
    let yard = Yard::new();
    let server = Rude::new(busy);
    let ran = yard
        .bench
        .does(&format!("--disk disk.img install {}", server.url()));
    says(&ran.stderr, "503");
    let yard = Yard::new();
    let server = Rude::new(busy);
    let ran = yard
        .bench
        .does(&format!("--disk disk.img -q install {}", server.url()));
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_server_that_trickles_is_given_up() {
    let first = Rude::new(|asked| honest(asked).cut(100, Then::Trickle));
    let later = Rude::new(|asked| match asked.range.start as u64 >= FIRST {
        true => honest(asked).cut(0, Then::Trickle),
        false => honest(asked),
    });
    let whole = Rude::new(|_| Reply::whole(image()).cut(300_000, Then::Trickle));
    for server in [first, later, whole] {
        let error = Yard::new().install_hastily(&server.url()).unwrap_err();
        assert_eq!(error.code, Code::Network);
        says(&error.found, "fewer than");
    }
}

#[test]
fn a_server_that_takes_its_time_for_a_byte_at_a_time_is_given_up() {
    for from in [0, FIRST] {
        let server = Rude::new(move |asked| {
            let reply = honest(asked);
            let one = asked.range.start..asked.range.start + 1;
            if (asked.range.start as u64) < from {
                return reply;
            }
            thread::sleep(Duration::from_millis(50));
            reply.cut(1, Then::Keep).says(one, image().len())
        });
        let error = Yard::new().install_hastily(&server.url()).unwrap_err();
        assert_eq!(error.code, Code::Network);
        says(&error.found, "gave 1 bytes");
    }
}

/// Hears what is said.
struct Ear(Mutex<Sender<String>>);

impl Progress for Ear {
    fn begin(&self, _: Phase, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn say(&self, words: &str) {
        let _ = self.0.lock().unwrap().send(words.to_owned());
    }
}

#[test]
fn a_server_that_is_silent_is_said_to_be_while_it_is_waited_for() {
    for silent in [0, 1] {
        let (ear, heard) = channel();
        let heard = Mutex::new(heard);
        let server = Rude::new(move |asked| {
            if asked.number == silent {
                // It answers when somebody has said that it does not.
                let words: String = heard.lock().unwrap().recv().unwrap();
                assert!(words.contains("not a byte for 2s"), "{words}");
            }
            honest(asked)
        });
        let settings = Settings {
            progress: Arc::new(Ear(Mutex::new(ear))),
            ..Settings::default()
        };
        let patience = Patience {
            attempts: 1,
            ..Patience::default()
        };
        let mut source = Source::open_with(&server.url(), &settings, patience).unwrap();
        source.head().unwrap();
        let last = image().len() as u64 - 1;
        source.want(vec![last..last + 1]).unwrap();
        source.fill(&mut [0], images::Part::Chunk(0)).unwrap();
    }
}

#[test]
fn a_connection_that_trickles_costs_the_others_nothing() {
    let server = Rude::new(|asked| match asked.number {
        2 => honest(asked).cut(0, Then::Trickle),
        _ => honest(asked),
    });
    let yard = Yard::new();
    yard.install_hastily(&server.url()).unwrap();
    yard.bench.on_disk("verify b").ok();
}
