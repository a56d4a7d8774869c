//! A whole image, through an install onto a small disk.

use super::draft::{Draft, key};
use super::input::Input;
use super::scratch::Scratch;
use bootshim::copies::{COPIES, Note, SPACING, Store};
use bootshim::handover::Handover;
use bootshim::layout::Layout;
use bootshim::medium::{Extent, Window};
use bootshim::record::{Record, SlotId, State};
use bootshim::state::Next;
use controller::code::{Code, Exit};
use controller::disk::Disk;
use controller::error::Error;
use controller::found::Found;
use controller::progress::Quiet;
use controller::verify;
use fakedisk::{BYTES, Content, FakeDisk, blank, inputs, noise};
use images::build::Inputs;
use images::trust::Trust;
use install::source::{Settings, Source};
use install::{Compatible, Outcome, Request};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// The machine that the disk is for.
const MACHINE: &str = "plc";
const SLOTS: usize = 3;
/// Room for the manifest area, and 24 KiB of content and its index.
const SLOT: u64 = 88 << 10;

/// Whatever the image is: the good slot stays as it is, nothing but the record
/// and one slot changes, and that one only while it is `writing`; what is said
/// to be installed verifies; and no error is an unexpected one.
pub fn install(data: &[u8]) {
    let _ = attempt(data);
}

fn attempt(data: &[u8]) -> Result<Outcome, Error> {
    let mut input = Input(data);
    let wish = input.u8();
    let draft = Draft::take(&mut input);
    let genuine = draft.is_signed() && !draft.is_damaged();
    let (device, disk) = controller();
    let made = device.content();
    let before = disk.read_record().unwrap().0;
    let request = request(wish);
    let answer =
        Scratch::with(|scratch| run(&disk, &scratch.file("image", &draft.image()), &request));
    let after = disk.read_record().unwrap().0;
    let changed = made.differs(&device.content());
    assert_eq!(after.known_good(), SlotId::new(0));
    assert_eq!(after.slot(first()), before.slot(first()));
    let written = only_changed(&disk, &changed);
    match &answer {
        Ok(done) => {
            assert!(genuine || done.already, "an image that nobody signed");
            installed(&disk, &after, done, &request, &written);
        }
        Err(error) => refused(error, &before, &after, &changed, &written),
    }
    assert!(
        !request.dry_run || changed.is_empty(),
        "a dry run writes nothing"
    );
    answer
}

fn first() -> SlotId {
    SlotId::new(0).unwrap()
}

fn request(wish: u8) -> Request {
    Request {
        slot: (wish & 4 != 0).then(|| SlotId::new(usize::from(wish >> 6)).unwrap()),
        tries: (wish & 8 != 0).then_some(2),
        activate: wish & 1 == 0,
        retry: wish & 2 != 0,
        dry_run: wish & 48 == 48,
        allow_downgrade: wish & 32 == 0,
        machine: None,
    }
}

fn run(disk: &Disk, image: &Path, request: &Request) -> Result<Outcome, Error> {
    let here = Compatible::Named {
        name: MACHINE.into(),
        from: "a test".into(),
    };
    let mut source = Source::open(image.to_str().unwrap(), &Settings::default())?;
    let trusted = Trust::direct([key().public()]);
    install::install(disk, &trusted, &here, &mut source, request, &Quiet)
}

/// Which slots were written. Nothing outside them changed but copies of the
/// record.
fn only_changed(disk: &Disk, changed: &[usize]) -> BTreeSet<usize> {
    let layout = disk.layout();
    let within = |part: &Extent, at| at >= part.start && at < part.start + part.len;
    let mut written = BTreeSet::new();
    for block in changed {
        let at = (block * BYTES) as u64;
        let slot = (layout.slots.iter()).position(|slot| within(&slot.extent, at));
        let from_record = at.checked_sub(layout.record.extent.start);
        let copies = SPACING * COPIES as u64;
        let copy = from_record.is_some_and(|at| at < copies && at.is_multiple_of(SPACING));
        assert!(slot.is_some() || copy, "block {block} is nobody's");
        written.extend(slot);
    }
    assert!(written.len() <= 1 && !written.contains(&0));
    written
}

fn installed(
    disk: &Disk,
    after: &Record,
    done: &Outcome,
    request: &Request,
    written: &BTreeSet<usize>,
) {
    assert!(written.iter().all(|slot| *slot == done.slot.index()));
    if request.dry_run {
        return;
    }
    let known = after.slot(done.slot);
    assert_eq!((known.state, known.manifest), (done.state, done.digest));
    let wanted = if request.activate {
        State::Trying
    } else {
        State::Ready
    };
    assert!(done.already || done.state == wanted);
    let trusted = Trust::direct([key().public()]);
    let found = Found::new(disk, after.clone(), &trusted);
    verify::slot(&found, done.slot, &Quiet).unwrap();
}

fn refused(
    error: &Error,
    before: &Record,
    after: &Record,
    changed: &[usize],
    written: &BTreeSet<usize>,
) {
    let expected = matches!(error.exit(), Exit::Refused | Exit::NotAuthentic);
    assert!(expected || error.code == Code::UnknownSlot, "{error:?}");
    assert!(!error.changed.is_empty(), "{error:?}");
    if changed.is_empty() {
        assert_eq!(before, after);
    } else {
        assert_ne!(error.changed, "nothing was written");
        let writing = |slot: &usize| after.slot(SlotId::new(*slot).unwrap()).state;
        assert!(written.iter().all(|slot| writing(slot) == State::Writing));
        assert_eq!(after.trial(), None);
    }
}

/// A controller that runs from slot a, with another image ready in slot b.
fn controller() -> (Arc<FakeDisk>, Disk) {
    static GROUND: LazyLock<(Content, Handover)> = LazyLock::new(ground);
    let (ground, handover) = &*GROUND;
    let device = Arc::new(FakeDisk::of(ground.clone()));
    let disk = Disk::on(device.clone(), Some(*handover)).unwrap();
    (device, disk)
}

fn ground() -> (Content, Handover) {
    let device = Arc::new(FakeDisk::of(blank(SLOTS, SLOT)));
    let table = bootshim::gpt::read_any_sector(&device).unwrap();
    let layout = Layout::find(&table).unwrap();
    let record = Record::new(layout.record.id, layout.slots.len());
    Store::open(Window::new(&device, layout.record.extent), layout.record.id)
        .commit_everywhere(Next::by_hand(record), Note::default())
        .unwrap();
    let disk = Disk::on(device.clone(), None).unwrap();
    let kept = Request::default();
    let done = Scratch::with(|scratch| {
        let put = |version| run(&disk, &scratch.file("ground", &image(version)), &kept);
        let done = put(1).unwrap();
        disk.provision(done.slot).unwrap();
        put(2).unwrap();
        done
    });
    let handover = Handover {
        slot: done.slot,
        disk: layout.record.id,
        boot: 5,
        manifest: done.digest,
    };
    (device.content(), handover)
}

/// A small image for this machine, signed.
pub(super) fn image(version: u8) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let pieces: [&[u8]; 3] = [&[b'r'; 5000], &noise(&version.to_string(), 1000), &[]];
    let file = fakedisk::image(&Inputs {
        cmdline: "root=PARTUUID={slot}".into(),
        ..inputs(directory.path(), version, pieces)
    });
    std::fs::read(file).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::draft::{ALL, PIECES};

    #[test]
    fn what_its_maker_signed_is_installed_and_what_was_changed_after_is_not() {
        let case = |wish: u8, mend: u8, damage| {
            let draft = Draft::encoded(&image(3), mend, damage);
            attempt(&[&[wish], &draft[..]].concat())
        };
        let done = case(0, ALL, (0, 0)).unwrap();
        assert_eq!((done.state, done.changed), (State::Trying, true));
        assert_eq!(case(1, ALL, (0, 0)).unwrap().state, State::Ready);
        assert!(!case(48, ALL, (0, 0)).unwrap().changed);
        assert_eq!(
            case(0, ALL & !32, (0, 0)).unwrap_err().code,
            Code::NotTrusted
        );
        assert_eq!(
            case(0, ALL, (70, 1)).unwrap_err().exit(),
            Exit::NotAuthentic
        );
        // As it was built: nothing in it needs to be made right.
        assert!(case(0, ALL & !PIECES, (0, 0)).is_ok());
    }
}
