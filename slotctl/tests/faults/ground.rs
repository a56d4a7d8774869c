//! What a controller has before its device fails: a disk with version 1, good,
//! in slot a, and images to install.

use bootshim::copies::{Note, Store};
use bootshim::layout::Layout;
use bootshim::medium::Window;
use bootshim::record::{Record, SlotId};
use bootshim::state::Next;
use controller::disk::Disk;
use controller::error::Result;
use controller::medium::Mode;
use controller::progress::Quiet;
use fakedisk::{Content, FakeDisk, blank, image, inputs, key, noise};
use images::trust::Trust;
use install::source::{Settings, Source};
use install::{Compatible, Outcome, Request};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// Room for the manifest area and a few pieces.
const SLOT: u64 = 128 << 10;
const COUNT: usize = 3;

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
        // No byte of a piece is like that of another version.
        let images = [1, 2, 3].map(|version| {
            let piece = |name, length| noise(&format!("{name}-{version}"), length);
            let (root, kernel) = (piece("root", 16384), piece("kernel", 8000));
            let pieces: [&[u8]; 3] = [&root, &kernel, &piece("initrd", 5000)];
            image(&inputs(directory.path(), version, pieces))
        });
        let content = blank(COUNT, SLOT);
        let table = bootshim::gpt::read_any_sector(&FakeDisk::of(content.clone())).unwrap();
        let mut ground = Ground {
            layout: Layout::find(&table).unwrap(),
            content,
            trusted: Trust::direct([key(7).public()]),
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
        let device = Arc::new(FakeDisk::of(self.content.clone()));
        act(&Disk::on(device.clone(), None).unwrap());
        assert!(!device.is_unflushed(), "something was not flushed");
        device.content()
    }

    /// Installs the image with this version.
    pub fn install(&self, disk: &Disk, version: usize, activate: bool) -> Result<Outcome> {
        let image = self.images[version - 1].to_str().unwrap();
        let here = Compatible::Named {
            name: "plc".into(),
            from: "a test".into(),
        };
        let request = Request {
            activate,
            ..Request::default()
        };
        let mut source = Source::open(image, &Settings::default()).unwrap();
        install::install(disk, &self.trusted, &here, &mut source, &request, &Quiet)
    }
}

/// Slot a, b or c.
pub fn slot(index: usize) -> SlotId {
    SlotId::new(index).unwrap()
}

/// The record of a disk, where it has one.
pub fn record(content: &Content) -> Option<Record> {
    let place = &Ground::get().layout.record;
    let part = Window::new(FakeDisk::of(content.clone()), place.extent);
    Store::open(part, place.id).record().cloned()
}
