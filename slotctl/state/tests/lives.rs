//! The data partition in a controller's life, on a real file system: what a technician would
//! find there, and that a cut before any change leaves nothing that the next start does not
//! mend.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use bootshim::record::{Record, SlotId, State};
use bootshim::state;
use slotctl_state::activation::Activation;
use slotctl_state::declared::{Declared, FOLDER, Kind};
use slotctl_state::partition::{Change, Partition};
use slotctl_state::plan::{Starting, Steps, start};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tempfile::TempDir;

/// The root of an image of this version, which is the format that it reads.
fn image(version: u32) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let seed = format!("version {version}");
    put("var/lib/app/data", &seed);
    put("var/lib/own/cache", &seed);
    put("etc/app.conf", &seed);
    put("var/spool/app/job", &seed);
    let declaration = format!(
        "[[path]]\npath = \"/var/lib/app\"\nkind = \"shared\"\nformat = {version}\n\
         [[path]]\npath = \"/var/lib/own\"\nkind = \"per-slot\"\n\
         [[path]]\npath = \"/etc/app.conf\"\nkind = \"copy-forward\"\nformat = {version}\n\
         [[path]]\npath = \"/var/spool/app\"\nkind = \"reset\"\n"
    );
    put(&format!("{FOLDER}/app.toml"), &declaration);
    root
}

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

fn digest(version: u32) -> [u8; 32] {
    [u8::try_from(version).unwrap(); 32]
}

/// A controller: its record and its data partition, and the images of its slots.
struct Controller {
    record: Record,
    data: TempDir,
    images: BTreeMap<u32, TempDir>,
}

impl Controller {
    /// From the factory, with version 1 in slot a.
    fn new() -> Controller {
        let record = Record::new(bootshim::guid::Guid([7; 16]), 3);
        let writing = state::begin_writing(&record, slot("a"), None).unwrap();
        let ready = state::finish_writing(&writing, slot("a"), digest(1), 0).unwrap();
        Controller {
            record: state::provision(&ready, slot("a")).unwrap().into(),
            data: tempfile::tempdir().unwrap(),
            images: [1, 2].map(|version| (version, image(version))).into(),
        }
    }

    fn partition(&self) -> Partition {
        Partition::at(self.data.path())
    }

    fn root(&self, name: &str) -> &Path {
        let version = self.record.slot(slot(name)).manifest[0];
        self.images[&u32::from(version)].path()
    }

    fn declared(&self, name: &str) -> Declared {
        Declared::read(self.root(name)).unwrap().unwrap()
    }

    fn steps(&self, name: &str) -> (Declared, Steps, Activation) {
        let declared = self.declared(name);
        let starting = Starting::of(&self.record, slot(name)).unwrap();
        let found = self.partition().found(&declared).unwrap();
        let steps = start(&declared, &found, &starting).unwrap();
        (declared, steps, starting.activation)
    }

    /// Starts a slot; what its units find, by path.
    fn start(&self, name: &str) -> BTreeMap<String, PathBuf> {
        self.start_on(&self.partition(), name).unwrap()
    }

    fn start_on(
        &self,
        partition: &Partition,
        name: &str,
    ) -> controller::error::Result<BTreeMap<String, PathBuf>> {
        let (declared, steps, now) = self.steps(name);
        partition.apply(&declared, &steps, &now, self.root(name))?;
        let bindings = partition.bindings(&declared, &steps, &now).into_iter();
        Ok(bindings
            .map(|b| (b.path.to_string(), b.with.unwrap()))
            .collect())
    }

    fn install(&mut self, name: &str, version: u32) {
        let writing = state::begin_writing(&self.record, slot(name), None).unwrap();
        let ready = state::finish_writing(&writing, slot(name), digest(version), 0).unwrap();
        self.record = ready.into();
    }

    /// Prepares and flips, as a running system does.
    fn flip(&mut self, name: &str) -> controller::error::Result<()> {
        let fresh = self.prepare_on(&self.partition(), name)?;
        let next = state::activate(&self.record, slot(name), 3).unwrap();
        self.record = state::number(&self.record, next, slot(name), fresh.number).into();
        Ok(())
    }

    fn prepare_on(
        &self,
        partition: &Partition,
        name: &str,
    ) -> controller::error::Result<Activation> {
        let now = Activation::of(&self.record, slot(name)).unwrap();
        let last_good = self
            .record
            .known_good()
            .and_then(|good| Activation::of(&self.record, good));
        partition.prepare(
            &self.declared(name),
            &now,
            last_good.as_ref(),
            self.root(name),
        )
    }

    fn confirm(&mut self, name: &str) {
        let as_what = bootshim::record::Arming::Trial;
        let armed = state::arm(&self.record, slot(name), as_what);
        let manifest = self.record.slot(slot(name)).manifest;
        self.record = state::confirm(&armed, slot(name), &manifest)
            .unwrap()
            .into();
    }

    fn fail(&mut self, name: &str) {
        let reason = bootshim::record::Reason::Deadline;
        let stage = bootshim::record::Stage::Watch;
        self.record = state::fail(&self.record, slot(name), reason, stage).into();
    }
}

fn read(bound: &BTreeMap<String, PathBuf>, path: &str, file: &str) -> String {
    fs::read_to_string(bound[path].join(file)).unwrap()
}

fn write(bound: &BTreeMap<String, PathBuf>, path: &str, file: &str, text: &str) {
    fs::write(bound[path].join(file), text).unwrap();
}

/// Everything below a folder with its content, but not what is being made or taken away.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(place: &Path, root: &Path, all: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if name == Path::new("state/new") || name == Path::new("state/old") {
                continue;
            }
            if path.is_dir() {
                all.insert(name, "a folder".into());
                walk(&path, root, all);
            } else {
                all.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}

#[test]
fn an_update_keeps_what_is_shared_and_a_way_back_takes_all_else_back() {
    let mut plc = Controller::new();
    let a = plc.start("a");
    assert_eq!(
        read(&a, "/var/lib/app", "data"),
        "version 1",
        "as the image has it"
    );
    for (path, file) in [
        ("/var/lib/app", "data"),
        ("/var/lib/own", "cache"),
        ("/var/spool/app", "job"),
    ] {
        write(&a, path, file, "of a");
    }
    fs::write(&a["/etc/app.conf"], "set by a person").unwrap();
    plc.install("b", 2);
    plc.flip("b").unwrap();
    // The last word of the old system: it comes after the flip.
    fs::write(&a["/etc/app.conf"], "set at last").unwrap();
    let b = plc.start("b");
    assert_eq!(read(&b, "/var/lib/app", "data"), "of a", "one for all");
    assert_eq!(read(&b, "/var/lib/own", "cache"), "version 2", "its own");
    assert_eq!(
        fs::read_to_string(&b["/etc/app.conf"]).unwrap(),
        "set at last"
    );
    assert_eq!(read(&b, "/var/spool/app", "job"), "version 2");
    fs::write(&b["/etc/app.conf"], "written by b").unwrap();
    // The second try goes on where the first one was.
    let b = plc.start("b");
    assert_eq!(
        fs::read_to_string(&b["/etc/app.conf"]).unwrap(),
        "written by b"
    );
    plc.fail("b");
    let a = plc.start("a");
    assert_eq!(
        fs::read_to_string(&a["/etc/app.conf"]).unwrap(),
        "set at last"
    );
    assert_eq!(read(&a, "/var/lib/own", "cache"), "of a");
    assert_eq!(
        read(&a, "/var/spool/app", "job"),
        "version 1",
        "at each start"
    );
}

#[test]
fn the_format_of_what_is_shared_rises_when_no_good_slot_is_too_old_for_it() {
    let mut plc = Controller::new();
    plc.start("a");
    let format =
        |plc: &Controller| fs::read_to_string(plc.data.path().join("state/formats.toml")).unwrap();
    plc.install("b", 2);
    plc.flip("b").unwrap();
    plc.start("b");
    plc.confirm("b");
    plc.start("b");
    assert!(
        format(&plc).contains("\"/var/lib/app\" = 1"),
        "{}",
        format(&plc)
    );
    // Slot a gets version 2 as well; then nothing good is left that reads 1 alone.
    plc.install("a", 2);
    plc.start("b");
    assert!(
        format(&plc).contains("\"/var/lib/app\" = 2"),
        "{}",
        format(&plc)
    );
    plc.install("c", 1);
    let refused = plc.flip("c").unwrap_err();
    assert_eq!(refused.code, controller::code::Code::StateTooNew);
    assert!(
        refused.to_string().contains("/var/lib/app has format 2"),
        "{refused}"
    );
}

#[test]
fn a_slot_that_was_activated_without_a_directory_makes_it_before_its_units_start() {
    let mut plc = Controller::new();
    let a = plc.start("a");
    fs::write(&a["/etc/app.conf"], "set by a person").unwrap();
    plc.install("b", 2);
    plc.record = state::activate(&plc.record, slot("b"), 3).unwrap().into();
    let b = plc.start("b");
    assert_eq!(
        fs::read_to_string(&b["/etc/app.conf"]).unwrap(),
        "set by a person"
    );
}

#[test]
fn what_no_slot_needs_is_taken_away_and_nothing_else() {
    let mut plc = Controller::new();
    plc.start("a");
    for _ in 0..3 {
        plc.install("b", 2);
        plc.flip("b").unwrap();
        plc.start("b");
        plc.fail("b");
    }
    let fake = fakedisk_record(&plc.record);
    let partition = plc.partition();
    let declared = plc.declared("a");
    let gone = partition.collect(&declared, &fake).unwrap();
    assert_eq!(gone.len(), 2);
    let left = partition.found(&declared).unwrap().directories;
    let left: Vec<_> = left.into_iter().map(|d| d.activation).collect();
    let a = Activation::of(&plc.record, slot("a")).unwrap();
    let b = Activation::of(&plc.record, slot("b")).unwrap();
    assert_eq!(left, [a, b]);
    assert_eq!(
        fs::read_dir(plc.data.path().join("state/old"))
            .unwrap()
            .count(),
        0
    );
}

/// The record, made durable on a medium in memory.
fn fakedisk_record(record: &Record) -> bootshim::copies::Durable {
    let medium = fakedisk::copies(&[[0; fakedisk::BYTES]; 4]);
    let mut store = bootshim::copies::Store::open(&medium, record.partition);
    let next = state::Next::by_hand(record.clone());
    store
        .commit_everywhere(next, bootshim::copies::Note::default())
        .unwrap()
}

/// A partition on which the power fails before the change with this number.
fn cut_at(root: &Path, at: usize) -> (Partition, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let partition = Partition::watched(root, move |_| {
        let number = counted.get();
        counted.set(number + 1);
        match number == at {
            true => Err(io::Error::other("power cut")),
            false => Ok(()),
        }
    });
    (partition, count)
}

/// A controller whose slot b is on trial with version 2, `prepared` or not.
fn on_trial(prepared: bool) -> Controller {
    let mut plc = Controller::new();
    let a = plc.start("a");
    write(&a, "/var/lib/app", "data", "of a");
    fs::write(&a["/etc/app.conf"], "set by a person").unwrap();
    plc.install("b", 2);
    if prepared {
        plc.flip("b").unwrap();
    } else {
        let next = state::activate(&plc.record, slot("b"), 3).unwrap();
        plc.record = state::number(&plc.record, next, slot("b"), 1).into();
    }
    plc
}

#[test]
fn a_start_that_is_cut_anywhere_is_made_good_by_the_next() {
    for prepared in [true, false] {
        let whole = on_trial(prepared);
        whole.start("b");
        let expected = tree(whole.data.path());
        let mut at = 0;
        loop {
            let plc = on_trial(prepared);
            let (partition, _) = cut_at(plc.data.path(), at);
            let cut = plc.start_on(&partition, "b").is_err();
            // The way back is there at any time, and so is the way on.
            let a = plc.start("a");
            assert_eq!(
                fs::read_to_string(&a["/etc/app.conf"]).unwrap(),
                "set by a person"
            );
            assert_eq!(read(&a, "/var/lib/app", "data"), "of a");
            plc.start("b");
            assert_eq!(tree(plc.data.path()), expected, "cut before change {at}");
            if !cut {
                break;
            }
            at += 1;
        }
        assert!(at > 5, "{at} changes were cut");
    }
}

#[test]
fn preparing_that_is_cut_anywhere_changes_nothing_that_a_slot_needs() {
    let mut at = 0;
    loop {
        let mut plc = Controller::new();
        plc.start("a");
        plc.install("b", 2);
        let before = tree(plc.data.path());
        let (partition, _) = cut_at(plc.data.path(), at);
        let cut = plc.prepare_on(&partition, "b").is_err();
        let mut after = tree(plc.data.path());
        let b = format!("state/slots/b-{}-1", "02".repeat(32));
        let whole = after.contains_key(&Path::new(&b).join("declared.toml"));
        after.retain(|path, _| !path.starts_with(&b));
        assert_eq!(after, before, "cut before change {at}");
        // Nothing has its name before it is whole.
        assert_eq!(whole, plc.data.path().join(&b).exists());
        plc.flip("b").unwrap();
        plc.start("b");
        if !cut {
            break;
        }
        at += 1;
    }
    assert!(at > 5, "{at} changes were cut");
}

#[test]
fn collecting_that_is_cut_anywhere_leaves_no_directory_in_part() {
    let mut at = 0;
    loop {
        let mut plc = Controller::new();
        plc.start("a");
        plc.install("b", 2);
        plc.flip("b").unwrap();
        plc.start("b");
        plc.fail("b");
        plc.install("b", 1);
        let durable = fakedisk_record(&plc.record);
        let declared = plc.declared("a");
        let before = tree(plc.data.path());
        let (partition, _) = cut_at(plc.data.path(), at);
        let cut = partition.collect(&declared, &durable).is_err();
        let after = tree(plc.data.path());
        let b = format!("state/slots/b-{}-1", "02".repeat(32));
        if after.contains_key(Path::new(&b)) {
            assert_eq!(after, before, "cut before change {at}");
        }
        plc.partition().collect(&declared, &durable).unwrap();
        assert!(!plc.data.path().join(&b).exists());
        plc.start("a");
        if !cut {
            break;
        }
        at += 1;
    }
    assert!(at >= 3, "{at} changes were cut");
}

#[test]
fn nothing_has_its_name_before_it_is_flushed_and_nothing_follows_before_that_is() {
    let plc = on_trial(true);
    let changes = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&changes);
    let partition = Partition::watched(plc.data.path(), move |change| {
        seen.borrow_mut().push(change);
        Ok(())
    });
    plc.start_on(&partition, "b").unwrap();
    let changes = changes.borrow();
    let kept = |place: &Path| !place.components().any(|part| part.as_os_str() == "reset");
    let mut renames = 0;
    for (at, change) in changes.iter().enumerate() {
        let Change::Rename(from, to) = change else {
            continue;
        };
        // What is made anew at each start need not outlive a cut.
        if kept(from) && kept(to) {
            assert_eq!(changes[at - 1], Change::Flush, "{change:?}");
            assert_eq!(changes.get(at + 1), Some(&Change::Flush), "{change:?}");
            renames += 1;
        }
    }
    assert!(renames > 0);
}

#[test]
fn a_copy_has_owners_modes_times_and_links_of_what_it_was_made_of() {
    let plc = Controller::new();
    let app = plc.root("a").join("var/lib/app");
    fs::set_permissions(&app, fs::Permissions::from_mode(0o2750)).unwrap();
    fs::set_permissions(app.join("data"), fs::Permissions::from_mode(0o4711)).unwrap();
    symlink("data", app.join("link")).unwrap();
    let root = nix::unistd::Uid::effective().is_root();
    if root {
        std::os::unix::fs::chown(&app, Some(104), Some(106)).unwrap();
        std::os::unix::fs::lchown(app.join("link"), Some(104), Some(106)).unwrap();
        fs::set_permissions(&app, fs::Permissions::from_mode(0o2750)).unwrap();
    }
    let made = plc.start("a")["/var/lib/app"].clone();
    let about = |path: &Path| {
        let about = fs::symlink_metadata(path).unwrap();
        let time = if about.is_symlink() { 0 } else { about.mtime() };
        (about.mode(), about.uid(), about.gid(), time)
    };
    for name in ["", "data", "link"] {
        assert_eq!(about(&made.join(name)), about(&app.join(name)), "{name}");
    }
    assert_eq!(fs::read_link(made.join("link")).unwrap(), Path::new("data"));
}

#[test]
fn the_id_of_a_machine_is_made_once() {
    let data = tempfile::tempdir().unwrap();
    let partition = Partition::at(data.path());
    let place = partition.machine_id().unwrap();
    let id = fs::read_to_string(&place).unwrap();
    assert!(
        id.len() == 33 && id.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(partition.machine_id().unwrap(), place);
    assert_eq!(fs::read_to_string(&place).unwrap(), id);
}

#[test]
fn a_good_slot_that_is_too_old_for_what_is_shared_starts_without_it() {
    let plc = Controller::new();
    plc.start("a");
    let formats = plc.data.path().join("state/formats.toml");
    fs::write(formats, "[formats]\n\"/var/lib/app\" = 9\n").unwrap();
    let (declared, steps, now) = plc.steps("a");
    let bindings = plc.partition().bindings(&declared, &steps, &now);
    let withheld: Vec<_> = bindings.iter().filter(|b| b.with.is_none()).collect();
    assert_eq!(withheld.len(), 1);
    assert_eq!(withheld[0].path.as_str(), "/var/lib/app");
    assert_eq!(declared.of(Kind::Shared).count(), 1);
    assert_eq!(plc.record.slot(slot("a")).state, State::Good);
}
