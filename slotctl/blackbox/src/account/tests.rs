#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, each of them is a failure that is seen"
)]

use super::*;
use bootshim::choice::{Situation, Slots, StartKind, Step, next};
use bootshim::guid::Guid;
use bootshim::record::{Arming, Slot, Stage};
use bootshim::state;

/// What a start comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// A trial is confirmed, and the machine restarts in order; so does a good slot.
    Well,
    /// It is given up, and a failure is kept of that.
    GivenUp,
    /// It is given up, and there was no place to keep that.
    GivenUpUnkept,
    /// It is given up, and the kernel panics over the restart.
    GivenUpAndPanic,
    /// It dies without a word.
    Silent,
    /// Its kernel panics.
    Panic,
    /// Another image is installed in slot b, and the machine restarts.
    Install,
    /// The same one is installed there again.
    InstallAgain,
}

const ENDS: [Ends; 8] = [
    Ends::Well,
    Ends::GivenUp,
    Ends::GivenUpUnkept,
    Ends::GivenUpAndPanic,
    Ends::Silent,
    Ends::Panic,
    Ends::Install,
    Ends::InstallAgain,
];

const A: usize = 0;
const B: usize = 1;

fn id(index: usize) -> SlotId {
    SlotId::new(index).unwrap()
}

/// A controller whose good slot is a, with an image on trial in slot b. `truth` is what
/// really happened.
struct Controller {
    record: Record,
    kept: Vec<(u64, Failure)>,
    /// For each failure that is kept, the start that it is about.
    about: Vec<(u64, usize)>,
    starts: Vec<Start>,
    /// The start that failed last.
    failed: Option<usize>,
    images: u8,
    /// What lies in pstore: the start whose kernel left it.
    report: Option<usize>,
}

impl Controller {
    fn new(tries: u8) -> Controller {
        let mut record = Record::new(Guid([7; 16]), 3);
        record.sequence = 1;
        record.default_tries = tries;
        let good = Slot {
            state: State::Good,
            priority: 1,
            manifest: [1; 32],
            ..Slot::EMPTY
        };
        record.set_slot(id(A), good);
        let mut controller = Controller {
            record,
            kept: Vec::new(),
            about: Vec::new(),
            starts: Vec::new(),
            failed: None,
            images: 1,
            report: None,
        };
        controller.install(true);
        controller
    }

    fn commit(&mut self, next: state::Next) {
        self.record = next.into();
        self.record.sequence += 1;
    }

    fn install(&mut self, another: bool) {
        self.images += u8::from(another);
        let tries = self.record.default_tries;
        self.commit(state::begin_writing(&self.record, id(B), Some(id(A))).unwrap());
        let image = [self.images; 32];
        self.commit(state::finish_writing(&self.record, id(B), image, 0).unwrap());
        self.commit(state::activate(&self.record, id(B), tries).unwrap());
    }

    /// As bootshim does it.
    fn boot(&mut self) -> (SlotId, StartKind) {
        loop {
            let now = Situation {
                passed: Slots::default(),
                can_commit: true,
                seed: 0,
            };
            match next(&self.record, &now) {
                Step::EndTrial(slot, reason) => {
                    self.failed = self.starts.iter().rposition(|start| start.slot == slot);
                    self.commit(state::fail(&self.record, slot, reason, Stage::Started));
                }
                Step::Start(slot, kind) => {
                    if kind == StartKind::Trial {
                        self.commit(state::arm(&self.record, slot, Arming::Trial));
                    }
                    return (slot, kind);
                }
                Step::Nothing => panic!("slot a is good"),
            }
        }
    }

    fn keep(&mut self, start: Start, about: usize, given_up: bool) -> u64 {
        let number = self.kept.first().map_or(1, |(number, _)| number + 1);
        let failure = Failure {
            slot: start.slot.to_string(),
            manifest: name(&start.manifest),
            attempt: start.attempt,
            given_up,
            ..Failure::default()
        };
        self.kept.insert(0, (number, failure));
        self.about.push((number, about));
        number
    }

    fn failure(&mut self, number: u64) -> &mut Failure {
        let found = self.kept.iter_mut().find(|(known, _)| *known == number);
        &mut found.unwrap().1
    }

    /// Puts what is found where it belongs, as `watch` does; gives its number.
    fn put(&mut self, place: Place, sequence: Option<u64>, about: usize) -> u64 {
        let number = match place {
            Place::In(number) => number,
            Place::New(start) => self.keep(start, about, false),
        };
        let failure = self.failure(number);
        failure.sequence = sequence.or(failure.sequence);
        number
    }

    /// What the next start finds, and where it puts it; checks that against the truth.
    fn account(&mut self, running: (SlotId, Digest), story: &[Ends]) {
        let noted = of_record(&self.record, &self.kept);
        if let Some(place) = noted {
            let sequence = self.record.last_failure.map(|noted| noted.sequence);
            let failed = self.failed.unwrap();
            let number = self.put(place, sequence, failed);
            let attempt = self.failure(number).attempt;
            assert_eq!(attempt, self.starts[failed].attempt, "{story:?}");
        }
        if let Some(really) = self.report.take() {
            let place = of_report(&self.record, running, noted, &self.kept);
            // Found by its number by now, where it is in the record.
            let place = match noted {
                Some(_) => Place::In(self.kept[0].0),
                None => place,
            };
            let number = self.put(place, None, really);
            let about = self.about.iter().find(|(known, _)| *known == number);
            assert_eq!(about.unwrap().1, really, "the report in {story:?}");
            let (failure, died) = (self.failure(number).clone(), self.starts[really]);
            assert_eq!(failure.slot, died.slot.to_string(), "{story:?}");
            if died.attempt.is_some() {
                assert_eq!(failure.attempt, died.attempt, "{story:?}");
            }
        }
        if self.record.last_failure.is_some() {
            let (place, failure) = find(&self.record, &self.kept).unwrap();
            let number = self.kept[place].0;
            let about = self.about.iter().find(|(known, _)| *known == number);
            assert_eq!(Some(about.unwrap().1), self.failed, "{story:?}");
            assert!(failure.sequence.is_some());
        }
        let mut once: Vec<_> = self.about.iter().map(|(_, about)| about).collect();
        once.sort_unstable();
        let all = once.len();
        once.dedup();
        assert_eq!(once.len(), all, "one failure for one start: {story:?}");
    }

    /// One start of the machine; `None` where it cannot end so.
    fn start(&mut self, ends: Ends, story: &[Ends]) -> Option<()> {
        let (slot, kind) = self.boot();
        let known = *self.record.slot(slot);
        let on_trial = kind == StartKind::Trial;
        self.account((slot, known.manifest), story);
        let this = self.starts.len();
        self.starts.push(Start {
            slot,
            manifest: known.manifest,
            attempt: on_trial.then_some(known.attempts),
        });
        let give_up = |plc: &mut Controller| {
            let given_up = state::give_up_start(&plc.record, slot, Reason::Deadline);
            plc.commit(given_up.unwrap());
            plc.failed = Some(this);
        };
        match ends {
            Ends::Well if on_trial => {
                self.commit(state::confirm(&self.record, slot, &known.manifest).unwrap());
            }
            Ends::Well | Ends::Silent => {}
            Ends::Panic => self.report = Some(this),
            Ends::GivenUp | Ends::GivenUpAndPanic if on_trial => {
                give_up(self);
                let number = self.keep(self.starts[this], this, true);
                let sequence = self.record.last_failure.map(|noted| noted.sequence);
                self.failure(number).sequence = sequence;
                self.report = (ends == Ends::GivenUpAndPanic).then_some(this);
            }
            Ends::GivenUpUnkept if on_trial => give_up(self),
            Ends::Install | Ends::InstallAgain if slot == id(A) => {
                self.install(ends == Ends::Install);
            }
            _ => return None,
        }
        Some(())
    }
}

/// Every story of so many starts.
fn stories(length: usize) -> impl Iterator<Item = Vec<Ends>> {
    let all = ENDS.len().pow(u32::try_from(length).unwrap());
    (0..all).map(move |mut number| {
        let mut story = Vec::new();
        for _ in 0..length {
            story.push(ENDS[number % ENDS.len()]);
            number /= ENDS.len();
        }
        story
    })
}

/// The same image again, and then a failure that could not be kept, looks like the one
/// before: that alone is not told apart.
fn is_told_apart(story: &[Ends]) -> bool {
    let again = story.iter().position(|ends| *ends == Ends::InstallAgain);
    again.is_none_or(|again| !story[again..].contains(&Ends::GivenUpUnkept))
}

#[test]
fn in_every_story_each_failure_is_kept_once_and_gets_what_its_own_kernel_left() {
    let mut told = 0;
    for tries in 1..=3 {
        for story in stories(4).filter(|story| is_told_apart(story)) {
            let mut plc = Controller::new(tries);
            let whole = story.iter().try_for_each(|ends| plc.start(*ends, &story));
            if whole.is_some() {
                // What the last of them left is seen at one start more.
                plc.start(Ends::Silent, &story);
                told += 1;
            }
        }
    }
    assert!(told > 1000, "{told}");
}

fn failed(tries: u8, ends: &[Ends]) -> Controller {
    let mut plc = Controller::new(tries);
    for end in ends {
        plc.start(*end, ends).unwrap();
    }
    plc
}

fn says_so(plc: &Controller) -> bool {
    let found = find(&plc.record, &plc.kept).map(|(_, failure)| failure);
    fell_back(&plc.record, found)
}

#[test]
fn it_is_a_fall_back_once_another_slot_runs_and_not_while_the_trial_goes_on_or_ended_well() {
    use Ends::{GivenUp, Install, Silent, Well};
    for (tries, story, fell) in [
        (3, &[][..], false),
        (3, &[GivenUp, GivenUp], false),
        (3, &[GivenUp, Well, Well], false),
        (2, &[GivenUp, GivenUp, Well], true),
        (1, &[Silent, Well], true),
        // Another image since then changes nothing: nobody has been told yet.
        (1, &[Silent, Install, Silent], true),
        (1, &[GivenUp, Install, Well], true),
    ] {
        assert_eq!(says_so(&failed(tries, story)), fell, "{story:?}");
    }
}
