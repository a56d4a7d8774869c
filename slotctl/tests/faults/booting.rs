//! A device that fails while a slot is being started.

use crate::ground::{Ground, record, slot};
use crate::judge::{self, Place};
use crate::report::Report;
use bootshim::choice::StartKind;
use bootshim::copies::{COPIES, SPACING};
use bootshim::medium::Medium;
use bootshim::record::SlotId;
use controller::disk::Disk;
use controller::medium::Mode;
use controller::next_boot;
use controller::progress::Quiet;
use fakedisk::{Asked, Content, FakeDisk, Injection, Wrong};
use install::activation::{self, How};
use std::sync::Arc;

/// A disk that is started from.
struct Scene {
    name: &'static str,
    content: Content,
}

impl Scene {
    fn all() -> Vec<Scene> {
        let ground = Ground::get();
        let scene = |name, act: &dyn Fn(&Disk)| {
            let content = ground.after(|disk| {
                ground.install(disk, 2, false).unwrap();
                act(disk);
            });
            Scene { name, content }
        };
        let activate = |disk: &Disk, how| {
            let trusted = Ok(ground.trusted.clone());
            activation::activate(disk, slot(1), how, trusted, &Quiet).unwrap();
        };
        vec![
            scene("good", &|_| {}),
            scene("trial", &|disk| activate(disk, How::Trial(None))),
            scene("last try", &|disk| activate(disk, How::Trial(Some(1)))),
            scene("no try left", &|disk| {
                activate(disk, How::Trial(Some(1)));
                next_boot::arm(disk, &ground.trusted).unwrap();
            }),
            scene("once", &|disk| activate(disk, How::Once)),
            scene("record lost", &|disk| {
                let record = disk.record(Mode::Write).unwrap();
                for copy in 0..COPIES as u64 {
                    record.write_at(copy * SPACING, &[0; 4096]).unwrap();
                }
                record.flush().unwrap();
            }),
        ]
    }

    /// What starts on this device.
    fn start(&self, device: &Arc<FakeDisk>, injection: Option<Injection>) -> Started {
        let disk = Disk::on(device.clone(), None).unwrap();
        device.asked();
        device.inject(injection);
        let next = next_boot::arm(&disk, &Ground::get().trusted).unwrap();
        (next.choice, next.said)
    }

    fn accesses(&self) -> Vec<Asked> {
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        self.start(&device, None).0.unwrap();
        device.asked()
    }

    /// Whether what would have started without the fault started all the same,
    /// or the promise that was broken.
    fn attempt(&self, injection: Injection) -> Result<bool, String> {
        let usual = self
            .start(&Arc::new(FakeDisk::of(self.content.clone())), None)
            .0;
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        let wrong = injection.wrong;
        let (choice, said) = self.start(&device, Some(injection));
        assert!(device.all_struck());
        let said = |why: String| format!("{why}; it said: {}", said.join("; "));
        if choice.is_none() && wrong != Wrong::Vanishes {
            return Err(said("nothing starts".into()));
        }
        let (now, durable) = (device.content(), device.durable());
        self.judge(choice, &durable).map_err(&said)?;
        if now != durable {
            self.judge(choice, &now).map_err(&said)?;
        }
        Ok(choice == usual)
    }

    fn judge(&self, choice: Option<(SlotId, StartKind)>, after: &Content) -> Result<(), String> {
        let changed = judge::changed(&self.content, after)?;
        if changed.iter().any(|place| *place != Place::Record) {
            return Err(format!("{changed:?} was written"));
        }
        judge::no_success_was_invented(&self.content, after)?;
        let disk = judge::healed(after);
        if let Some((started, kind)) = choice {
            self.durable(started, kind, after)?;
            if record(after).is_some() {
                judge::verifies(&disk, started)?;
            }
        }
        judge::next_start(&disk)?;
        judge::next_install_works(&disk, 3)
    }

    /// No trial and no one-shot starts unless a record says so that survives a
    /// power cut.
    fn durable(&self, started: SlotId, kind: StartKind, after: &Content) -> Result<(), String> {
        if !matches!(kind, StartKind::Trial | StartKind::Once) {
            return Ok(());
        }
        let record = record(after).ok_or("started without a record")?;
        let armed = record.armed.map(|armed| (armed.slot, Some(armed.as_what)));
        if armed != Some((started, kind.arming())) || record.once.is_some() {
            return Err(format!("slot {started} started as {kind}, not durably"));
        }
        Ok(())
    }
}

type Started = (Option<(SlotId, StartKind)>, Vec<String>);

#[test]
fn a_device_that_fails_at_any_access_of_a_start_still_starts_a_slot_that_verifies() {
    let mut report = Report::new("boot");
    for scene in Scene::all() {
        let accesses = scene.accesses();
        report.try_all(scene.name, &accesses, |injection| scene.attempt(injection));
    }
    report.end();
}
