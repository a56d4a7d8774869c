//! The images that are installed, and what a slot holds.

use super::disk::{Geometry, SLOT};
use bootshim::boot::{Defect, Facts};
use bootshim::guid::Guid;
use bootshim::record::{Record, SlotId, State};
use controller::code::Exit;
use controller::disk::Disk;
use controller::found::Found;
use controller::progress::Quiet;
use controller::verify;
use fakedisk::{BYTES, Content, FakeDisk, inputs, key, noise};
use images::SLOT_AREA_LEN;
use images::build::Inputs;
use images::delta;
use images::head::Head;
use images::key::SecretKey;
use images::key_set::{KeySet, SignedKeySet, tbs};
use images::signature::Signature;
use images::trust::Trust;
use images::verity::{self, Salted, Tree};
use install::source::{Settings, Source};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use tempfile::TempDir;

/// One signed image.
#[derive(Debug)]
pub(super) struct Image {
    /// Its file.
    pub(super) file: PathBuf,
    /// The same image as a delta against the one before it; for the first, against
    /// the last.
    pub(super) delta: PathBuf,
    /// The digest of its manifest.
    pub(super) digest: images::Digest,
    /// Its security version.
    pub(super) security_version: u64,
    /// The epoch of the key set under which it is signed; 0 where there is none.
    pub(super) key_epoch: u64,
    /// Its manifest area, of the full image and of the delta: each is signed for
    /// its own chunks.
    areas: Vec<Region>,
    /// What else a slot that holds it has where, first what bootshim reads: taken
    /// from what went into the image, not from what came out of an install.
    parts: Vec<Region>,
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
    pub(super) trusted: Trust,
    geometry: Geometry,
    id: Guid,
    blank: Content,
    known: RwLock<HashMap<u64, Arc<Verdict>>>,
    _directory: TempDir,
}

impl Judge {
    /// Signs `count` images, each with a higher security version. Under key sets
    /// the last has a higher epoch instead.
    pub(super) fn new(geometry: Geometry, count: u8, key_sets: bool) -> Judge {
        let directory = TempDir::new().unwrap();
        let (key, root) = (key(7), key(8));
        let trusted = match key_sets {
            true => Trust::roots([root.public()], 1),
            false => Trust::direct([key.public()]),
        };
        let make = |number| match key_sets && number == count {
            _ if !key_sets => make(&directory, number, u64::from(number), &key, None, &trusted),
            newest => {
                let set = key_set(if newest { 2 } else { 1 }, &key, &root);
                let version = u64::from(number.min(count - 1));
                make(&directory, number, version, &key, Some(set), &trusted)
            }
        };
        let mut images: Vec<_> = (1..=count).map(make).collect();
        for (from, to) in images.iter().cycle().skip(images.len() - 1).zip(&images) {
            let inputs = delta::Inputs {
                from: from.file.clone(),
                to: to.file.clone(),
                keys: vec![key.clone()],
            };
            delta::build(&inputs, &to.delta, &|_, _| {}).unwrap();
        }
        for image in &mut images {
            let area = head(&image.delta, &trusted).slot_area().unwrap();
            image.areas.push(Region {
                at: AREA,
                bytes: area,
            });
        }
        Judge {
            images,
            trusted,
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
            content.bytes(place.start * BYTES..place.end * BYTES)
        })
    }

    fn look(&self, bytes: Vec<u8>) -> Verdict {
        let of = |parts: fn(&Image) -> &[Region]| {
            let lies = |region: &Region| region.lies_in(&bytes);
            let all = |image: &Image| image.areas.iter().any(lies) && parts(image).iter().all(lies);
            self.images.iter().position(all)
        };
        let whole = of(|image| &image.parts);
        let boots = of(|image| &image.parts[..2]);
        let slot = FakeDisk::of(Content::of(&bytes));
        let load = bootshim::slot::load(&slot, &self.trusted).map(|image| image.facts());
        assert!(slot.epochs().is_empty(), "a slot is only read");
        // Two that must agree: the bytes, and `slotctl verify`.
        if let Ok(facts) = &load {
            let verified = self.verify(facts, &bytes);
            assert_eq!(verified, whole.is_some(), "verify and the bytes disagree");
        }
        Verdict { load, whole, boots }
    }

    fn verify(&self, facts: &Facts, slot: &[u8]) -> bool {
        let mut content = self.blank.clone();
        content.write((self.geometry.slot(0).start * BYTES) as u64, slot);
        let disk = Disk::on(Arc::new(FakeDisk::of(content)), None).unwrap();
        let first = SlotId::new(0).unwrap();
        let mut record = Record::new(self.id, self.geometry.slots);
        let mut known = *record.slot(first);
        (known.state, known.manifest) = (State::Ready, facts.manifest);
        record.set_slot(first, known);
        match verify::slot(&Found::new(&disk, record, &self.trusted), first, &Quiet) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.exit(), Exit::NotAuthentic, "{error}");
                false
            }
        }
    }
}

/// Where the manifest area lies in a slot.
const AREA: usize = SLOT * BYTES - SLOT_AREA_LEN;

fn head(file: &Path, trusted: &Trust) -> Head {
    let mut source = Source::open(&file.display().to_string(), &Settings::default()).unwrap();
    let (header, rest) = source.head().unwrap();
    Head::open(&header, &rest, trusted).unwrap()
}

/// Bytes of an image, and where they lie in a slot.
#[derive(Debug)]
struct Region {
    at: usize,
    bytes: Vec<u8>,
}

impl Region {
    fn lies_in(&self, slot: &[u8]) -> bool {
        slot[self.at..self.at + self.bytes.len()] == *self.bytes
    }
}

fn key_set(epoch: u64, key: &SecretKey, root: &SecretKey) -> SignedKeySet {
    let set = KeySet {
        epoch,
        threshold: 1,
        keys: vec![key.public()],
        order_keys: Vec::new(),
    };
    let mut signed = SignedKeySet::new(set).unwrap();
    let bytes = root.sign(&tbs(&signed.digest));
    let key = root.public().id();
    signed.signatures.insert(Signature { key, bytes }).unwrap();
    signed
}

fn make(
    directory: &TempDir,
    number: u8,
    security_version: u64,
    key: &SecretKey,
    key_set: Option<SignedKeySet>,
    trusted: &Trust,
) -> Image {
    let piece = |name: &str, variant: u8| noise(&format!("{}{name}", char::from(variant)), BYTES);
    // Half of the root is alike in all images: a delta patches it.
    let root = [piece("root", 0), piece("root", number)].concat();
    // The initial RAM disk is the same in all images: where one takes the place of
    // another, this piece is kept and not written; a delta's install copies it from
    // its base.
    let (kernel, initrd) = (piece("kernel", number), piece("initrd", 0));
    let file = fakedisk::image(&Inputs {
        security_version,
        keys: vec![key.clone()],
        key_set,
        ..inputs(directory.path(), number, [&root, &kernel, &initrd])
    });
    let head = head(&file, trusted);
    let index = usize::try_from(head.manifest.index_offset()).unwrap();
    let salted = Salted::new(verity::salt("plc"));
    let tree = Tree::above(&salted, &salted.hashes(&root));
    let region = |at, bytes| Region { at, bytes };
    Image {
        file,
        delta: directory.path().join(format!("to-v{number}.slotimg")),
        digest: head.digest,
        security_version: head.manifest.security_version,
        key_epoch: head.manifest.key_set.map_or(0, |set| set.epoch),
        areas: vec![region(AREA, head.slot_area().unwrap())],
        parts: vec![
            region(16384, kernel),
            region(20480, initrd),
            region(8192, tree.bytes),
            region(0, root),
            region(index, head.index_bytes.clone()),
        ],
    }
}
