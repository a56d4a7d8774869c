//! A folder of its own for each test, with a disk in it.

use crate::ran::Ran;
use crate::samples::{Samples, write_sparse};
use bootshim::copies::{Note, Store};
use bootshim::handover::Handover;
use bootshim::record::{Record, SlotId, State};
use bootshim::state::Next;
use controller::disk::Disk;
use controller::medium::Mode;
use serde_json::Value;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder with `disk.img`. Any other sample appears in it when a
/// command names it.
pub struct Bench {
    directory: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let bench = Bench { directory };
        bench.file("disk.img");
        bench
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file, which is taken from the samples where it is not there.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        if let Some(bytes) = Samples::get().file(name).filter(|_| !path.exists()) {
            write_sparse(&path, bytes);
        }
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Changes the bytes of a file.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(name);
        change(&mut bytes);
        write_sparse(&self.file(name), &bytes);
    }

    /// `slotctl` with these words, not yet started.
    pub fn command(&self, words: &str) -> Command {
        // Whoever runs the tests may have signals ignored, as a script does in the
        // background.
        let mut command = Command::new("/usr/bin/env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_slotctl")]);
        command.current_dir(self.directory.path());
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        for word in words.split_whitespace() {
            self.file(word);
            command.arg(word);
        }
        command
    }

    /// Runs `slotctl` with these words.
    pub fn run(&self, words: &str) -> Ran {
        let mut command = self.command(words);
        Ran::new(words, &command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `slotctl` with these words, which ends well.
    #[track_caller]
    pub fn does(&self, words: &str) -> Ran {
        self.run(words).ok()
    }

    /// Runs `slotctl --disk disk.img --json` with these words.
    pub fn on_disk(&self, words: &str) -> Ran {
        self.run(&format!("--disk disk.img --json {words}"))
    }

    /// The object that a command on the disk answers with.
    #[track_caller]
    pub fn ask(&self, words: &str) -> Value {
        self.on_disk(words).ok().json()
    }

    /// The command is refused, says so to a person in one line and to a program
    /// in one object, and changes not one byte of the disk. Gives the error.
    #[track_caller]
    pub fn refuses(&self, words: &str, exit: i32, code: &str) -> Value {
        let before = self.read("disk.img");
        let to_a_person = self.run(&format!("--disk disk.img --quiet {words}"));
        let error = self.fails(words, exit, code);
        assert!(before == self.read("disk.img"), "{words} changed the disk");
        assert_eq!(to_a_person.status, exit);
        assert_eq!(
            to_a_person.stderr.lines().count(),
            1,
            "{}",
            to_a_person.stderr
        );
        assert!(to_a_person.complaint().starts_with("slotctl: "));
        assert_eq!(to_a_person.stdout, "");
        let said = error["changed"].as_str().unwrap();
        assert!(said.is_empty() || said == "nothing was written", "{said}");
        error
    }

    /// The install breaks off while slot b is being written: whatever is not
    /// slot b or the boot record is as it was. Gives the error.
    #[track_caller]
    pub fn breaks_off(&self, words: &str, exit: i32, code: &str) -> Value {
        let before = self.read("disk.img");
        let error = self.fails(words, exit, code);
        self.only_slot_b_was_touched(&before);
        let said = error["changed"].as_str().unwrap();
        assert_eq!(
            said,
            "slot b is being written and does not boot; all others are untouched"
        );
        error
    }

    /// The command fails so, whatever it changed. Gives the error.
    #[track_caller]
    pub fn fails(&self, words: &str, exit: i32, code: &str) -> Value {
        let error = self.on_disk(words).error(exit, code);
        assert_eq!(error["exit"], exit);
        assert_ne!(error["found"], "");
        error
    }

    /// Slot b is half written, and nothing else was touched since `before` but
    /// the boot record.
    #[track_caller]
    pub fn only_slot_b_was_touched(&self, before: &[u8]) {
        self.nothing_but_slot_b_was_touched(before);
        assert_eq!(
            self.record().slot(SlotId::new(1).unwrap()).state,
            State::Writing
        );
        assert_eq!(self.ask("next-boot")["slot"], "a");
    }

    /// Every byte that is neither in the boot record nor in slot b is as it was.
    #[track_caller]
    pub fn nothing_but_slot_b_was_touched(&self, before: &[u8]) {
        let after = self.read("disk.img");
        let disk = Disk::open(&self.file("disk.img")).unwrap();
        let (record, b) = (range(&disk.layout().record), self.slot(1));
        for (rest, place) in [
            (0..record.start, "before the record"),
            (record.end..b.start, "slot a"),
            (b.end..after.len(), "slot c and behind"),
        ] {
            assert!(before[rest.clone()] == after[rest], "{place} was changed");
        }
    }

    /// The next install simply works, whatever happened before.
    #[track_caller]
    pub fn next_install_works(&self) {
        let done = self.ask("install v2.slotimg");
        assert_eq!(done["slot"], "b");
        assert_eq!(done["state"], "trying");
        self.on_disk("verify").ok();
        assert_eq!(self.ask("next-boot")["kind"], "trial");
    }

    /// The answer to `next-boot` with its options is this slot, for this reason.
    #[track_caller]
    pub fn boots_next(&self, words: &str, slot: &str, kind: &str) {
        let next = self.ask(words);
        assert_eq!(next["slot"], slot, "{next}");
        assert_eq!(next["kind"], kind, "{next}");
    }

    /// Installs version 2 in slot b and starts it, on trial.
    pub fn start_version_2(&self) -> Handover {
        self.ask("install v2.slotimg");
        self.boots_next("next-boot --arm", "b", "trial");
        handover(&self.record())
    }

    /// Where a slot lies on the disk.
    pub fn slot(&self, index: usize) -> Range<usize> {
        let disk = Disk::open(&self.file("disk.img")).unwrap();
        range(&disk.layout().slots[index])
    }

    /// The boot record that counts.
    pub fn record(&self) -> Record {
        let disk = Disk::open(&self.file("disk.img")).unwrap();
        disk.read_record().unwrap().0
    }

    /// Puts a changed record on all four copies.
    pub fn change_record(&self, change: impl FnOnce(&mut Record)) {
        let disk = Disk::open(&self.file("disk.img")).unwrap();
        let mut record = disk.read_record().unwrap().0;
        change(&mut record);
        let partition = disk.record(Mode::Write).unwrap();
        Store::open(partition, disk.layout().record.id)
            .commit_everywhere(Next::by_hand(record), Note::default())
            .unwrap();
    }
}

/// What bootshim gives to the system that it has just started.
pub fn handover(record: &Record) -> Handover {
    let slot = record.armed.unwrap().slot;
    Handover {
        slot,
        disk: record.partition,
        boot: record.sequence,
        manifest: record.slot(slot).manifest,
    }
}

/// A partition as a range of bytes.
pub fn range(partition: &bootshim::gpt::Partition) -> Range<usize> {
    let start = usize::try_from(partition.extent.start).unwrap();
    start..start + usize::try_from(partition.extent.len).unwrap()
}

/// Changes the partition table of the disk with `sgdisk`.
pub fn sgdisk(bench: &Bench, words: &str) {
    sgdisk_words(bench, &words.split_whitespace().collect::<Vec<_>>());
}

/// The same, where a name has a space in it.
pub fn sgdisk_words(bench: &Bench, words: &[&str]) {
    let mut command = Command::new("sgdisk");
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command.args(words).arg(bench.file("disk.img"));
    let output = command.output().expect("sgdisk of package gdisk");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sgdisk {words:?}: {said}");
}
