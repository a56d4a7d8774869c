//! What a controller has before its device fails: a disk with version 1, good,
//! in slot a, and images to install.

use crate::content::Content;
use crate::device::Device;
use bootshim::copies::{Note, Store};
use bootshim::guid::Guid;
use bootshim::layout::{Layout, RECORD_LEN, RECORD_NAME, RECORD_TYPE, SLOT_TYPE};
use bootshim::medium::Part;
use bootshim::record::{Record, SlotId};
use bootshim::state::Next;
use controller::disk::Disk;
use controller::error::Result;
use controller::medium::Mode;
use controller::progress::Quiet;
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use images::build::{Boot, Inputs, build};
use images::key::SecretKey;
use images::trust::Trust;
use install::source::{Settings, Source};
use install::{Compatible, Outcome, Request};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Seek};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use uuid::Uuid;

const MIB: u64 = 1 << 20;
/// Where the first slot begins.
const SLOTS: u64 = MIB + RECORD_LEN;
/// Room for the manifest area and a few pieces.
const SLOT: u64 = 128 << 10;
const COUNT: usize = 3;
const MACHINE: &str = "plc-4";

/// Disk, images and key.
pub struct Ground {
    pub content: Content,
    pub layout: Layout,
    pub trusted: Trust,
    images: [PathBuf; 3],
    _directory: TempDir,
}

impl Ground {
    /// That of this process.
    pub fn get() -> &'static Ground {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(Ground::make)
    }

    fn make() -> Ground {
        let directory = TempDir::new().unwrap();
        let key = SecretKey::from_seed(&[7; 32]);
        let images = [1, 2, 3].map(|version| image(&directory, version, &key));
        let content = Content::new(&blank());
        let table = bootshim::gpt::read_any_sector(&Device::new(&content)).unwrap();
        let mut ground = Ground {
            layout: Layout::find(&table).unwrap(),
            content,
            trusted: Trust::direct([key.public()]),
            images,
            _directory: directory,
        };
        ground.content = ground.after(|disk| {
            let record = disk.record(Mode::Write).unwrap();
            let id = disk.layout().record.id;
            Store::open(record, id)
                .commit_everywhere(Next::by_hand(Record::new(id, COUNT)), Note::default())
                .unwrap();
            let done = ground.install(disk, 1, false).unwrap();
            disk.provision(done.slot).unwrap();
        });
        ground
    }

    /// The disk after something was done to it.
    pub fn after(&self, act: impl FnOnce(&Disk)) -> Content {
        let device = Arc::new(Device::new(&self.content));
        act(&Disk::on(device.clone(), None).unwrap());
        let [now, durable] = device.content();
        assert!(now == durable, "something was not flushed");
        now
    }

    /// Installs the image with this version.
    pub fn install(&self, disk: &Disk, version: usize, activate: bool) -> Result<Outcome> {
        let image = self.images[version - 1].to_str().unwrap();
        let here = Compatible {
            name: MACHINE.into(),
            from: "a test".into(),
        };
        let request = Request {
            activate,
            ..Request::default()
        };
        let mut source = Source::open(image, &Settings::default()).unwrap();
        install::install(
            disk,
            &self.trusted,
            Some(&here),
            &mut source,
            &request,
            &Quiet,
        )
    }
}

/// Slot a, b or c.
pub fn slot(index: usize) -> SlotId {
    SlotId::new(index).unwrap()
}

/// The record of a disk, where it has one.
pub fn record(content: &Content) -> Option<Record> {
    let place = &Ground::get().layout.record;
    let part = Part::new(Device::new(content), place.extent);
    Store::open(part, place.id).record().cloned()
}

/// Three pieces, of which no byte is like those of another version.
fn image(directory: &TempDir, version: u8, key: &SecretKey) -> PathBuf {
    let part = |name: &str, length: usize| {
        let path = directory.path().join(format!("{name}-{version}"));
        let mut bytes = vec![0; length];
        let mut seed = blake3::Hasher::new();
        seed.update(path.file_name().unwrap().as_encoded_bytes());
        seed.finalize_xof().fill(&mut bytes);
        fs::write(&path, bytes).unwrap();
        path
    };
    let inputs = Inputs {
        rootfs: part("root", 16384),
        boot: Boot::Kernel {
            kernel: part("kernel", 8000),
            initrd: Some(part("initrd", 5000)),
        },
        cmdline: "ro".into(),
        compatible: MACHINE.into(),
        version: version.to_string(),
        security_version: 1,
        revoke_below: 0,
        watchdog_seconds: 0,
        keys: vec![key.clone()],
        key_set: None,
        bootshim: None,
    };
    let out = directory.path().join(format!("v{version}.slotimg"));
    build(&inputs, &out, &|_, _| {}).unwrap();
    out
}

/// A disk with its table, and nothing else.
fn blank() -> Vec<u8> {
    let len = SLOTS + SLOT * COUNT as u64 + 16 * 4096;
    let mut disk = Cursor::new(vec![0; usize::try_from(len).unwrap()]);
    let sectors = u32::try_from(len / 512).unwrap();
    ProtectiveMBR::with_lb_size(sectors - 1)
        .overwrite_lba0(&mut disk)
        .unwrap();
    disk.rewind().unwrap();
    let record = partition(RECORD_TYPE, RECORD_NAME, MIB, RECORD_LEN);
    let slots = SlotId::all().take(COUNT).zip(0u64..);
    let slots = slots
        .map(|(id, place)| partition(SLOT_TYPE, &id.partition_name(), SLOTS + place * SLOT, SLOT));
    let partitions: BTreeMap<u32, Partition> =
        (1..).zip(std::iter::once(record).chain(slots)).collect();
    let config = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config
        .create_from_device(disk, Some(Uuid::from_u128(1)))
        .unwrap();
    table.update_partitions(partitions).unwrap();
    table.write().unwrap().into_inner()
}

fn partition(kind: Guid, name: &str, start: u64, len: u64) -> Partition {
    Partition {
        part_type_guid: Type {
            guid: Uuid::from_bytes(kind.written()),
            os: OperatingSystem::None,
        },
        part_guid: Uuid::from_u128(u128::from(start) << 64 | 0x5107),
        first_lba: start / 512,
        last_lba: (start + len) / 512 - 1,
        flags: 0,
        name: name.into(),
    }
}
