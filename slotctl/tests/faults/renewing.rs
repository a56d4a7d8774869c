//! A device that fails while the bootshim of an image takes its place on the ESP.

use crate::reads::assert_reads_once;
use crate::report::Report;
use bootshim::handover::Handover;
use bootshim::record::{SlotId, State};
use controller::date::Date;
use controller::disk::Disk;
use controller::efi_program::Program;
use controller::error::{Error, Result};
use controller::esp;
use controller::next_boot;
use controller::progress::Quiet;
use controller::running::Running;
use fakedisk::{Content, FakeDisk, Injection, Wrong, image, inputs, key, program as sample};
use images::build::Inputs;
use images::digest;
use images::trust::Trust;
use install::Compatible;
use install::source::{Settings, Source};
use make::{Options, Sizes, create};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// A disk from which slot b runs, started by the bootshim that it brings.
struct Scene {
    content: Content,
    handover: Handover,
    good: bool,
    old: Program,
    new: Program,
}

impl Scene {
    /// On trial, or good already, and its bootshim was never made ready.
    fn new(good: bool) -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let (key, spare) = (key(7).public(), key(8).public());
        let built = Program::parse(sample::program(0x8664)).unwrap();
        let old = built.clone().with_trust(&[key]).unwrap();
        let new = built.with_trust(&[key, spare]).unwrap();
        let brought = directory.path().join("new.efi");
        new.save(&brought).unwrap();
        let path = directory.path().join("disk.img");
        let sizes = Sizes {
            slots: 2,
            slot: Some(2 * MIB),
            esp: 2 * MIB,
            data: Some(0),
            ..Sizes::new(10 * MIB)
        };
        let options = Options {
            sizes,
            bootshim: old.clone(),
            compatible: None,
            seed: Some("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()),
            date: Date(1_700_000_000),
        };
        create(&path, &options).unwrap().publish().unwrap();
        let device = Arc::new(FakeDisk::of(Content::of(&fs::read(&path).unwrap())));
        let disk = Disk::on(device.clone(), None).unwrap();
        let trusted = Trust::direct([key]);
        let inputs = |version| {
            let piece: &[u8] = &[version; 4096];
            inputs(directory.path(), version, [piece, piece, &[]])
        };
        put(&disk, &trusted, &image(&inputs(1)), false);
        disk.provision(SlotId::new(0).unwrap()).unwrap();
        let second = Inputs {
            bootshim: Some(brought),
            ..inputs(2)
        };
        put(&disk, &trusted, &image(&second), true);
        next_boot::arm(&disk, &trusted).unwrap();
        let (record, _) = disk.read_record().unwrap();
        let slot = SlotId::new(1).unwrap();
        let handover = Handover {
            slot,
            disk: record.partition,
            boot: record.sequence,
            manifest: record.slot(slot).manifest,
        };
        if good {
            Running::new(&disk, &handover).confirm().unwrap();
        }
        Scene {
            handover,
            good,
            content: device.durable(),
            old,
            new,
        }
    }

    /// What `slotctl confirm` does, where the slot is not good yet; whether a
    /// bootshim came to the ESP.
    fn confirm(&self, device: &Arc<FakeDisk>) -> Result<bool> {
        let disk = Disk::on(device.clone(), Some(self.handover))?;
        let started_by = Some(digest(self.new.bytes()));
        let running = Running::new(&disk, &self.handover).started_by(started_by);
        let (record, _) = disk.read_record()?;
        if record.slot(self.handover.slot).state != State::Good {
            running.confirm()?;
        }
        running.renew()
    }

    fn attempt(&self, injection: Injection) -> std::result::Result<bool, String> {
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        let passes = !matches!(injection.wrong, Wrong::Dies | Wrong::Vanishes);
        device.inject([injection]);
        let done = self.confirm(&device);
        assert!(device.all_struck());
        // What could not be read before the commit is read again after it.
        if passes && !self.good && done == Ok(false) {
            return Err("it did not come to the ESP, and nobody says why".into());
        }
        for after in [device.content(), device.durable()] {
            self.judge(&done, &after)?;
        }
        Ok(done.is_ok())
    }

    /// Firmware finds a whole bootshim, and the new one where that was said; once
    /// the device works again, the rest is done.
    fn judge(&self, done: &Result<bool>, after: &Content) -> std::result::Result<(), String> {
        let words = |error: Error| error.to_string();
        let found = self.active(after).map_err(words)?;
        match done {
            Ok(true) if found != self.new.bytes() => {
                return Err("it is said to be there, and is not".into());
            }
            _ if found != self.old.bytes() && found != self.new.bytes() => {
                return Err("firmware finds neither the old one nor the new one".into());
            }
            _ => {}
        }
        let device = Arc::new(FakeDisk::of(after.clone()));
        self.confirm(&device).map_err(words)?;
        match self.active(&device.durable()).map_err(words)? {
            found if found == self.new.bytes() => Ok(()),
            _ => Err("gone on with, the new one is not there".into()),
        }
    }

    fn active(&self, content: &Content) -> Result<Vec<u8>> {
        let disk = Disk::on(Arc::new(FakeDisk::of(content.clone())), None)?;
        let program = esp::read_program(disk.whole()?, disk.layout())?;
        Ok(program.bytes().to_vec())
    }
}

fn put(disk: &Disk, trusted: &Trust, image: &Path, activate: bool) {
    let mut source = Source::open(image.to_str().unwrap(), &Settings::default()).unwrap();
    let request = install::Request {
        activate,
        ..Default::default()
    };
    install::install(
        disk,
        trusted,
        &Compatible::AsTheDisk,
        &mut source,
        &request,
        &Quiet,
    )
    .unwrap();
}

#[test]
fn a_device_that_fails_at_any_access_while_a_bootshim_is_replaced_leaves_a_whole_one() {
    let mut report = Report::new("bootshim replaced");
    for (name, good) in [("on trial", false), ("good", true)] {
        let scene = Scene::new(good);
        let device = Arc::new(FakeDisk::of(scene.content.clone()));
        assert_eq!(scene.confirm(&device), Ok(true));
        let asked = device.asked();
        let disk = Disk::on(device, None).unwrap();
        assert_reads_once("confirm", &asked, disk.layout());
        report.try_all(name, &asked, |injection| scene.attempt(injection));
    }
    report.end();
}

#[test]
fn a_slot_whose_image_brings_no_bootshim_asks_nothing_of_the_others() {
    let scene = Scene::new(true);
    let device = Arc::new(FakeDisk::of(scene.content));
    let (record, _) = Disk::on(device.clone(), None)
        .unwrap()
        .read_record()
        .unwrap();
    let slot = SlotId::new(0).unwrap();
    let handover = Handover {
        slot,
        manifest: record.slot(slot).manifest,
        ..scene.handover
    };
    let disk = Disk::on(device.clone(), Some(handover)).unwrap();
    assert_eq!(Running::new(&disk, &handover).renew(), Ok(false));
    let other = disk.layout().slots[1].extent;
    let within = |offset| (other.start..other.start + other.len).contains(&offset);
    assert!(!device.asked().iter().any(|asked| within(asked.offset)));
}
