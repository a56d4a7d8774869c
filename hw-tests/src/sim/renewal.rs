//! Cuts while a bootshim takes the place of another on the ESP: a real disk with a
//! real filesystem, confirmed by the very code that does it on a controller.

use super::cuts::{Cut, Fault, Grain, How, Tail, enumerate, flushed};
use super::explorer::apply;
use bootshim::handover::Handover;
use bootshim::medium::Extent;
use bootshim::record::{Digest, SlotId, State};
use controller::date::Date;
use controller::disk::{Device, Disk};
use controller::efi_program::Program;
use controller::esp;
use controller::next_boot;
use controller::progress::Quiet;
use controller::running::Running;
use fakedisk::{BYTES, Content, Epoch, FakeDisk, image, inputs, key};
use images::build::Inputs;
use images::trust::Trust;
use install::source::{Settings, Source};
use install::{Compatible, Request};
use make::{Options, Sizes, create};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// What was tried, and what failed.
#[derive(Debug, Default)]
pub struct Renewals {
    /// Disks after a cut.
    pub crashes: u64,
    /// Of these, disks on which firmware starts the new bootshim.
    pub new: u64,
    /// Of these, disks after a second cut, while the first was mended.
    pub second: u64,
    /// What was broken, in words.
    pub violations: Vec<String>,
}

impl fmt::Display for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bootshim: {} crash states ({} with the new one, {} after a second cut), {} violations",
            self.crashes,
            self.new,
            self.second,
            self.violations.len()
        )
    }
}

/// Cuts the confirm of an image that brings the bootshim `program`, on a disk with
/// an ESP of so many MiB, at every write, and once more after each.
#[must_use]
pub fn renewals(program: &Path, esp_mib: u64) -> Renewals {
    let bench = Bench::new(program, esp_mib);
    let mut all = Renewals::default();
    let trial = bench.trial(&bench.start);
    let started_by = Some(bench.new);
    let first = bench.confirm(&bench.start, trial, started_by);
    bench.judge_end(&first.0, "not cut at all", &mut all);
    bench.cut(&bench.start, &first.1, 16, &mut |how, after| {
        all.crashes += 1;
        let Some(next) = bench.judge(after, how, &mut all) else {
            return;
        };
        let (ended, epochs) = bench.confirm(after, next.handover, next.started_by);
        bench.judge_end(&ended, how, &mut all);
        // Once more, at every write and flush.
        bench.cut(after, &epochs, 0, &mut |again, after| {
            let how = format!("{how}, then {again}");
            all.crashes += 1;
            all.second += 1;
            if let Some(next) = bench.judge(after, &how, &mut all) {
                let (ended, _) = bench.confirm(after, next.handover, next.started_by);
                bench.judge_end(&ended, &how, &mut all);
            }
        });
    });
    all
}

/// How the machine starts after a cut.
struct Next {
    handover: Handover,
    started_by: Option<Digest>,
}

struct Bench {
    trusted: Trust,
    /// The disk with version 2 on trial in slot b, before that start.
    start: Content,
    esp: Extent,
    record: Extent,
    old: Vec<u8>,
    new_bytes: Vec<u8>,
    new: Digest,
    _directory: TempDir,
}

impl Bench {
    fn new(program: &Path, esp_mib: u64) -> Bench {
        let directory = TempDir::new().unwrap();
        let (key, other) = (key(7).public(), key(8).public());
        let built = Program::load(program).unwrap();
        let old = built.clone().with_trust(&[key]).unwrap();
        let new = built.with_trust(&[key, other]).unwrap();
        let brought = directory.path().join("new.efi");
        new.save(&brought).unwrap();
        let path = directory.path().join("disk.img");
        let sizes = Sizes {
            slots: 2,
            slot: Some(2 * MIB),
            esp: esp_mib * MIB,
            data: Some(0),
            ..Sizes::new((esp_mib + 8) * MIB)
        };
        let options = Options {
            sizes,
            bootshim: old.clone(),
            compatible: Some("plc".into()),
            seed: Some("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()),
            date: Date(1_700_000_000),
        };
        create(&path, &options).unwrap().publish().unwrap();
        let layout = Disk::open(&path).unwrap().layout().clone();
        let trusted = Trust::direct([key]);
        let blank = Content::of(&fs::read(&path).unwrap());
        let on = Arc::new(FakeDisk::of(blank));
        let disk = Disk::on(Arc::clone(&on) as Arc<dyn Device>, None).unwrap();
        let inputs = |version| {
            let piece: &[u8] = &[version; BYTES];
            inputs(directory.path(), version, [piece, piece, &[]])
        };
        put(&disk, &trusted, &image(&inputs(1)), false);
        disk.provision(SlotId::new(0).unwrap()).unwrap();
        let second = Inputs {
            bootshim: Some(brought),
            ..inputs(2)
        };
        put(&disk, &trusted, &image(&second), true);
        Bench {
            trusted,
            start: on.content(),
            esp: layout.esp.unwrap().extent,
            record: layout.record.extent,
            new: images::digest(new.bytes()),
            old: old.bytes().to_vec(),
            new_bytes: new.bytes().to_vec(),
            _directory: directory,
        }
    }

    /// The machine is started and the bootshim of its image gets the trial.
    fn trial(&self, content: &Content) -> Handover {
        self.boot(&mut content.clone()).unwrap()
    }

    /// A start by the bootshim on the ESP, and what it hands over.
    fn boot(&self, content: &mut Content) -> Result<Handover, String> {
        let on = Arc::new(FakeDisk::of(content.clone()));
        let words = |error: controller::error::Error| error.to_string();
        let disk = Disk::on(Arc::clone(&on) as Arc<dyn Device>, None).map_err(words)?;
        let next = next_boot::arm(&disk, &self.trusted).map_err(words)?;
        let (slot, _) = next.choice.ok_or_else(|| next.said.join("; "))?;
        let (record, _) = disk.read_record().map_err(words)?;
        *content = on.content();
        Ok(Handover {
            slot,
            disk: record.partition,
            boot: record.sequence,
            manifest: record.slot(slot).manifest,
        })
    }

    /// What `slotctl confirm` and `watch` do; the disk then, and what was written.
    fn confirm(
        &self,
        content: &Content,
        handover: Handover,
        started_by: Option<Digest>,
    ) -> (Content, Vec<Epoch>) {
        // The start itself is cut elsewhere.
        let mut started = content.clone();
        self.boot(&mut started).unwrap();
        let record = Disk::on(Arc::new(FakeDisk::of(started.clone())), None)
            .unwrap()
            .read_record()
            .unwrap()
            .0;
        let handover = Handover {
            boot: record.sequence,
            ..handover
        };
        let on = Arc::new(FakeDisk::of(started));
        let disk = Disk::on(Arc::clone(&on) as Arc<dyn Device>, Some(handover)).unwrap();
        let running = Running::new(&disk, &handover).started_by(started_by);
        running.confirm().unwrap();
        running.renew().unwrap();
        (on.content(), on.epochs())
    }

    /// Every disk that a cut of these writes leaves. A write to the ESP is torn
    /// between old and new bytes at any place; what a device makes of a sector that
    /// it did not finish is another matter, which no FAT survives.
    fn cut(
        &self,
        before: &Content,
        epochs: &[Epoch],
        step: usize,
        visit: &mut dyn FnMut(&str, &Content),
    ) {
        let mut started = before.clone();
        self.boot(&mut started).unwrap();
        let grain = Grain {
            record: step,
            slot: step * 32,
            samples: 64,
            seed: 0x5107,
        };
        let within = |extent: &Extent, place: usize| {
            let at = u64::try_from(place).unwrap() * 4096;
            (extent.start..extent.end().unwrap()).contains(&at)
        };
        // The block that firmware follows is torn as finely as the record.
        let swapped = epochs.last().and_then(|epoch| epoch.last());
        let swapped = swapped.map(|(place, _)| *place);
        let fine = |place| within(&self.record, place) || Some(place) == swapped;
        let flushed = flushed(&started, epochs);
        enumerate(&flushed, epochs, grain, &fine, &mut |cut: &Cut<'_>| {
            let skipped = match cut.how {
                // Second cuts are between writes.
                How::Torn { .. } if step == 0 => true,
                How::Torn { place, tail, .. } => within(&self.esp, place) && tail != Tail::Old,
                How::Lied { .. } => true,
                How::Subset { .. } | How::Cut { .. } => false,
            };
            if skipped || cut.fault == Fault::Lied {
                return;
            }
            let after = apply(&flushed[cut.flushes], cut.changed);
            visit(&cut.how.to_string(), &after);
        });
    }

    /// What must hold of a disk after a cut; how it starts next.
    fn judge(&self, after: &Content, how: &str, all: &mut Renewals) -> Option<Next> {
        match self.look(after) {
            Ok((next, new)) => {
                all.new += u64::from(new);
                Some(next)
            }
            Err(words) => {
                all.violations.push(format!("{how}: {words}"));
                None
            }
        }
    }

    fn look(&self, after: &Content) -> Result<(Next, bool), String> {
        let disk = Disk::on(Arc::new(FakeDisk::of(after.clone())), None);
        let disk = disk.map_err(|error| error.to_string())?;
        let whole = disk.whole().map_err(|error| error.to_string())?;
        let program = esp::read_program(whole, disk.layout())
            .map_err(|error| format!("firmware finds no bootshim: {error}"))?;
        let new = program.bytes() == self.new_bytes;
        if !new && program.bytes() != self.old {
            return Err("firmware finds a bootshim that is neither the old nor the new one".into());
        }
        let (record, _) = disk.read_record().map_err(|error| error.to_string())?;
        let slot = SlotId::new(1).unwrap();
        let good = record.slot(slot).state == State::Good;
        if new && !good {
            return Err("the new bootshim is there before it has started a good slot".into());
        }
        let handover = self.boot(&mut after.clone())?;
        if handover.slot != slot {
            return Err(format!("slot {} starts", handover.slot));
        }
        // The one on the ESP hands over only a trial.
        let started_by = (!good).then_some(self.new);
        Ok((
            Next {
                handover,
                started_by,
            },
            new,
        ))
    }

    /// In the end the new one is there, and the old one beside it.
    fn judge_end(&self, ended: &Content, how: &str, all: &mut Renewals) {
        let disk = Disk::on(Arc::new(FakeDisk::of(ended.clone())), None).unwrap();
        let whole = || disk.whole().unwrap();
        let program = esp::read_program(whole(), disk.layout()).unwrap();
        let spare = esp::read_spare(whole(), disk.layout(), program.machine()).unwrap();
        let waits = esp::Places::find(&disk.esp(controller::medium::Mode::Read).unwrap());
        if program.bytes() != self.new_bytes || spare != self.old || !waits.unwrap().is_whole() {
            let words = "gone on with, the new bootshim is not the one that starts";
            all.violations.push(format!("{how}: {words}"));
        }
    }
}

fn put(disk: &Disk, trusted: &Trust, image: &Path, activate: bool) {
    let request = Request {
        slot: None,
        tries: Some(8),
        activate,
        retry: false,
        dry_run: false,
        allow_downgrade: true,
        machine: None,
    };
    let mut source = Source::open(&image.display().to_string(), &Settings::default()).unwrap();
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
