//! The search for the disk that this controller booted from: the one whose boot
//! record partition has the GUID that bootshim put on the kernel's command line.
//!
//! Every disk here is asked, all at once and each by a helper of its own: one that is
//! not ours may be dead and never answer, and must hold up nobody.

use super::{Disk, booted};
use crate::code::Code;
use crate::error::{Error, Result};
use crate::helper::{Answer, Helper, Task};
use bootshim::guid::Guid;
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a disk may take to say that it is another one. What takes longer is
/// not waited for.
const BOUND: Duration = Duration::from_secs(5);
/// How often helpers are looked after.
const LOOK: Duration = Duration::from_millis(5);
/// What a disk answered may have changed after so long, where it did not end the
/// search.
const OLD: Duration = Duration::from_secs(10);
/// The same, where it could not be read: a disk that was just plugged in takes a moment.
const UNREAD_OLD: Duration = Duration::from_millis(100);

/// The task of the helpers: to read the record of one disk, which may never answer.
pub const ASK: Task = ("record-of", |words| match words {
    [node] => record_of(Path::new(node)),
    _ => Err("one disk is asked at a time".to_owned()),
});

/// The answer where it may not be read.
const NOT_PERMITTED: &str = "not permitted";

/// The GUID of the boot record of a disk; nothing where it has none. The error says
/// why it could not be read.
fn record_of(node: &Path) -> Answer {
    let error = match Disk::open(node) {
        Ok(disk) => return Ok(disk.layout.record.id.to_string()),
        Err(error) => error,
    };
    match error.code {
        Code::NoPermission => Ok(NOT_PERMITTED.to_owned()),
        Code::NotGpt | Code::NotAController | Code::NotADisk => Ok(String::new()),
        // Also that its node is not there yet, or that its table is damaged.
        _ => Err(error.found),
    }
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    named: Option<Disk>,
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    node: PathBuf,
    since: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Helper),
    /// Its boot record, where it has one.
    Has(Option<Guid>),
    Unread(String),
    NotPermitted,
}

/// The one disk, and those that have not answered.
type Answered = (PathBuf, Vec<PathBuf>);

impl Search {
    /// For the disk that a person named, or else the one this controller booted from.
    pub fn begin(named: Option<&Path>) -> Result<Search> {
        Ok(Search {
            named: named.map(Disk::open).transpose()?,
            asked: Vec::new(),
        })
    }

    /// The disk, unless it is too early to say. Never waits for a disk but the one
    /// that is found.
    ///
    /// # Errors
    /// When this system was not started by bootshim; a disk that is not there, or
    /// there twice. It may be looked for again.
    pub fn look(&mut self) -> Result<Option<Disk>> {
        // A file, or the disk of another controller.
        if let Some(disk) = self.named.take_if(|disk| disk.handover.is_none()) {
            return Ok(Some(disk));
        }
        let Some((path, silent)) = self.find()? else {
            return Ok(None);
        };
        let disk = match self.named.take() {
            Some(named) => named,
            None => Disk::open(&path)?,
        };
        Ok(Some(Disk { silent, ..disk }))
    }

    /// Looks for so long as it is too early to say; but no longer than `patience`.
    pub fn look_for(&mut self, patience: Duration) -> Result<Option<Disk>> {
        let begun = Instant::now();
        loop {
            let found = self.look()?;
            if found.is_some() || begun.elapsed() >= patience {
                return Ok(found);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Looks until there is something to say.
    pub fn wait(mut self) -> Result<Disk> {
        loop {
            if let Some(disk) = self.look_for(BOUND)? {
                return Ok(disk);
            }
        }
    }

    fn find(&mut self) -> Result<Option<Answered>> {
        let Some(handover) = booted::handover() else {
            let found = "this system was not started by bootshim";
            return Err(Error::new(Code::NotBooted, found).advice("name a disk with --disk"));
        };
        self.ask()?;
        if self.asked.iter().any(Asked::may_answer) {
            return Ok(None);
        }
        self.only(handover.disk).map(Some)
    }

    /// Takes the answers that have come, and asks the disks that have to be asked.
    fn ask(&mut self) -> Result<()> {
        let disks = booted::disks();
        self.asked.retain_mut(|asked| {
            asked.take_answer();
            disks.contains(&asked.node) && !asked.is_old()
        });
        for node in disks {
            if self.asked.iter().any(|asked| asked.node == node) {
                continue;
            }
            let failed = |error| Error::io("starting slotctl as a helper", &error);
            // This process does not so much as look at the node.
            let state = State::Waiting(Helper::start(ASK, [&node]).map_err(failed)?);
            let since = Instant::now();
            self.asked.push(Asked { node, since, state });
        }
        Ok(())
    }

    /// The disk with the boot record `id`, if it is the only one. Of two nobody can
    /// say which of them firmware will start next time.
    fn only(&self, id: Guid) -> Result<Answered> {
        let those = |which: fn(&State, Guid) -> bool| {
            let those = self.asked.iter().filter(move |one| which(&one.state, id));
            those.map(|one| one.node.clone()).collect::<Vec<_>>()
        };
        let silent = those(|state, _| matches!(state, State::Waiting(_)));
        let closed = those(|state, _| matches!(state, State::NotPermitted));
        let mut ours = those(|state, id| matches!(state, State::Has(Some(has)) if *has == id));
        ours.sort();
        match ours.as_slice() {
            [disk] => Ok((disk.clone(), silent)),
            [first, second, ..] => {
                let found = format!(
                    "{} and {} both have the boot record {id}",
                    first.display(),
                    second.display(),
                );
                Err(Error::new(Code::TwoDisks, found)
                    .advice("unplug one, or give the copy new GUIDs with `sgdisk -G`"))
            }
            [] if closed.is_empty() => Err(self.lost(id, &silent)),
            [] => {
                let denied = std::io::Error::from(Errno::EACCES);
                let mut error = Error::io(format_args!("opening {}", list(&closed)), &denied);
                error.advice = "run it as root, or with the rights to this disk".to_owned();
                Err(error)
            }
        }
    }

    fn lost(&self, id: Guid, silent: &[PathBuf]) -> Error {
        let mut found = format!("no disk here has the boot record {id}");
        for asked in &self.asked {
            if let State::Unread(why) = &asked.state {
                found.push_str("; ");
                found.push_str(why);
            }
        }
        if !silent.is_empty() {
            found.push_str("; ");
            found.push_str(&silence(silent));
        }
        Error::new(Code::DiskLost, found)
            .advice("the disk that this controller booted from is gone")
    }
}

impl Asked {
    fn take_answer(&mut self) {
        let State::Waiting(helper) = &mut self.state else {
            return;
        };
        if let Some(answer) = helper.answer() {
            self.since = Instant::now();
            self.state = match answer {
                Ok(answer) if answer == NOT_PERMITTED => State::NotPermitted,
                Ok(id) => State::Has(id.parse().ok()),
                Err(why) => State::Unread(why),
            };
        }
    }

    fn may_answer(&self) -> bool {
        matches!(self.state, State::Waiting(_)) && self.since.elapsed() < BOUND
    }

    /// Whether it is to be asked again. One that still owes an answer is not: each
    /// time another helper would hang.
    fn is_old(&self) -> bool {
        let age = self.since.elapsed();
        match self.state {
            State::Waiting(_) => false,
            State::Has(_) => age >= OLD,
            State::Unread(_) | State::NotPermitted => age >= UNREAD_OLD,
        }
    }
}

/// What is said of disks that do not answer.
pub(super) fn silence(silent: &[PathBuf]) -> String {
    format!(
        "no answer from {} within {}",
        list(silent),
        crate::duration::spell(BOUND)
    )
}

fn list(nodes: &[PathBuf]) -> String {
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| node.display().to_string())
        .collect();
    nodes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Guid = Guid([3; 16]);

    fn search(disks: impl IntoIterator<Item = (&'static str, State)>) -> Search {
        let asked = |(node, state): (&str, State)| Asked {
            node: node.into(),
            since: Instant::now(),
            state,
        };
        Search {
            named: None,
            asked: disks.into_iter().map(asked).collect(),
        }
    }

    #[test]
    fn of_two_disks_with_the_same_record_none_is_taken_and_both_are_named() {
        let ours = |node| (node, State::Has(Some(ID)));
        let other = || ("/dev/vdc", State::Has(Some(Guid([4; 16]))));
        let one = search([ours("/dev/vda"), other()]);
        assert_eq!(one.only(ID), Ok(("/dev/vda".into(), Vec::new())));
        let two = search([ours("/dev/vdb"), other(), ours("/dev/vda")]);
        let error = two.only(ID).unwrap_err();
        assert_eq!(error.code, Code::TwoDisks);
        let found = format!("/dev/vda and /dev/vdb both have the boot record {ID}");
        assert_eq!(error.found, found);
    }

    #[test]
    fn where_none_is_ours_the_error_says_which_could_not_be_asked() {
        let none = search([("/dev/vda", State::Has(None))]);
        assert_eq!(none.only(ID).unwrap_err().code, Code::DiskLost);
        let why = "reading the GPT of /dev/vdb: Input/output error";
        let unread = search([("/dev/vdb", State::Unread(why.to_owned()))]);
        let error = unread.only(ID).unwrap_err();
        assert_eq!(error.code, Code::DiskLost);
        assert!(error.found.ends_with(why), "{error}");
        let closed = search([("/dev/vda", State::NotPermitted)]);
        let error = closed.only(ID).unwrap_err();
        assert_eq!(error.code, Code::NoPermission);
        assert!(error.to_string().contains("/dev/vda"), "{error}");
        assert!(error.to_string().contains("run it as root"), "{error}");
    }
}
