//! Verifying: a whole image is taken, anything else is not.

use std::io::{self, Read};
use std::sync::Mutex;

use images::header::Header;
use images::read::ReadError;
use images::trust::Trust;
use images::verify::verify;
use images::{Part, Refused};

use crate::sample::{Sample, head_of, key};

fn refused(image: &[u8]) -> Refused {
    match verify(image, &Trust::direct([key().public()]), &|_, _| {}) {
        Err(ReadError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_chunk_changed_by_one_bit_is_refused_by_its_number() {
    let mut image = Sample::new().bytes();
    let head = head_of(&image);
    let start = head.header.payload_offset();
    for chunk in head.chunks() {
        let part = Part::Chunk(chunk.number);
        let first = (start + chunk.entry.offset) as usize;
        let last = first + chunk.entry.length as usize - 1;
        for byte in [first, last] {
            image[byte] ^= 0x10;
            assert_eq!(refused(&image), Refused::HashWrong { part });
            image[byte] ^= 0x10;
        }
    }
}

#[test]
fn an_image_cut_anywhere_is_refused() {
    let image = Sample::small().bytes();
    for length in 0..image.len() {
        assert!(
            verify(
                &image[..length],
                &Trust::direct([key().public()]),
                &|_, _| {}
            )
            .is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn an_image_cut_in_its_payload_is_truncated() {
    let image = Sample::new().bytes();
    let payload = Header::parse(&image).unwrap().payload_offset() as usize;
    for length in [payload, payload + 1, image.len() - 1] {
        assert!(matches!(
            refused(&image[..length]),
            Refused::Truncated {
                part: Part::Chunk(_),
                ..
            }
        ));
    }
}

#[test]
fn one_trailing_byte_is_refused() {
    let mut image = Sample::small().bytes();
    let end = image.len() as u64;
    image.push(0);
    assert_eq!(refused(&image), Refused::TrailingBytes { end });
}

#[test]
fn an_image_streams_from_a_reader_that_gives_one_byte_at_a_time() {
    struct Drip<'a>(&'a [u8]);
    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let one = out.len().min(1);
            self.0.read(&mut out[..one])
        }
    }
    let image = Sample::small().bytes();
    verify(Drip(&image), &Trust::direct([key().public()]), &|_, _| {}).unwrap();
}

#[test]
fn a_source_that_fails_is_an_error_of_input_and_output() {
    struct Fails<'a>(&'a [u8]);
    impl Read for Fails<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::Error::other("cable out")),
                read => Ok(read),
            }
        }
    }
    let image = Sample::small().bytes();
    for length in [0, 10, 5000, image.len() - 1] {
        let error = verify(
            Fails(&image[..length]),
            &Trust::direct([key().public()]),
            &|_, _| {},
        );
        let error = error.unwrap_err();
        assert!(matches!(error, ReadError::Io(_)), "{error}");
    }
}

#[test]
fn a_source_that_is_interrupted_is_asked_again() {
    struct Interrupted<'a>(&'a [u8], bool);
    impl Read for Interrupted<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let some = out.len().min(1000);
            self.0.read(&mut out[..some])
        }
    }
    let image = Sample::small().bytes();
    let source = Interrupted(&image, false);
    verify(source, &Trust::direct([key().public()]), &|_, _| {}).unwrap();
}

#[test]
fn progress_is_what_was_checked_of_the_content_group_by_group() {
    let image = Sample::new().bytes();
    let head = head_of(&image);
    let total = head.manifest.content_len;
    let ends = images::group::of(&head).map(|group| (group.offset() + group.len() as u64, total));
    let said = Mutex::new(Vec::new());
    let progress = |done, of| said.lock().unwrap().push((done, of));
    verify(
        image.as_slice(),
        &Trust::direct([key().public()]),
        &progress,
    )
    .unwrap();
    assert_eq!(said.into_inner().unwrap(), ends.collect::<Vec<_>>());
}
