//! Servers and links that misbehave: the install goes on where it stopped, or
//! ends with what was wrong, and nothing that is not the image is on the disk.

use super::rude::{Asked, Reply, Rude, Then, each_byte_once};
use super::yard::{FIRST, HASTY, ROOT, Yard, header, honest, image};
use crate::ran::says;
use controller::code::{Code, Exit};
use install::source::{Settings, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// From here on the payload is fetched.
fn is_payload(asked: &Asked) -> bool {
    asked.range.start as u64 >= FIRST
}

#[test]
fn a_link_that_is_lost_again_and_again_costs_no_byte_twice() {
    let server = Rude::new(|asked| honest(asked).cut(200 << 10, Then::Close));
    let yard = Yard::new();
    yard.install_hastily(&server.url()).unwrap();
    yard.bench.on_disk("verify b").ok();
    let seen = server.seen();
    assert!(seen.len() > image().len() / (200 << 10));
    each_byte_once(&seen, image().len());
}

#[test]
fn a_person_has_the_patience_for_a_link_that_is_lost() {
    let server = Rude::new(|asked| honest(asked).cut(700 << 10, Then::Close));
    let yard = Yard::new();
    yard.installs(&server.url());
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn a_server_that_stalls_is_asked_again_from_there() {
    let server = Rude::new(|asked| match asked.number % 3 {
        0 => honest(asked).cut(100_000, Then::Silence),
        _ => honest(asked),
    });
    let yard = Yard::new();
    yard.install_hastily(&server.url()).unwrap();
    yard.bench.on_disk("verify b").ok();
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn a_server_that_says_nothing_any_more_is_given_up() {
    let server = Rude::new(|asked| match is_payload(asked) {
        false => honest(asked),
        true => honest(asked).cut(0, Then::Silence),
    });
    let yard = Yard::new();
    let before = yard.bench.read("disk.img");
    let error = yard.install_hastily(&server.url()).unwrap_err();
    assert_eq!(error.code, Code::Network);
    says(&error.found, "not a byte for");
    says(&error.advice, "run the same command again");
    yard.bench.only_slot_b_was_touched(&before);
}

#[test]
fn a_failure_that_stays_is_given_up_after_ten_attempts_without_a_byte() {
    let server = Rude::new(|asked| match is_payload(asked) {
        false => honest(asked),
        true => Reply::status("500 Internal Server Error"),
    });
    let yard = Yard::new();
    let error = yard.install_hastily(&server.url()).unwrap_err();
    assert_eq!(error.code, Code::Network);
    says(&error.found, "500");
    let failed = server.seen().len() - 1;
    // Ten, and what was in flight when the first of them failed.
    assert!((10..=13).contains(&failed), "{failed}");
}

#[test]
fn a_server_that_never_answers_properly_is_given_up_too() {
    let server = Rude::new(|_| Reply::status("503 Service Unavailable"));
    let error = Yard::new().install_hastily(&server.url()).unwrap_err();
    assert_eq!(error.exit(), Exit::Network);
    says(&error.found, "503");
    assert_eq!(error.changed, "nothing was written");
    assert_eq!(server.seen().len(), 10);
}

#[test]
fn failures_that_pass_are_waited_for() {
    let server = Rude::new(|asked| match asked.number {
        0 => Reply::status("500 Internal Server Error"),
        2 | 3 => Reply::status("502 Bad Gateway"),
        _ => honest(asked),
    });
    Yard::new().installs(&server.url());
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it_and_fewer_connections() {
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&busy), Arc::clone(&most));
    let server = Rude::new(move |asked| {
        if asked.number == 1 {
            return Reply::status("429 Too Many Requests").with("retry-after", "1");
        }
        // What was on its way when the server said so does not count.
        let counts = asked.number > 4;
        if counts {
            let together = now.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(together, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
        }
        honest(asked)
    });
    let ran = Yard::new().install(&server.url()).ok();
    says(&ran.stdout, "429 Too Many Requests");
    says(&ran.stdout, "asked again in 1s");
    assert!(most.load(Ordering::SeqCst) <= 3);
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn what_is_wrong_for_good_is_not_tried_again() {
    for status in [
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "304 Not Modified",
    ] {
        let server = Rude::new(move |asked| match is_payload(asked) {
            false => honest(asked),
            true => Reply::status(status),
        });
        let yard = Yard::new();
        let before = yard.bench.read("disk.img");
        let error = yard.fails(&server.url(), 6, "network");
        says(&error["found"], &status[..3]);
        yard.bench.only_slot_b_was_touched(&before);
        assert!(server.seen().len() <= 5);
    }
}

#[test]
fn the_wrong_bytes_for_a_range_are_not_taken_for_the_right_ones() {
    for wrong in [
        "bytes 0-99/100",
        "bytes 5",
        "bytes 300000-200000/*",
        "lines 1-2/3",
    ] {
        let server = Rude::new(move |asked| match asked.number {
            1 => honest(asked).with("content-range", wrong),
            _ => honest(asked),
        });
        Yard::new().installs(&server.url());
    }
    let always = Rude::new(|asked| {
        let (first, length) = (asked.range.start + 1, image().len());
        let last = asked.range.end.min(length) - 1;
        match is_payload(asked) {
            false => honest(asked),
            true => honest(asked).with("content-range", &format!("bytes {first}-{last}/{length}")),
        }
    });
    let error = Yard::new().install_hastily(&always.url()).unwrap_err();
    assert_eq!(error.exit(), Exit::Network);
    says(&error.found, "asked for bytes");
}

#[test]
fn a_body_that_is_shorter_than_it_should_be_is_completed() {
    let server = Rude::new(|asked| {
        let reply = honest(asked).cut(150_000, Then::Keep);
        let length = reply.body.len().to_string();
        reply.with("content-length", &length)
    });
    let yard = Yard::new();
    yard.install_hastily(&server.url()).unwrap();
    yard.bench.on_disk("verify b").ok();
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn a_server_that_gives_less_than_was_asked_for_is_asked_for_the_rest() {
    let server = Rude::new(|asked| {
        let end = asked.range.end.min(asked.range.start + 100_000);
        honest(asked)
            .cut(end - asked.range.start, Then::Keep)
            .says(asked.range.start..end.min(image().len()), image().len())
    });
    let yard = Yard::new();
    yard.installs(&server.url());
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn corrupt_bytes_end_the_install_and_never_reach_the_disk() {
    let at = header(image()).payload_offset() as usize + 3_000_000;
    let server = Rude::new(move |asked| {
        let mut file = image().to_vec();
        file[at] ^= 1;
        Reply::honest(asked, &file)
    });
    let yard = Yard::new();
    let before = yard.bench.read("disk.img");
    yard.fails(&server.url(), 4, "not-intact");
    yard.bench.only_slot_b_was_touched(&before);
    // What was written is the image's own, block by block, or nothing was.
    let (slot, payload) = (
        yard.bench.slot(1),
        header(image()).payload_offset() as usize,
    );
    let disk = yard.bench.read("disk.img");
    let blocks = disk[slot].chunks(4096).zip(image()[payload..].chunks(4096));
    for (found, sent) in blocks.take(ROOT / 4096) {
        assert!(found == sent || found.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_file_that_changes_is_noticed_by_its_bytes_and_told_by_its_tag_its_date_or_its_length() {
    for (name, was, is, why) in [
        ("etag", "\"one\"", "\"two\"", "ETag"),
        (
            "last-modified",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Mon, 07 Nov 1994 08:49:37 GMT",
            "modified",
        ),
        ("content-encoding", "none", "br", "br"),
    ] {
        let server = Rude::new(move |asked| match asked.number {
            0..3 => honest(asked).with(name, was),
            _ => Reply::honest(asked, &another()).with(name, is),
        });
        let yard = Yard::new();
        let before = yard.bench.read("disk.img");
        let error = yard.fails(&server.url(), 3, "changed-underneath");
        says(&error["found"], why);
        says(&error["advice"], "run the same command again");
        yard.bench.only_slot_b_was_touched(&before);
    }
    let longer = Rude::new(|asked| match asked.number {
        0..3 => honest(asked),
        _ => Reply::honest(asked, &[&another(), &b"x"[..]].concat()),
    });
    let error = Yard::new().fails(&longer.url(), 3, "changed-underneath");
    says(&error["found"], &format!("{} bytes", image().len() + 1));
}

/// Another file of the same length.
fn another() -> Vec<u8> {
    image().iter().map(|byte| byte ^ 1).collect()
}

#[test]
fn a_stream_that_is_lost_cannot_be_taken_up_and_says_so() {
    let server = Rude::new(|_| Reply::whole(image()).cut(image().len() / 2, Then::Close));
    let yard = Yard::new();
    let before = yard.bench.read("disk.img");
    let error = yard.fails(&server.url(), 6, "network");
    says(&error["found"], "connection was lost");
    let advice = error["advice"].as_str().unwrap();
    assert!(
        advice.contains("no parts of a file") && advice.contains("again"),
        "{error}"
    );
    yard.bench.only_slot_b_was_touched(&before);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_stream_that_stalls_or_ends_without_a_word_is_lost() {
    let stalls = Rude::new(|_| Reply::whole(image()).cut(image().len() / 2, Then::Silence));
    let error = Yard::new().install_hastily(&stalls.url()).unwrap_err();
    assert_eq!(error.exit(), Exit::Network);
    says(&error.found, "not a byte for");
    let ends = Rude::new(|_| {
        let mut reply = Reply::whole(image()).cut(image().len() / 2, Then::Close);
        // Until the end of the connection, whenever that is.
        reply.headers.clear();
        reply
    });
    let error = Yard::new().install_hastily(&ends.url()).unwrap_err();
    assert_eq!(error.exit(), Exit::Network);
    says(&error.found, "connection was lost");
}

#[test]
fn the_install_after_a_lost_one_simply_works() {
    let up = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&up);
    let server = Rude::new(
        move |asked| match flag.load(Ordering::SeqCst) || !is_payload(asked) {
            true => honest(asked),
            false => honest(asked).cut(0, Then::Close),
        },
    );
    let yard = Yard::new();
    assert!(yard.install_hastily(&server.url()).is_err());
    up.store(true, Ordering::SeqCst);
    yard.installs(&server.url());
}

#[test]
fn user_and_password_go_to_the_server_that_they_are_for_and_into_no_message() {
    let other = Rude::new(honest);
    let there = other.url();
    let first = Rude::new(move |_| Reply::status("302 Found").with("location", &there));
    let address = format!("http://me:secret@{}/image", first.address());
    Yard::new().installs(&address);
    // me:secret
    let credentials = "authorization: basic bwu6c2vjcmv0";
    assert!(
        first
            .seen()
            .iter()
            .all(|one| one.text.contains(credentials))
    );
    assert_eq!(first.seen().len(), 1);
    assert!(
        other
            .seen()
            .iter()
            .all(|one| !one.text.contains("authorization"))
    );
    let nobody = Yard::new().fails("http://me:secret@127.0.0.1:1/image", 6, "network");
    assert!(!nobody.to_string().contains("secret"), "{nobody}");
}

#[test]
fn where_a_redirect_leads_may_expire() {
    let renewed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&renewed);
    let other = Rude::new(
        move |asked| match is_payload(asked) && !flag.load(Ordering::SeqCst) {
            true => Reply::status("403 Forbidden"),
            false => honest(asked),
        },
    );
    let there = other.url();
    let first = Rude::new(move |asked| {
        renewed.store(asked.number > 0, Ordering::SeqCst);
        Reply::status("302 Found").with("location", &there)
    });
    Yard::new().installs(&first.url());
    each_byte_once(&other.seen(), image().len());
}

#[test]
fn what_is_read_ahead_is_bounded() {
    let server = Rude::new(honest);
    let mut source = Source::open_with(&server.url(), &Settings::default(), HASTY).unwrap();
    let (header, _) = source.head().unwrap();
    let start = header.payload_offset();
    // The first byte of the rest is read, and then nothing.
    source
        .want(vec![start..FIRST + 1, FIRST + 1..image().len() as u64])
        .unwrap();
    let mut first = vec![0; (FIRST + 1 - start) as usize];
    source.fill(&mut first, images::Part::Chunk(0)).unwrap();
    assert!(source.fetched() <= FIRST + (7 << 20));
    let mut rest = vec![0; image().len() - FIRST as usize - 1];
    source.fill(&mut rest, images::Part::Chunk(1)).unwrap();
    assert!(rest == image()[FIRST as usize + 1..]);
    each_byte_once(&server.seen(), image().len());
}
