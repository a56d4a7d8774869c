//! Who has the watchdog when it is in use: of a watchdog there is only one, and whoever
//! has it open pets it.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_link, read_to_string};
use std::path::{Path, PathBuf};

/// The first watchdog of a machine has two nodes.
const FIRST: [&str; 2] = ["/dev/watchdog", "/dev/watchdog0"];
/// Where systemd looks for its configuration; the first of them counts.
const PLACES: [&str; 4] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
];
const SETTING: &str = "RuntimeWatchdogSec";

/// A process that has the watchdog open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) process: i32,
    pub(super) name: String,
}

/// All of them with such a name, as far as this process may look. Only links are read: a
/// file that hangs in another process must not hold up the one that watches.
pub(super) fn holders(device: &Path, named: impl Fn(&str) -> bool) -> Vec<Holder> {
    let canonical = std::fs::canonicalize(device).unwrap_or_else(|_| device.to_owned());
    let is_first = |path: &Path| FIRST.iter().any(|first| Path::new(first) == path);
    let is_it =
        |path: &Path| path == device || path == canonical || is_first(path) && is_first(&canonical);
    let has_it = |process: &Path| {
        let files = read_dir(process.join("fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| read_link(file.path()).ok())
            .any(|path| is_it(&path))
    };
    let processes = read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let name = name(&entry.path());
            (named(&name) && has_it(&entry.path())).then_some(Holder { process, name })
        })
        .collect()
}

fn name(process: &Path) -> String {
    let name = read_to_string(process.join("comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Who has it, what that means for this start, and what to change.
pub(super) fn words(holders: &[Holder], root: &Path) -> String {
    match holders {
        [] => "is in use, and no process that can be seen has it: nobody may restart this machine if it hangs; end whoever has it".to_owned(),
        [Holder { process: 1, name }, ..] if name == "systemd" => systemd(setting(root)),
        [Holder { process, name }, ..] => format!(
            "is in use by {name} (process {process}): in this start that program alone decides whether the watchdog restarts this machine; have it not started"
        ),
    }
}

/// As long as its process 1 runs, systemd pets.
fn systemd(setting: Option<String>) -> String {
    let (by, change) = match setting {
        Some(setting) => (setting, "set it to 0 there".to_owned()),
        None => (
            SETTING.to_owned(),
            format!("set {SETTING}=0 in /etc/systemd/system.conf"),
        ),
    };
    format!(
        "is in use by systemd ({by}): in this start it restarts this machine if the kernel hangs, and not if `slotctl watch` does; {change}, and restart"
    )
}

/// The line by which systemd uses the watchdog, and where it stands: the kernel's
/// command line counts before the files, and of these the last.
fn setting(root: &Path) -> Option<String> {
    let command_line = read_to_string(root.join("proc/cmdline")).unwrap_or_default();
    let on_it = |word: &&str| word.starts_with("systemd.watchdog_sec=");
    if let Some(word) = command_line.split_ascii_whitespace().rfind(on_it) {
        return Some(format!("{word} on the kernel's command line"));
    }
    files(root).iter().rev().find_map(|file| {
        let line = line_of(&read_to_string(file).ok()?)?;
        Some(format!("{line} in {}", file.display()))
    })
}

/// One main file, then the others in the order of their names; of two with the same
/// name, the one in the first place.
fn files(root: &Path) -> Vec<PathBuf> {
    let places = PLACES.map(|place| root.join(place));
    let mains = places.iter().map(|place| place.join("system.conf"));
    let main = mains.into_iter().find(|file| file.exists());
    let mut others = BTreeMap::new();
    for place in places.iter().rev() {
        let found = read_dir(place.join("system.conf.d"));
        for entry in found.into_iter().flatten().flatten() {
            others.insert(entry.file_name(), entry.path());
        }
    }
    others.retain(|name, _| Path::new(name).extension().is_some_and(|end| end == "conf"));
    main.into_iter().chain(others.into_values()).collect()
}

fn line_of(text: &str) -> Option<String> {
    let is_it = |line: &&str| {
        let name = line.split_once('=').map(|(name, _)| name.trim_end());
        name == Some(SETTING)
    };
    text.lines().map(str::trim).rfind(is_it).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(process: i32, name: &str) -> Holder {
        let name = name.to_owned();
        Holder { process, name }
    }

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_line_that_counts_is_that_which_counts_for_systemd() {
        let main = (
            "etc/systemd/system.conf",
            "[Manager]\n#RuntimeWatchdogSec=off\n RuntimeWatchdogSec = 10 \n",
        );
        let image = (
            "usr/lib/systemd/system.conf.d/20-board.conf",
            "RuntimeWatchdogSec=20\n",
        );
        let over = (
            "etc/systemd/system.conf.d/20-board.conf",
            "RebootWatchdogSec=1\nRuntimeWatchdogSec=30",
        );
        let last = (
            "run/systemd/system.conf.d/30.conf",
            "RuntimeWatchdogSec=40\n",
        );
        let note = (
            "run/systemd/system.conf.d/40.conf.bak",
            "RuntimeWatchdogSec=50\n",
        );
        let line = ("proc/cmdline", "quiet systemd.watchdog_sec=60 ro\n");
        let unused = ("usr/lib/systemd/system.conf", "RuntimeWatchdogSec=70\n");
        let files = [unused, main, image, over, note, last, line];
        for (count, found) in [
            (0, None),
            (
                1,
                Some("RuntimeWatchdogSec=70 in ROOT/usr/lib/systemd/system.conf"),
            ),
            (
                2,
                Some("RuntimeWatchdogSec = 10 in ROOT/etc/systemd/system.conf"),
            ),
            (
                3,
                Some("RuntimeWatchdogSec=20 in ROOT/usr/lib/systemd/system.conf.d/20-board.conf"),
            ),
            (
                5,
                Some("RuntimeWatchdogSec=30 in ROOT/etc/systemd/system.conf.d/20-board.conf"),
            ),
            (
                6,
                Some("RuntimeWatchdogSec=40 in ROOT/run/systemd/system.conf.d/30.conf"),
            ),
            (
                7,
                Some("systemd.watchdog_sec=60 on the kernel's command line"),
            ),
        ] {
            let root = root(&files[..count]);
            let found = found.map(|found| found.replace("ROOT", root.path().to_str().unwrap()));
            assert_eq!(setting(root.path()), found);
        }
    }

    #[test]
    fn only_process_1_is_systemd_itself() {
        let root = root(&[]);
        let said = |holders: &[Holder]| words(holders, root.path());
        assert!(
            said(&[holder(1, "systemd"), holder(7, "x")])
                .starts_with("is in use by systemd (RuntimeWatchdogSec): ")
        );
        for (process, name) in [(1, "init"), (7, "systemd"), (612, "watchdogd")] {
            let said = said(&[holder(process, name)]);
            let begin = format!("is in use by {name} (process {process}): ");
            assert!(said.starts_with(&begin), "{said}");
        }
        assert!(said(&[]).starts_with("is in use, and no process that can be seen has it"));
    }
}
