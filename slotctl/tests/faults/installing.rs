//! A device that fails during an install.

use crate::ground::{Ground, record, slot};
use crate::judge::{self, Place, place_of};
use crate::report::Report;
use bootshim::choice::StartKind;
use bootshim::handover::Handover;
use controller::code::Exit;
use controller::disk::Disk;
use controller::error::{Error, Result};
use fakedisk::{Asked, Content, FakeDisk, Injection, Wrong};
use install::Outcome;
use std::sync::Arc;

/// The version that is installed.
const NEW: usize = 2;

/// A disk, and the install that is tried on it.
struct Scene {
    name: &'static str,
    content: Content,
    handover: Handover,
}

impl Scene {
    fn new(name: &'static str, content: Content) -> Scene {
        let record = record(&content).unwrap();
        let handover = Handover {
            slot: slot(0),
            disk: record.partition,
            boot: record.sequence,
            manifest: record.slot(slot(0)).manifest,
        };
        Scene {
            name,
            content,
            handover,
        }
    }

    fn all() -> Vec<Scene> {
        let ground = Ground::get();
        let once = |version| {
            ground.after(|disk| {
                ground.install(disk, version, false).unwrap();
            })
        };
        let trial = ground.after(|disk| {
            let done = ground.install(disk, 3, true).unwrap();
            assert_eq!(done.slot, slot(1));
        });
        vec![
            Scene::new("into an empty slot", ground.content.clone()),
            Scene::new("of what is ready already", once(NEW)),
            Scene::new("beside another trial", trial),
        ]
    }

    /// Installs on this device, from opening the disk to the last commit.
    fn install(&self, device: &Arc<FakeDisk>) -> Result<Outcome> {
        let disk = Disk::on(device.clone(), Some(self.handover))?;
        Ground::get().install(&disk, NEW, true)
    }

    fn accesses(&self) -> Vec<Asked> {
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        self.install(&device).unwrap();
        device.asked()
    }

    /// Whether the install bore it, or the promise that was broken.
    fn attempt(&self, injection: Injection) -> std::result::Result<bool, String> {
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        device.inject([injection.clone()]);
        let done = self.install(&device);
        assert!(device.all_struck());
        if let Err(error) = &done {
            says_what_and_where(error, &injection)?;
        }
        let (now, durable) = (device.content(), device.durable());
        self.judge(&done, &durable)?;
        if now != durable {
            self.judge(&done, &now)?;
        }
        Ok(done.is_ok())
    }

    fn judge(&self, done: &Result<Outcome>, after: &Content) -> std::result::Result<(), String> {
        let changed = judge::changed(&self.content, after)?;
        let wrote = |place: &Place| matches!(place, Place::Slot(_));
        let slots: Vec<_> = changed.iter().filter(|place| wrote(place)).collect();
        if slots.len() > 1 || slots.contains(&&Place::Slot(0)) {
            return Err(format!("{slots:?} were written"));
        }
        if let Err(Error { changed: said, .. }) = done {
            let false_word = match said.as_str() {
                "" => true,
                "nothing was written" => !changed.is_empty(),
                "no slot was changed" => !slots.is_empty(),
                _ => false,
            };
            if false_word {
                return Err(format!("it says {said:?}, and changed {changed:?}"));
            }
        }
        judge::no_success_was_invented(&self.content, after)?;
        let disk = judge::healed(after);
        let started = judge::next_start(&disk)?;
        if let Ok(done) = done
            && started != (done.slot, StartKind::Trial)
        {
            return Err(format!("installed, and then {started:?} started"));
        }
        judge::next_install_works(&disk, NEW)
    }
}

/// Exit 5; what failed, and where.
fn says_what_and_where(error: &Error, injection: &Injection) -> std::result::Result<(), String> {
    let (exit, found, wrong) = (error.exit(), &error.found, injection.wrong);
    let place = place_of(injection);
    let named = match place {
        // A copy of the record, and what another slot says, may be borne, and the next
        // access is the first to fail.
        Some(Place::Record | Place::Slot(_))
            if wrong == Wrong::Vanishes && found.contains("slot ") =>
        {
            true
        }
        // What lay in a slot is only looked at: that the device is gone is found
        // by the record's next read.
        Some(_) if wrong == Wrong::Vanishes && found.contains("the boot record") => true,
        Some(Place::Record) => found.contains("boot record"),
        Some(Place::Slot(slot)) => found.contains(["slot a", "slot b", "slot c"][slot]),
        Some(Place::Elsewhere) => found.contains("GPT"),
        None => found.contains("slot ") || found.contains("boot record"),
    };
    let exact = matches!(wrong, Wrong::Fails(_) | Wrong::Dies | Wrong::Short);
    let placed = match place {
        None => found.contains("flushing") || wrong == Wrong::Vanishes,
        Some(Place::Slot(slot)) if exact => {
            let start = Ground::get().layout.slots[slot].extent.start;
            found.contains(&format!(" at {} ", injection.place.1 - start))
        }
        Some(_) => found.contains(" at ") || found.contains("flushing"),
    };
    if exit != Exit::Io || !named || !placed {
        return Err(format!("{error:?}"));
    }
    Ok(())
}

#[test]
fn a_device_that_fails_at_any_access_of_an_install_leaves_a_controller_that_boots() {
    let mut report = Report::new("install");
    for scene in Scene::all() {
        let accesses = scene.accesses();
        report.try_all(scene.name, &accesses, |injection| scene.attempt(injection));
    }
    report.end();
}
