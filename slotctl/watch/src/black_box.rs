//! The black box, written by a thread of its own: what it asks may hang, and the petting
//! must not. At the begin it takes in what the start before has left; and when this one is
//! given up, it collects what is known of it.

#[cfg(test)]
mod tests;

use super::journal::Journal;
use super::watcher::Message;
use crate::events::{DIRECTORY, KERNEL_LOG, uptime};
use blackbox::account::{self, Place, Start};
use blackbox::failure::{Check, Dump, Failure, Missing, Watchdog};
use blackbox::motd::Motd;
use blackbox::pstore::{Left, Pstore};
use blackbox::ring::{Found, Ring};
use blackbox::{kernel, systemd};
use bootshim::handover::Handover;
use bootshim::record::{Failure as Noted, Record, SlotId};
use controller::code::Code;
use controller::date::rfc3339;
use controller::disk::Disk;
use controller::efi_variable;
use controller::error::{Error, Result};
use controller::found::Found as Controller;
use controller::trust;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::time::{Duration, Instant, SystemTime};

/// How often it is looked after what is not there yet.
const AGAIN: Duration = Duration::from_secs(5);
/// The same, once it is missing: somebody may repair the data partition.
const AGAIN_LATER: Duration = Duration::from_secs(60);
/// What is not there so long after the begin is missing: by then drivers are loaded and
/// partitions mounted.
const SETTLED: Duration = Duration::from_secs(60);
/// So long all programs together may take to say what they know.
const ASKED_MAX: Duration = Duration::from_secs(10);

/// What `watch` itself knows of a start that it gives up.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// Why.
    pub(super) reason: String,
    /// What each check said last.
    pub(super) checks: Vec<Check>,
    /// The watchdog's device, its time-out in seconds, and whether it is open.
    pub(super) device: String,
    pub(super) timeout: u64,
    pub(super) open: bool,
}

/// What the boot record says of this start and of those before it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What bootshim handed over.
    pub handover: Handover,
    /// The record as it is now.
    pub record: Record,
    /// The words beside it.
    pub note: String,
}

/// Who knows the boot record and the slots. Both may take their time: they are asked by
/// the thread that writes the black box.
pub trait Source: Send {
    /// What the record says; nothing where bootshim did not start this system.
    ///
    /// # Errors
    /// The disk or its record cannot be read.
    fn facts(&self) -> Result<Option<Facts>>;
    /// The version of the image in a slot, where it can be read.
    fn version(&self, slot: SlotId) -> Option<String>;
}

/// The disk that a person named, or the one this controller booted from.
#[derive(Debug)]
struct Booted(Option<PathBuf>);

impl Source for Booted {
    fn facts(&self) -> Result<Option<Facts>> {
        let disk = match Disk::open_or_booted(self.0.as_deref()) {
            Err(error) if error.code == Code::NotBooted => return Ok(None),
            disk => disk?,
        };
        let Some(handover) = disk.handover().copied() else {
            return Ok(None);
        };
        let (record, note) = disk.read_record()?;
        Ok(Some(Facts {
            handover,
            record,
            note: note.text().to_owned(),
        }))
    }

    fn version(&self, slot: SlotId) -> Option<String> {
        let disk = Disk::open_or_booted(self.0.as_deref()).ok()?;
        let (record, _) = disk.read_record().ok()?;
        let found = Controller::new(&disk, record, &trust::keys(&disk).ok()?);
        Some(found.manifest(slot).ok()?.version.clone())
    }
}

/// What the black box of a controller is made from, and where it lies.
pub struct BlackBox {
    source: Box<dyn Source>,
    /// Where `/run`, `/sys` and `/proc` are.
    root: PathBuf,
    kernel_log: PathBuf,
    ring: Ring,
}

impl BlackBox {
    /// That of the controller that this program runs on, whose disk a person may have
    /// named.
    #[must_use]
    pub fn of_this_controller(named: Option<PathBuf>) -> BlackBox {
        let home = Path::new(DIRECTORY);
        BlackBox::at(
            Box::new(Booted(named)),
            Path::new("/"),
            home,
            Path::new(KERNEL_LOG),
        )
    }

    /// One elsewhere: of a system whose `/run`, `/sys` and `/proc` are below `root`, kept
    /// below `home`.
    #[must_use]
    pub fn at(source: Box<dyn Source>, root: &Path, home: &Path, kernel_log: &Path) -> BlackBox {
        BlackBox {
            source,
            root: root.to_owned(),
            kernel_log: kernel_log.to_owned(),
            ring: Ring::at(home),
        }
    }

    /// Takes in what the start before has left, and writes what is known of this one when
    /// that is sent.
    pub(super) fn begin(
        self,
        journal: &Journal,
        inbox: &SyncSender<Message>,
    ) -> std::io::Result<Sender<Account>> {
        let (sender, accounts) = channel();
        let mut recorder = Recorder {
            black_box: self,
            journal: journal.clone(),
            began: Instant::now(),
            said: Vec::new(),
        };
        let inbox = inbox.clone();
        let work = move || recorder.work(&accounts, &inbox);
        let thread = std::thread::Builder::new().name("black box".to_owned());
        thread.spawn(work)?;
        Ok(sender)
    }
}

/// The thread.
struct Recorder {
    black_box: BlackBox,
    journal: Journal,
    began: Instant,
    /// The events that were said: each once, however often it is tried again.
    said: Vec<&'static str>,
}

impl Recorder {
    fn work(&mut self, accounts: &Receiver<Account>, inbox: &SyncSender<Message>) {
        let mut taken_in = self.has_taken_in();
        loop {
            let account = match taken_in {
                true => accounts.recv().map_err(RecvTimeoutError::from),
                false if self.has_settled() => accounts.recv_timeout(AGAIN_LATER),
                false => accounts.recv_timeout(AGAIN),
            };
            // What came before this start belongs to others.
            taken_in = taken_in || self.has_taken_in();
            match account {
                Ok(account) => {
                    self.keep(account);
                    // It may have come to its end.
                    let _ = inbox.send(Message::Recorded);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether there is nothing left to take in.
    fn has_taken_in(&mut self) -> bool {
        let settled = self.has_settled();
        match self.take_in(settled) {
            Ok(done) => done,
            Err(error) => {
                if settled {
                    let text = format!("what a failed start leaves cannot be kept: {error}");
                    self.say_once("failure-not-kept", text);
                }
                false
            }
        }
    }

    fn has_settled(&self) -> bool {
        self.began.elapsed() >= SETTLED
    }

    /// Takes in what the start before has left, durably, and removes it then from where it
    /// was; whether that is done. Before all is `settled`, what is not there may come.
    fn take_in(&mut self, settled: bool) -> Result<bool> {
        let Some(facts) = self.black_box.source.facts()? else {
            return Ok(true);
        };
        let pstore = Pstore::at(&self.black_box.root);
        let absent = pstore.absent();
        if absent.is_some() && !settled {
            return Ok(false);
        }
        if !self.black_box.ring.has_place() {
            self.tell_everybody(&facts, &Found::default(), settled);
            let found = "there is no data partition for it: /var/lib is not there";
            return Err(Error::new(Code::Io, found));
        }
        let mut kept = self.black_box.ring.read()?;
        if let Some(damaged) = kept.damaged.first() {
            self.say_once("failure-damaged", damaged.clone());
        }
        let left = pstore.left();
        let left = left.map_err(|error| Error::io("reading pstore", &error))?;
        if let Some((number, failure)) = self.due(&facts, &kept, &left, &pstore) {
            let number = self.black_box.ring.put(number, &failure)?;
            self.say_kept(number, &failure);
            kept = self.black_box.ring.read()?;
        }
        if let Err(error) = pstore.remove(&left) {
            let text = format!(
                "what the kernel left in pstore is kept and cannot be removed there, so that it fills up: {error}"
            );
            self.say_once("pstore-not-emptied", text);
        }
        if let Some(why) = absent {
            let text = format!("if the kernel ends here, nothing will say why: {why}");
            self.say_once("pstore-missing", text);
        } else if let Some(why) = pstore.full() {
            let text = format!("if the kernel ends here, nothing may say why: {why}");
            self.say_once("pstore-full", text);
        }
        self.tell_everybody(&facts, &kept, true);
        Ok(true)
    }

    /// The failure that has to be written at this start, in place of the one with that
    /// number or as a new one.
    fn due(
        &self,
        facts: &Facts,
        kept: &Found,
        left: &Left,
        pstore: &Pstore,
    ) -> Option<(Option<u64>, Failure)> {
        let kept = &kept.failures;
        let by_record = account::of_record(&facts.record, kept);
        // After a cut it may be kept already, and not removed yet.
        let is_kept = kept.iter().any(|(_, failure)| failure.has(&left.dumps));
        let dumps: &[Dump] = match is_kept {
            true => &[],
            false => left.dumps.as_slice(),
        };
        let running = (facts.handover.slot, facts.handover.manifest);
        let report = (!dumps.is_empty())
            .then(|| account::of_report(&facts.record, running, by_record, kept));
        let (number, mut failure) = match report.or(by_record)? {
            Place::In(number) => {
                let found = kept.iter().find(|(known, _)| *known == number)?;
                (Some(number), found.1.clone())
            }
            Place::New(start) => {
                let why = match by_record {
                    Some(_) => reason(facts),
                    None => format!(
                        "its kernel left a report; it was the start before this one, of slot {} as far as is known",
                        start.slot
                    ),
                };
                let found = self.found(&start, why);
                let kernel = pstore.console();
                (None, Failure { kernel, ..found })
            }
        };
        if by_record.is_some() {
            failure.sequence = facts.record.last_failure.map(|noted| noted.sequence);
        }
        failure.add(dumps);
        if failure.pstore.is_empty() {
            let missing = without_pstore(pstore).filter(|m| !failure.missing.contains(m));
            failure.missing.extend(missing);
        }
        Some((number, failure))
    }

    /// What is known of a start that ended without a word.
    fn found(&self, start: &Start, reason: String) -> Failure {
        Failure {
            slot: start.slot.to_string(),
            manifest: account::name(&start.manifest),
            version: self.black_box.source.version(start.slot),
            attempt: start.attempt,
            time: rfc3339(SystemTime::now()),
            reason,
            watchdog: Some(of_bootshim()),
            ..Failure::default()
        }
    }

    /// Collects what is known of this start, which is given up, and writes it.
    fn keep(&mut self, account: Account) {
        let failure = self.collected(account);
        match self.black_box.ring.put(None, &failure) {
            Ok(number) => self.say_kept(number, &failure),
            Err(error) => {
                let text = format!("what is known of this start cannot be kept: {error}");
                self.say("failure-not-kept", text, Value::Null);
            }
        }
    }

    fn collected(&self, account: Account) -> Failure {
        let BlackBox {
            source,
            root,
            kernel_log,
            ..
        } = &self.black_box;
        let mut missing = Vec::new();
        let (units, unasked) = systemd::units(root, Instant::now() + ASKED_MAX);
        missing.extend(unasked);
        let kernel = kernel::lines(kernel_log).unwrap_or_else(|error| {
            missing.push(Missing::new("kernel", error.to_string()));
            Vec::new()
        });
        missing.extend(without_pstore(&Pstore::at(root)));
        let about = match source.facts() {
            Ok(Some(facts)) => self.of_this_start(&facts),
            Ok(None) => Failure::default(),
            Err(error) => {
                missing.push(Missing::new("boot record", error.to_string()));
                Failure::default()
            }
        };
        Failure {
            given_up: true,
            time: rfc3339(SystemTime::now()),
            uptime: uptime(),
            reason: account.reason,
            checks: account.checks,
            units,
            kernel,
            watchdog: Some(Watchdog {
                device: Some(account.device),
                timeout: Some(account.timeout),
                open: Some(account.open),
                ..of_bootshim()
            }),
            missing,
            ..about
        }
    }

    /// Whose start it is that runs.
    fn of_this_start(&self, facts: &Facts) -> Failure {
        let Facts {
            handover, record, ..
        } = facts;
        let attempts = record.slot(handover.slot).attempts;
        // Where the reason could not be written, it is one of an earlier start.
        let of_this =
            |noted: &Noted| noted.slot == handover.slot && noted.sequence >= handover.boot;
        let noted = record.last_failure.filter(of_this);
        Failure {
            slot: handover.slot.to_string(),
            manifest: account::name(&handover.manifest),
            version: self.black_box.source.version(handover.slot),
            boot: Some(handover.boot),
            attempt: (attempts > 0).then_some(attempts),
            sequence: noted.map(|noted| noted.sequence),
            ..Failure::default()
        }
    }

    /// Says at each login that production fell back, until a person has acknowledged it.
    /// Where nothing can be read yet, nothing is said.
    fn tell_everybody(&mut self, facts: &Facts, kept: &Found, settled: bool) {
        let Some(noted) = facts.record.last_failure.filter(|_| settled) else {
            return;
        };
        let seen = self.black_box.ring.acknowledged();
        let disk = facts.record.partition;
        let is_seen = seen.is_some_and(|seen| seen.is(disk, noted.sequence));
        let failure = account::find(&facts.record, &kept.failures);
        let fell_back = account::fell_back(&facts.record, failure.map(|(_, failure)| failure));
        let motd = Motd::at(&self.black_box.root);
        let told = match fell_back && !is_seen {
            true => motd.say(&noted.slot.to_string(), &noted.reason.to_string()),
            false => motd.end(),
        };
        if let Err(error) = told {
            self.say_once("motd-not-written", error.to_string());
        }
    }

    fn say_kept(&self, number: u64, failure: &Failure) {
        let text = format!(
            "what is known of a failed start of slot {} is kept: `slotctl log --failure 1`",
            failure.slot
        );
        let details = json!({ "number": number, "slot": failure.slot });
        self.say("failure-kept", text, details);
    }

    fn say_once(&mut self, event: &'static str, text: String) {
        if !self.said.contains(&event) {
            self.said.push(event);
            self.say(event, text, Value::Null);
        }
    }

    fn say(&self, event: &'static str, text: String, details: Value) {
        self.journal.say(event, text, details);
    }
}

/// Why the last failure in the record failed: its words, or what stands in their place.
fn reason(facts: &Facts) -> String {
    match (facts.note.is_empty(), facts.record.last_failure) {
        (true, Some(noted)) => format!("slot {}: {} ({})", noted.slot, noted.reason, noted.stage),
        _ => facts.note.clone(),
    }
}

/// Why pstore holds nothing of a kernel, where it cannot.
fn without_pstore(pstore: &Pstore) -> Option<Missing> {
    let why = pstore.absent().or_else(|| pstore.full())?;
    Some(Missing::new("pstore", why))
}

/// What bootshim told of the watchdog at this start.
fn of_bootshim() -> Watchdog {
    let told = efi_variable::watchdog();
    Watchdog {
        armed: told.and_then(|told| Some(told.armed?.0.word().to_owned())),
        last_reset: told.map(|told| told.last_reset.word().to_owned()),
        ..Watchdog::default()
    }
}
