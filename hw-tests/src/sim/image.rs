//! The images that are installed, and what a slot holds.

use super::block::{BYTES, Block, Content};
use super::disk::{Geometry, SLOT};
use super::recorder::Recorder;
use bootshim::boot::{Defect, Facts};
use bootshim::guid::Guid;
use bootshim::medium::{Access, Cause, Fault, Medium, check_range};
use bootshim::record::{Record, SlotId, State};
use images::SLOT_AREA_LEN;
use images::build::{Boot, Inputs, build};
use images::head::Head;
use images::key::{PublicKey, SecretKey};
use slotctl::disk::Disk;
use slotctl::error::Exit;
use slotctl::progress::Quiet;
use slotctl::source::{Settings, Source};
use slotctl::verify;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tempfile::TempDir;

/// One signed image.
#[derive(Debug)]
pub(super) struct Image {
    /// Its file.
    pub(super) file: PathBuf,
    /// The digest of its manifest.
    pub(super) digest: images::Digest,
    /// Its security version.
    pub(super) security_version: u64,
    /// What a slot that holds it has where, first what bootshim reads: taken from
    /// what went into the image, not from what came out of an install.
    parts: Vec<Part>,
}

/// What a slot holds.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// What bootshim makes of it.
    pub(super) load: Result<Facts, Defect>,
    /// The image that lies there whole, by its bytes.
    pub(super) whole: Option<usize>,
    /// The image of which manifest and kernel lie there, by their bytes.
    pub(super) boots: Option<usize>,
}

/// All images, and what is known of every content that a slot ever had: a
/// signature check costs more than everything else together.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) images: Vec<Image>,
    pub(super) trusted: Vec<PublicKey>,
    geometry: Geometry,
    id: Guid,
    blank: Content,
    known: RwLock<HashMap<u64, Arc<Verdict>>>,
    _directory: TempDir,
}

impl Judge {
    /// Signs `count` images, each with a higher security version.
    pub(super) fn new(geometry: Geometry, count: u8) -> Judge {
        let directory = TempDir::new().unwrap();
        let key = SecretKey::from_seed(&[7; 32]);
        let images = (1..=count).map(|number| make(&directory, number, &key));
        Judge {
            images: images.collect(),
            trusted: vec![key.public()],
            geometry,
            id: geometry.id(),
            blank: geometry.blank(),
            known: RwLock::default(),
            _directory: directory,
        }
    }

    /// How many different contents of slots were seen.
    pub(super) fn contents(&self) -> usize {
        self.known.read().unwrap().len()
    }

    /// What a slot with this fingerprint holds.
    pub(super) fn verdict(&self, mark: u64, bytes: impl FnOnce() -> Vec<u8>) -> Arc<Verdict> {
        if let Some(known) = self.known.read().unwrap().get(&mark) {
            return Arc::clone(known);
        }
        let verdict = Arc::new(self.look(bytes()));
        let mut known = self.known.write().unwrap();
        Arc::clone(known.entry(mark).or_insert(verdict))
    }

    /// What a slot of this disk holds.
    pub(super) fn slot(&self, content: &Content, slot: usize) -> Arc<Verdict> {
        let place = self.geometry.slot(slot);
        self.verdict(content.fingerprint(place.clone()), || {
            let mut bytes = vec![0; place.len() * BYTES];
            let start = u64::try_from(place.start * BYTES).unwrap();
            content.read(start, &mut bytes);
            bytes
        })
    }

    fn look(&self, bytes: Vec<u8>) -> Verdict {
        let of = |parts: fn(&Image) -> &[Part]| {
            let lies = |image: &Image| parts(image).iter().all(|part| part.lies_in(&bytes));
            self.images.iter().position(lies)
        };
        let whole = of(|image| &image.parts);
        let boots = of(|image| &image.parts[..3]);
        let slot = Bytes(bytes);
        let load = bootshim::slot::load(&slot, &self.trusted).map(|image| image.facts());
        // Two that must agree: the bytes, and `slotctl verify`.
        if let Ok(facts) = &load {
            let verified = self.verify(facts, &slot.0);
            assert_eq!(verified, whole.is_some(), "verify and the bytes disagree");
        }
        Verdict { load, whole, boots }
    }

    fn verify(&self, facts: &Facts, slot: &[u8]) -> bool {
        let mut content = self.blank.clone();
        for (place, block) in self.geometry.slot(0).zip(slot.chunks(BYTES)) {
            content.set(place, Block::new(block.try_into().unwrap()));
        }
        let disk = Disk::on(Arc::new(Recorder::new(content)), None).unwrap();
        let first = SlotId::new(0).unwrap();
        let mut record = Record::new(self.id, self.geometry.slots);
        let mut known = *record.slot(first);
        (known.state, known.manifest) = (State::Ready, facts.manifest);
        record.set_slot(first, known);
        match verify::slot(&disk, &record, first, &self.trusted, &Quiet) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.exit, Exit::NotAuthentic, "{error}");
                false
            }
        }
    }
}

/// Bytes of an image, and where they lie in a slot.
#[derive(Debug)]
struct Part {
    at: usize,
    bytes: Vec<u8>,
}

impl Part {
    fn lies_in(&self, slot: &[u8]) -> bool {
        slot[self.at..self.at + self.bytes.len()] == *self.bytes
    }
}

fn make(directory: &TempDir, number: u8, key: &SecretKey) -> Image {
    let noise = |name: &str, variant: u8, len: usize| {
        let mut bytes = vec![0; len];
        let seed = [&[variant], name.as_bytes()].concat();
        blake3::Hasher::new()
            .update(&seed)
            .finalize_xof()
            .fill(&mut bytes);
        let path = directory.path().join(format!("{name}-{number}"));
        fs::write(&path, &bytes).unwrap();
        (path, bytes)
    };
    let (rootfs, root) = noise("root", number, 8192);
    let (kernel, kernel_bytes) = noise("kernel", number, 4096);
    // The same in all images: where one takes the place of another, this piece is
    // kept and not written.
    let (initrd, initrd_bytes) = noise("initrd", 0, 4096);
    let inputs = Inputs {
        rootfs,
        boot: Boot::Kernel {
            kernel,
            initrd: Some(initrd),
        },
        cmdline: "ro".into(),
        compatible: "plc".into(),
        version: number.to_string(),
        security_version: u64::from(number),
        watchdog_seconds: 0,
        keys: vec![key.clone()],
    };
    let file = directory.path().join(format!("v{number}.slotimg"));
    build(&inputs, &file, &|_, _| {}).unwrap();
    let mut source = Source::open(&file.display().to_string(), &Settings::default()).unwrap();
    let (header, rest) = source.head().unwrap();
    let head = Head::open(&header, &rest, &[key.public()]).unwrap();
    let index = usize::try_from(head.manifest.index_offset()).unwrap();
    let area = SLOT * BYTES - SLOT_AREA_LEN;
    let part = |at, bytes| Part { at, bytes };
    Image {
        file,
        digest: head.digest,
        security_version: head.manifest.security_version,
        parts: vec![
            part(area, head.slot_area().unwrap()),
            part(8192, kernel_bytes),
            part(12288, initrd_bytes),
            part(0, root),
            part(index, head.index_bytes.clone()),
        ],
    }
}

/// The bytes of a slot, to be read.
struct Bytes(Vec<u8>);

impl Medium for Bytes {
    fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        let at = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.0[at..at + buf.len()]);
        Ok(())
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        Err(refused(Access::Write, offset, data.len()))
    }
    fn flush(&self) -> Result<(), Fault> {
        Err(refused(Access::Flush, 0, 0))
    }
}

fn refused(access: Access, offset: u64, length: usize) -> Fault {
    let length = u64::try_from(length).unwrap();
    let cause = Cause::OutOfRange;
    Fault {
        access,
        offset,
        length,
        cause,
    }
}
