use super::*;
use crate::source::Settings;
use bootshim::copies::{Durable, Note, Store};
use bootshim::guid::Guid;
use bootshim::medium::{Access, Cause, Fault, check_range};
use bootshim::state::Next;
use controller::code::Code;
use controller::progress::Quiet;
use images::SLOT_AREA_LEN;
use images::build::{Boot, Inputs, build};
use images::key::SecretKey;
use images::trust::Trust;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Read(u64, u64),
    Write(u64, u64),
    Flush,
}

/// A device that keeps the order of all that is asked of it. It can lose writes
/// that begin at a place without a word, and fail in its n-th flush.
#[derive(Debug)]
struct Device {
    bytes: Mutex<Vec<u8>>,
    log: Mutex<Vec<Op>>,
    loses: Option<u64>,
    fails_in_flush: Option<usize>,
}

impl Device {
    /// Full of what was there before.
    fn new(len: u64) -> Device {
        let bytes = vec![0xa5; usize::try_from(len).unwrap()];
        Device {
            bytes: Mutex::new(bytes),
            log: Mutex::default(),
            loses: None,
            fails_in_flush: None,
        }
    }

    fn asked(&self) -> Vec<Op> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn area(&self) -> Vec<u8> {
        let bytes = self.bytes.lock().unwrap();
        bytes[bytes.len() - SLOT_AREA_LEN..].to_vec()
    }
}

impl Medium for Device {
    fn len(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        let mut log = self.log.lock().unwrap();
        log.push(Op::Read(offset, buf.len() as u64));
        let at = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.bytes.lock().unwrap()[at..at + buf.len()]);
        Ok(())
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len())?;
        let mut log = self.log.lock().unwrap();
        log.push(Op::Write(offset, data.len() as u64));
        let at = usize::try_from(offset).unwrap();
        if self.loses != Some(offset) {
            self.bytes.lock().unwrap()[at..at + data.len()].copy_from_slice(data);
        }
        Ok(())
    }
    fn flush(&self) -> Result<(), Fault> {
        let mut log = self.log.lock().unwrap();
        log.push(Op::Flush);
        let flushes = log.iter().filter(|op| **op == Op::Flush).count();
        if self.fails_in_flush == Some(flushes) {
            return Err(Fault {
                access: Access::Flush,
                offset: 0,
                length: 0,
                cause: Cause::Device(5),
            });
        }
        Ok(())
    }
}

/// A built image, and where it lies.
struct Sample {
    _directory: TempDir,
    file: PathBuf,
    head: Head,
}

fn trusted() -> Trust {
    Trust::direct([SecretKey::from_seed(&[7; 32]).public()])
}

impl Sample {
    fn new() -> Sample {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let mut noise = vec![0; 2_400_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let inputs = Inputs {
            rootfs: write("root", &noise),
            boot: Boot::Kernel {
                kernel: write("kernel", b"kernel"),
                initrd: Some(write("initrd", b"initrd")),
            },
            cmdline: "ro".into(),
            compatible: "plc-4".into(),
            version: "1".into(),
            security_version: 0,
            revoke_below: 0,
            watchdog_seconds: 0,
            keys: vec![SecretKey::from_seed(&[7; 32])],
            key_set: None,
            bootshim: None,
        };
        let file = directory.path().join("image");
        build(&inputs, &file, &|_, _| {}).unwrap();
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

    /// A device with a little more room than the image needs.
    fn device(&self) -> Device {
        Device::new(self.head.manifest.slot_bytes_needed().unwrap() + 65536)
    }

    /// What an install does with a slot once the record says `writing`.
    fn install(&self, device: &Device) -> Result<Complete> {
        let mut source = Sample::source(&self.file);
        source.head().unwrap();
        let target = Writing::begin(device, &saying(State::Writing), slot_b())?;
        let ground = Ground::nothing();
        let done = write(
            target,
            &trusted(),
            &mut source,
            &self.head,
            &ground,
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
    Store::open(Device::new(1 << 20), guid)
        .commit_everywhere(Next::by_hand(record), Note::default())
        .unwrap()
}

/// Whether reads cover every byte from 0 to `end`.
fn all_read(ops: &[Op], end: u64) -> bool {
    let mut read: Vec<(u64, u64)> = ops
        .iter()
        .filter_map(|op| match op {
            Op::Read(offset, length) => Some((*offset, offset + length)),
            _ => None,
        })
        .collect();
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
    let manifest = Op::Write(area, SLOT_AREA_LEN as u64);
    assert_eq!(log[..2], [manifest, Op::Flush]);
    let flushes: Vec<usize> = (0..log.len()).filter(|i| log[*i] == Op::Flush).collect();
    let [_, content, last] = flushes[..] else {
        panic!("{flushes:?}");
    };
    let index_end = sample.head.manifest.index_offset() + sample.head.manifest.index_len;
    let written = &log[2..content];
    assert!(
        written
            .iter()
            .all(|op| matches!(op, Op::Write(at, _) if *at < index_end))
    );
    assert_eq!(written.len(), sample.groups().len() + 1);
    // Between the flush of the content and the manifest, all of it is read back.
    assert_eq!(log[last - 1], manifest);
    let proof = &log[content + 1..last - 1];
    assert!(proof.iter().all(|op| matches!(op, Op::Read(..))));
    assert!(all_read(proof, index_end));
    let after = &log[last + 1..];
    assert!(after.contains(&Op::Read(area, SLOT_AREA_LEN as u64)));
    assert!(after.iter().all(|op| matches!(op, Op::Read(..))));
}

#[test]
fn a_device_that_loses_a_write_is_found_out_before_the_manifest_is_there() {
    let sample = Sample::new();
    for place in sample
        .groups()
        .into_iter()
        .chain([sample.head.manifest.index_offset()])
    {
        let mut device = sample.device();
        device.loses = Some(place);
        let error = sample.install(&device).unwrap_err();
        assert_eq!(error.code, Code::ReadBackDiffers);
        assert!(device.area().iter().all(|byte| *byte == 0), "{place}");
    }
    let mut device = sample.device();
    device.loses = Some(device.len() - SLOT_AREA_LEN as u64);
    let error = sample.install(&device).unwrap_err();
    assert_eq!(error.code, Code::ReadBackDiffers);
}

#[test]
fn an_error_of_any_flush_fails_the_install() {
    let sample = Sample::new();
    for flush in 1..=3 {
        let mut device = sample.device();
        device.fails_in_flush = Some(flush);
        assert_eq!(sample.install(&device).unwrap_err().exit(), Exit::Io);
    }
    sample.install(&sample.device()).unwrap();
}
