//! How often a command reads what it decides by.

use crate::ground::{Ground, slot};
use bootshim::handover::Handover;
use bootshim::layout::Layout;
use bootshim::medium::Access;
use bootshim::record::{Record, State};
use bootshim::state::Next;
use controller::bootshim_update::is_missing;
use controller::disk::Disk;
use controller::found::Found;
use controller::next_boot;
use controller::progress::Quiet;
use controller::verify;
use fakedisk::{Asked, FakeDisk};
use images::SLOT_AREA_LEN;
use install::activation::{How, activate, rollback};
use std::sync::Arc;

/// Does this on a disk with version 1, good, in slot a, which runs, and version 2,
/// ready, in slot b.
fn reads_once(name: &str, act: impl FnOnce(&Disk, &Ground)) {
    let ground = Ground::get();
    let content = ground.after(|disk| {
        ground.install(disk, 2, false).unwrap();
    });
    let record = crate::ground::record(&content).unwrap();
    let handover = Handover {
        slot: slot(0),
        disk: record.partition,
        boot: record.sequence,
        manifest: record.slot(slot(0)).manifest,
    };
    let device = Arc::new(FakeDisk::of(content));
    act(&Disk::on(device.clone(), Some(handover)).unwrap(), ground);
    assert_reads_once(name, &device.asked(), &ground.layout);
}

/// No manifest is read twice with nothing written there in between.
pub fn assert_reads_once(name: &str, asked: &[Asked], layout: &Layout) {
    for (number, partition) in layout.slots.iter().enumerate() {
        let end = partition.extent.start + partition.extent.len;
        let area = end - SLOT_AREA_LEN as u64;
        let within =
            |asked: &&Asked| asked.offset < end && asked.offset + asked.length as u64 > area;
        let mut read = 0;
        for asked in asked.iter().filter(within) {
            read = match asked.access {
                Access::Read => read + 1,
                _ => 0,
            };
            assert!(
                read < 2,
                "{name}: the manifest of slot {number} is read twice"
            );
        }
    }
}

#[test]
fn no_command_reads_a_manifest_twice() {
    for version in [1, 2, 3] {
        reads_once(&format!("install of version {version}"), |disk, ground| {
            ground.install(disk, version, true).unwrap();
        });
    }
    reads_once("whether a bootshim is missing", |disk, ground| {
        let (record, _) = disk.read_record().unwrap();
        assert!(!is_missing(&Found::new(disk, record, &ground.trusted)));
    });
    reads_once("next-boot", |disk, ground| {
        next_boot::ask(disk, &ground.trusted).unwrap();
    });
    reads_once("activate", |disk, ground| {
        let trusted = Ok(ground.trusted.clone());
        activate(disk, slot(1), How::Once, trusted, &Quiet).unwrap();
    });
    reads_once("rollback", |disk, ground| {
        let both_good = |record: &Record, note| {
            let mut next = record.clone();
            let mut other = *next.slot(slot(1));
            (other.state, other.priority) = (State::Good, 2);
            next.set_slot(slot(1), other);
            Ok((Next::by_hand(next), note))
        };
        disk.update(both_good).unwrap();
        let (to, _) = rollback(disk, Ok(ground.trusted.clone()), &Quiet).unwrap();
        assert_eq!(to, slot(1));
    });
    reads_once("verify", |disk, ground| {
        let (record, _) = disk.read_record().unwrap();
        let found = Found::new(disk, record, &ground.trusted);
        for slot in [slot(0), slot(1)] {
            verify::slot(&found, slot, &Quiet).unwrap();
        }
    });
}
