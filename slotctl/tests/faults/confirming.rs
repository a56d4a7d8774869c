//! A device that fails while a trial is confirmed.

use crate::ground::{Ground, record, slot};
use crate::judge::{self, Place};
use crate::report::Report;
use bootshim::handover::Handover;
use bootshim::record::State;
use controller::code::Exit;
use controller::disk::{Committed, Disk};
use controller::error::Result;
use controller::next_boot;
use controller::running::Running;
use fakedisk::{Content, FakeDisk, Injection};
use std::sync::Arc;

/// A disk from which slot b runs, on trial.
struct Scene {
    content: Content,
    handover: Handover,
}

impl Scene {
    fn new() -> Scene {
        let ground = Ground::get();
        let content = ground.after(|disk| {
            ground.install(disk, 2, true).unwrap();
            next_boot::arm(disk, &ground.trusted).unwrap();
        });
        let record = record(&content).unwrap();
        let handover = Handover {
            slot: slot(1),
            disk: record.partition,
            boot: record.sequence,
            manifest: record.slot(slot(1)).manifest,
        };
        Scene { content, handover }
    }

    fn confirm(&self, device: &Arc<FakeDisk>) -> Result<Committed> {
        let disk = Disk::on(device.clone(), Some(self.handover))?;
        Running::new(&disk, &self.handover).confirm()
    }

    fn attempt(&self, injection: Injection) -> std::result::Result<bool, String> {
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        device.inject([injection]);
        let done = self.confirm(&device);
        assert!(device.all_struck());
        if let Err(error) = &done
            && error.exit() != Exit::Io
        {
            return Err(format!("{error:?}"));
        }
        for after in [device.durable(), device.content()] {
            self.judge(done.is_ok(), &after)?;
        }
        Ok(done.is_ok())
    }

    fn judge(&self, confirmed: bool, after: &Content) -> std::result::Result<(), String> {
        let changed = judge::changed(&self.content, after)?;
        if changed.iter().any(|place| *place != Place::Record) {
            return Err(format!("{changed:?} was written"));
        }
        let state = |content| record(content).map(|record| record.slot(slot(1)).state);
        if confirmed && state(after) != Some(State::Good) {
            return Err(format!("confirmed, and it is {:?}", state(after)));
        }
        judge::next_start(&judge::healed(after))?;
        let device = Arc::new(FakeDisk::of(after.clone()));
        self.confirm(&device)
            .map_err(|error| format!("the next confirm: {error}"))?;
        let durable = device.durable();
        match state(&durable) {
            Some(State::Good) => judge::next_install_works(&judge::healed(&durable), 3),
            other => Err(format!("after the next confirm it is {other:?}")),
        }
    }
}

#[test]
fn a_device_that_fails_at_any_access_of_a_confirm_loses_neither_the_trial_nor_the_confirm() {
    let mut report = Report::new("confirm");
    let scene = Scene::new();
    let device = Arc::new(FakeDisk::of(scene.content.clone()));
    scene.confirm(&device).unwrap();
    report.try_all("confirm", &device.asked(), |injection| {
        scene.attempt(injection)
    });
    report.end();
}
