use super::*;
use crate::source::Settings;
use bootshim::copies::{Durable, Note, Store};
use bootshim::guid::Guid;
use bootshim::medium::Access::{Flush, Read, Write};
use bootshim::state::Next;
use controller::code::Code;
use controller::progress::Quiet;
use fakedisk::{Asked, Content, FakeDisk, Injection, Wrong, image, inputs, key, noise};
use images::SLOT_AREA_LEN;
use images::trust::Trust;
use std::path::PathBuf;
use tempfile::TempDir;

/// A built image, and where it lies.
struct Sample {
    _directory: TempDir,
    file: PathBuf,
    head: Head,
}

fn trusted() -> Trust {
    Trust::direct([key(7).public()])
}

impl Sample {
    fn new() -> Sample {
        let directory = TempDir::new().unwrap();
        let root = noise("root", 2_400_000);
        let pieces: [&[u8]; 3] = [&root, b"kernel", b"initrd"];
        let file = image(&inputs(directory.path(), 1, pieces));
        let (header, rest) = Sample::source(&file).head().unwrap();
        let head = Head::open(&header, &rest, &trusted()).unwrap();
        Sample {
            _directory: directory,
            file,
            head,
        }
    }

    fn source(file: &std::path::Path) -> Source {
        Source::open(&file.display().to_string(), &Settings::default()).unwrap()
    }

    /// Where the groups begin, each of which is one write.
    fn groups(&self) -> Vec<u64> {
        let groups = images::group::of(&self.head);
        groups.map(|group| group.offset()).collect()
    }

    /// A device with a little more room than the image needs, full of what was
    /// there before.
    fn device(&self) -> FakeDisk {
        let room = self.head.manifest.slot_bytes_needed().unwrap() + 65536;
        let before = vec![0xa5; usize::try_from(room).unwrap()];
        FakeDisk::of(Content::of(&before))
    }

    /// What an install does with a slot once the record says `writing`.
    fn install(&self, device: &FakeDisk) -> Result<Complete> {
        let mut source = Sample::source(&self.file);
        source.head().unwrap();
        let target = Writing::begin(device, &saying(State::Writing), slot_b())?;
        let done = write(
            target,
            &trusted(),
            &mut source,
            &self.head,
            &Reuse::default(),
            &Request::default(),
            &Quiet,
        );
        done.map(|(complete, _)| complete)
    }
}

fn slot_b() -> SlotId {
    SlotId::new(1).unwrap()
}

/// A durable record in which slot b has this state.
fn saying(state: State) -> Durable {
    let guid = Guid([7; 16]);
    let mut record = Record::new(guid, 3);
    let manifest = if state == State::Writing {
        [0; 32]
    } else {
        [9; 32]
    };
    let slot = bootshim::record::Slot {
        state,
        manifest,
        ..bootshim::record::Slot::EMPTY
    };
    record.set_slot(slot_b(), slot);
    Store::open(FakeDisk::new(1 << 20), guid)
        .commit_everywhere(Next::by_hand(record), Note::default())
        .unwrap()
}

/// Whether reads cover every byte from 0 to `end`.
fn all_read(asked: &[Asked], end: u64) -> bool {
    let reads = asked.iter().filter(|asked| asked.access == Read);
    let ends = |read: &Asked| (read.offset, read.offset + read.length as u64);
    let mut read: Vec<(u64, u64)> = reads.map(ends).collect();
    read.sort_unstable();
    let covered = read.iter().fold(0, |covered, (from, to)| {
        if *from <= covered {
            covered.max(*to)
        } else {
            covered
        }
    });
    covered >= end
}

#[test]
fn no_byte_of_a_slot_changes_unless_its_record_says_writing() {
    let device = Sample::new().device();
    for state in [State::Ready, State::Good, State::Bad] {
        assert!(Writing::begin(&device, &saying(state), slot_b()).is_err());
    }
    assert_eq!(device.asked(), []);
}

#[test]
fn the_manifest_goes_first_and_comes_last_and_each_step_is_durable_before_the_next() {
    let sample = Sample::new();
    let device = sample.device();
    sample.install(&device).unwrap();
    let log = device.asked();
    let area = device.len() - SLOT_AREA_LEN as u64;
    let of_area = |access| Asked {
        access,
        offset: area,
        length: SLOT_AREA_LEN,
    };
    let flushes: Vec<usize> = (0..log.len())
        .filter(|index| log[*index].access == Flush)
        .collect();
    assert_eq!((log[0], flushes[0]), (of_area(Write), 1));
    let [_, content, last] = flushes[..] else {
        panic!("{flushes:?}");
    };
    let index_end = sample.head.manifest.index_offset() + sample.head.manifest.index_len;
    let written = &log[2..content];
    assert!(
        written
            .iter()
            .all(|one| one.access == Write && one.offset < index_end)
    );
    assert_eq!(written.len(), sample.groups().len() + 1);
    // Between the flush of the content and the manifest, all of it is read back.
    assert_eq!(log[last - 1], of_area(Write));
    let proof = &log[content + 1..last - 1];
    assert!(proof.iter().all(|one| one.access == Read));
    assert!(all_read(proof, index_end));
    let after = &log[last + 1..];
    assert!(after.contains(&of_area(Read)));
    assert!(after.iter().all(|one| one.access == Read));
}

#[test]
fn a_device_that_loses_a_write_is_found_out_before_the_manifest_is_there() {
    let sample = Sample::new();
    for place in sample
        .groups()
        .into_iter()
        .chain([sample.head.manifest.index_offset()])
    {
        let device = sample.device();
        device.always(Wrong::Loses, &[(Write, place)]);
        let error = sample.install(&device).unwrap_err();
        assert_eq!(error.code, Code::ReadBackDiffers);
        let end = usize::try_from(device.len()).unwrap();
        let area = device.content().bytes(end - SLOT_AREA_LEN..end);
        assert!(area.iter().all(|byte| *byte == 0), "{place}");
    }
    let device = sample.device();
    let area = device.len() - SLOT_AREA_LEN as u64;
    device.always(Wrong::Loses, &[(Write, area)]);
    let error = sample.install(&device).unwrap_err();
    assert_eq!(error.code, Code::ReadBackDiffers);
}

#[test]
fn an_error_of_any_flush_fails_the_install() {
    let sample = Sample::new();
    for flush in 0..3 {
        let device = sample.device();
        device.inject([Injection {
            place: (Flush, 0),
            turns: flush..flush + 1,
            wrong: Wrong::Refuses,
        }]);
        assert_eq!(sample.install(&device).unwrap_err().exit(), Exit::Io);
    }
    sample.install(&sample.device()).unwrap();
}
