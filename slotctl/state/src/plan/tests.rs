use super::*;
use std::path::Path;

mod model;

const DATABASE: &str = "/var/lib/app";
const SETTINGS: &str = "/etc/app";

/// What an image declares whose program reads these formats.
fn image(format: u32) -> Declared {
    let mut declared = Declared::default();
    let said = match format {
        0 => String::new(),
        format => format!("format = {format}\n"),
    };
    let text = format!(
        "[[path]]\npath = \"{DATABASE}\"\nkind = \"shared\"\n{said}\
         [[path]]\npath = \"{SETTINGS}\"\nkind = \"copy-forward\"\n{said}\
         [[path]]\npath = \"/var/lib/own\"\nkind = \"per-slot\"\n"
    );
    declared.add(&text, Path::new("app.toml")).unwrap();
    declared
}

fn activation(slot: &str, manifest: u8, number: u8) -> Activation {
    Activation {
        slot: slot.parse().unwrap(),
        manifest: [manifest; 32],
        number,
    }
}

fn directory(activation: Activation, forwarded: bool, format: u32) -> Directory {
    Directory {
        activation,
        forwarded,
        formats: image(format).formats(),
    }
}

fn shared(format: u32) -> Formats {
    image(format)
        .of(Kind::Shared)
        .map(|d| (d.path.clone(), format))
        .collect()
}

fn trial(activation: Activation, other_good: &[Activation]) -> Starting {
    Starting {
        activation,
        is_good: false,
        other_good: other_good.to_vec(),
    }
}

fn good(activation: Activation, other_good: &[Activation]) -> Starting {
    Starting {
        is_good: true,
        ..trial(activation, other_good)
    }
}

const A: fn(u8) -> Activation = |number| activation("a", 0xa1, number);
const B: fn(u8) -> Activation = |number| activation("b", 0xb2, number);

#[test]
fn the_first_start_of_a_factory_is_made_of_the_image() {
    let steps = start(&image(3), &Found::default(), &good(A(0), &[])).unwrap();
    let image = Some(Source::Image);
    assert_eq!((steps.make, steps.forward), (image, image));
    assert_eq!(steps.shared, shared(3));
}

#[test]
fn a_trial_begins_with_what_the_last_good_slot_left_and_keeps_it_over_its_tries() {
    let mut found = Found {
        directories: vec![directory(A(1), true, 3), directory(B(1), false, 3)],
        shared: shared(3),
    };
    let steps = start(&image(3), &found, &trial(B(1), &[A(1)])).unwrap();
    assert_eq!((steps.make, steps.forward), (None, Some(Source::Of(A(1)))));
    found.directories[1].forwarded = true;
    let steps = start(&image(3), &found, &trial(B(1), &[A(1)])).unwrap();
    assert_eq!((steps.make, steps.forward), (None, None));
}

#[test]
fn what_was_prepared_for_another_flip_is_not_taken() {
    let found = Found {
        directories: vec![directory(A(1), true, 3), directory(B(4), true, 3)],
        shared: shared(3),
    };
    let steps = start(&image(3), &found, &trial(B(5), &[A(1)])).unwrap();
    assert_eq!(
        steps.make,
        Some(Source::Of(B(4))),
        "beside what it left itself"
    );
    assert_eq!(steps.forward, Some(Source::Of(A(1))));
    // Another image in the slot leaves nothing to it.
    let other = activation("b", 0xc3, 4);
    let steps = start(&image(3), &found, &trial(other, &[A(1)])).unwrap();
    assert_eq!(steps.make, Some(Source::Image));
}

#[test]
fn a_good_slot_goes_on_with_its_own_and_takes_nothing_from_another() {
    let found = Found {
        directories: vec![
            directory(A(2), false, 3),
            directory(A(1), true, 3),
            directory(B(7), true, 3),
        ],
        shared: shared(3),
    };
    // Its trial ended before it had started: number 2 was never copied into.
    let steps = start(&image(3), &found, &good(A(2), &[B(7)])).unwrap();
    assert_eq!((steps.make, steps.forward), (None, Some(Source::Of(A(1)))));
}

#[test]
fn until_the_confirm_the_format_of_what_is_shared_stays() {
    let found = Found {
        directories: vec![directory(A(1), true, 3), directory(B(1), true, 4)],
        shared: shared(3),
    };
    let format = |starting| start(&image(4), &found, &starting).unwrap().shared;
    assert_eq!(format(trial(B(1), &[A(1)])), shared(3));
    assert_eq!(
        format(good(B(1), &[A(1)])),
        shared(3),
        "slot a is good and needs it"
    );
    assert_eq!(format(good(B(1), &[])), shared(4));
    let unknown = activation("c", 0xc3, 0);
    assert_eq!(
        format(good(B(1), &[unknown])),
        shared(3),
        "nobody knows what c reads"
    );
}

#[test]
fn a_program_that_is_too_old_is_not_started_on_what_is_shared() {
    let found = Found {
        directories: Vec::new(),
        shared: shared(4),
    };
    let refused = start(&image(3), &found, &trial(B(1), &[])).unwrap_err();
    assert_eq!(
        refused[0].to_string(),
        "/var/lib/app has format 4, the image reads up to 3"
    );
    assert_eq!(
        prepare(&image(3), &found, &B(1)),
        Err(NotReady::TooNew(refused.clone()))
    );
    // There is nothing better than a good slot: it starts without.
    let steps = start(&image(3), &found, &good(B(1), &[])).unwrap();
    assert_eq!(steps.withheld, refused);
}

#[test]
fn what_a_later_program_wrote_is_not_copied_to_an_older_one() {
    let found = Found {
        directories: vec![directory(A(1), true, 4)],
        shared: shared(3),
    };
    let steps = start(&image(3), &found, &trial(B(1), &[A(1)])).unwrap();
    assert_eq!(steps.left_behind.len(), 1);
    assert_eq!(steps.left_behind[0].path.as_str(), SETTINGS);
    assert_eq!(
        start(&image(4), &found, &trial(B(1), &[A(1)]))
            .unwrap()
            .left_behind,
        []
    );
}

#[test]
fn a_flip_takes_a_number_that_no_directory_has() {
    let mut found = Found {
        directories: vec![directory(B(1), true, 3), directory(B(2), false, 3)],
        shared: shared(3),
    };
    assert_eq!(
        prepare(&image(3), &found, &B(1)),
        Ok((B(3), Source::Of(B(1))))
    );
    let fresh = activation("b", 0xc3, 1);
    let (at, from) = prepare(&image(3), &found, &fresh).unwrap();
    assert_eq!((at.number, from), (2, Source::Image));
    // The record was lost and made again: what the slot uses now counts, not what is there
    // from before.
    found.directories.push(directory(B(0), true, 3));
    assert_eq!(
        prepare(&image(3), &found, &B(0)),
        Ok((B(3), Source::Of(B(0))))
    );
    found.directories = (0..=255)
        .map(|number| directory(B(number), true, 3))
        .collect();
    assert_eq!(prepare(&image(3), &found, &B(9)), Err(NotReady::NoNumber));
}

#[test]
fn room_is_that_of_the_copies_and_a_twentieth() {
    assert_eq!(check_room(50, 100, 1000), Ok(()));
    let (needed, free) = (101, 100);
    assert_eq!(check_room(51, 100, 1000), Err(NoRoom { needed, free }));
    assert!(check_room(u64::MAX, 100, 1000).is_err());
}
