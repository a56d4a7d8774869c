//! What a server says about a file decides nothing: its bytes do.

use super::rude::{Asked, Reply, Rude, Then, each_byte_once};
use super::yard::{FIRST, Yard, honest, image, small};
use crate::ran::says;
use controller::code::Code;

/// One of two web servers behind one name, with times and tags of its own; a
/// condition that holds for the other one is answered with the whole file.
fn mirror(asked: &Asked, file: &[u8]) -> Reply {
    let (tag, date) = match asked.number % 2 {
        0 => ("\"one\"", "Sun, 06 Nov 1994 08:49:37 GMT"),
        _ => ("\"two\"", "Mon, 07 Nov 1994 08:49:37 GMT"),
    };
    let condition = asked
        .text
        .lines()
        .find_map(|line| line.strip_prefix("if-range: "));
    let holds = condition.is_none_or(|value| value == tag || value == date.to_lowercase());
    let reply = match holds {
        true => Reply::honest(asked, file),
        false => Reply::whole(file),
    };
    reply.with("etag", tag).with("last-modified", date)
}

#[test]
fn two_servers_with_tags_and_dates_of_their_own_have_one_file() {
    let server = Rude::new(|asked| mirror(asked, image()));
    Yard::new().installs(&server.url());
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn what_broke_off_at_one_server_goes_on_at_the_other() {
    let server = Rude::new(|asked| mirror(asked, image()).cut(150 << 10, Then::Close));
    let yard = Yard::new();
    yard.install_hastily(&server.url()).unwrap();
    yard.bench.on_disk("verify b").ok();
    each_byte_once(&server.seen(), image().len());
}

#[test]
fn a_date_that_is_always_now_and_a_weak_tag_are_no_other_file() {
    let server = Rude::new(|asked| {
        let date = format!("Sun, 06 Nov 1994 08:49:{:02} GMT", asked.number);
        let tag = format!("W/\"{}\"", asked.number);
        match asked.text.contains("if-range") {
            true => Reply::whole(image()),
            false => honest(asked)
                .with("last-modified", &date)
                .with("etag", &tag),
        }
    });
    Yard::new().installs(&server.url());
    each_byte_once(&server.seen(), image().len());
}

/// Another file of the same length, from a place on that the first request does
/// not reach.
fn other() -> Vec<u8> {
    let mut other = image().to_vec();
    other[FIRST as usize..]
        .iter_mut()
        .for_each(|byte| *byte ^= 1);
    other
}

#[test]
fn a_server_that_has_another_image_is_noticed_by_its_bytes_and_said() {
    let other = other();
    let server = Rude::new(move |asked| match asked.number % 2 {
        0 => mirror(asked, image()),
        _ => mirror(asked, &other),
    });
    let yard = Yard::new();
    let before = yard.bench.read("disk.img");
    let error = yard.fails(&server.url(), 3, "changed-underneath");
    says(&error["found"], "ETag");
    yard.bench.only_slot_b_was_touched(&before);
}

#[test]
fn a_coding_that_changes_nothing_is_none() {
    for coding in [
        "aws-chunked",
        "",
        "none",
        "Identity",
        "IDENTITY, aws-chunked",
        "binary",
        "gzip",
    ] {
        let server = Rude::new(move |asked| {
            Reply::honest(asked, small("v2.slotimg")).with("content-encoding", coding)
        });
        Yard::new().installs(&server.url());
    }
}

#[test]
fn a_file_that_is_sent_packed_is_refused_by_the_name_of_its_coding() {
    // As gzip begins.
    let packed = [b"\x1f\x8b\x08\0", &image()[4..]].concat();
    let server =
        Rude::new(move |asked| Reply::honest(asked, &packed).with("content-encoding", "gzip"));
    let error = Yard::new().refuses(&server.url(), 6, "network");
    says(&error["found"], "gzip");
}

/// As a server answers that does not say how long the file is.
fn of_no_length(asked: &Asked, file: &[u8]) -> Reply {
    if asked.range.start >= file.len() {
        return Reply::status("416 Range Not Satisfiable").with("content-range", "bytes */*");
    }
    let (first, last) = (asked.range.start, asked.range.end.min(file.len()) - 1);
    Reply::honest(asked, file).with("content-range", &format!("bytes {first}-{last}/*"))
}

#[test]
fn a_server_need_not_say_how_long_the_file_is() {
    for file in [image(), small("v2.slotimg")] {
        let server = Rude::new(move |asked| of_no_length(asked, file));
        Yard::new().installs(&server.url());
    }
}

#[test]
fn a_server_that_is_wrong_about_the_length_of_the_file_has_it_all_the_same() {
    for wrong in [1_000, image().len() - 1, image().len() + 1, 1 << 40] {
        let server = Rude::new(move |asked| {
            let end = asked.range.end.min(image().len());
            honest(asked).says(asked.range.start..end, wrong.max(end))
        });
        Yard::new().installs(&server.url());
    }
}

#[test]
fn a_file_of_unsaid_length_that_is_longer_or_shorter_than_its_image_is_refused_at_once() {
    let longer = [image(), b"x"].concat();
    let server = Rude::new(move |asked| of_no_length(asked, &longer));
    Yard::new().refuses(&server.url(), 4, "not-intact");
    for missing in [1, 5_000, 5 << 20] {
        let shorter = &image()[..image().len() - missing];
        let server = Rude::new(move |asked| of_no_length(asked, shorter));
        Yard::new().refuses(&server.url(), 4, "truncated");
    }
    for short in [&image()[..30], b"<html>Please log in</html>"] {
        let server = Rude::new(move |asked| of_no_length(asked, short));
        let error = Yard::new().install(&server.url()).with_status(4).json();
        assert_eq!(error["error"]["changed"], "nothing was written", "{error}");
    }
}

#[test]
fn a_part_is_a_part_by_its_range_or_by_its_length() {
    for part in [
        |asked: &Asked| Reply {
            status: "200 OK",
            ..honest(asked)
        },
        |asked: &Asked| Reply {
            status: "203 Non-Authoritative Information",
            ..honest(asked)
        },
        |asked: &Asked| honest(asked).without("content-range"),
        |asked: &Asked| honest(asked).with("content-range", "bytes"),
        |asked: &Asked| honest(asked).with("content-range", "none"),
    ] {
        Yard::new().installs(&Rude::new(part).url());
    }
}

#[test]
fn a_length_of_the_body_that_is_wrong_or_missing_costs_nothing() {
    let missing = Rude::new(|asked| Reply {
        then: Then::Close,
        ..honest(asked).without("content-length")
    });
    Yard::new().installs(&missing.url());
    each_byte_once(&missing.seen(), image().len());
    // The connection stays, and what was announced never comes.
    let more = Rude::new(|asked| {
        let reply = honest(asked);
        let length = reply.body.len() + 10;
        Reply {
            then: Then::Silence,
            ..reply.with("content-length", &length.to_string())
        }
    });
    let error = Yard::new().install_hastily(&more.url()).err();
    assert_eq!(error, None);
    each_byte_once(&more.seen(), image().len());
}

#[test]
fn the_whole_file_instead_of_a_part_is_read_from_its_beginning_at_a_bounded_cost() {
    for parts in [1, 3, 5] {
        let server = Rude::new(move |asked| match asked.number < parts {
            true => honest(asked),
            false => Reply::whole(image()),
        });
        Yard::new().installs(&server.url());
        let wholes = server.seen().len() - parts;
        // One that is read, and those that were asked for at the same time.
        assert!((1..=4).contains(&wholes), "{wholes}");
    }
}

#[test]
fn two_servers_of_which_one_gives_no_parts_give_the_file() {
    for odd in [0, 1] {
        let server = Rude::new(move |asked| match asked.number % 2 == odd {
            true => honest(asked),
            false => Reply::whole(image()),
        });
        Yard::new().installs(&server.url());
    }
    let broken = Rude::new(|asked| match asked.number {
        0 => honest(asked).cut(100_000, Then::Close),
        _ => Reply::whole(image()),
    });
    Yard::new().installs(&broken.url());
}

#[test]
fn the_whole_file_that_breaks_off_again_and_again_is_given_up() {
    let server = Rude::new(|asked| match asked.number {
        0 => honest(asked),
        _ => Reply::whole(image()).cut(300 << 10, Then::Close),
    });
    let error = Yard::new().install_hastily(&server.url()).unwrap_err();
    assert_eq!(error.code, Code::Network, "{error}");
    assert!(server.seen().len() < 30);
}
