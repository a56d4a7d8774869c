//! The lives of a small controller, the short ones first: two slots, images of two formats, cuts between any
//! two steps. Record, transitions and choice are the real ones; the data partition is what
//! programs would find on it.

use super::*;
use bootshim::choice::{self, Situation, Slots, StartKind};
use bootshim::guid::Guid;
use bootshim::record::{NO_DIGEST, Reason, Slot, Stage};
use bootshim::state::{self, Next, Refusal};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

/// What programs have written into the paths of an activation. An image reads the format
/// that is the first byte of its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Content {
    /// Which image wrote what is per slot; `None` where it is as the image has it.
    per_slot: Option<u8>,
    /// In which format the settings are.
    settings: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    record: Record,
    found: Found,
    contents: BTreeMap<Activation, Content>,
    /// In which format the shared data are.
    data: u32,
    running: Option<Activation>,
    /// Activations whose units have started.
    ran: BTreeSet<Activation>,
    installs: u8,
    flips: u8,
    losses: u8,
}

/// How much happens in a life.
const INSTALLS: u8 = 1;
const FLIPS: u8 = 2;
const LOSSES: u8 = 1;
/// So many worlds take seconds.
const MOST: usize = 30_000;

fn reads(activation: &Activation) -> u32 {
    u32::from(activation.manifest[0])
}

/// What an image declares.
fn declared_by(activation: &Activation) -> &'static Declared {
    static IMAGES: LazyLock<[Declared; 3]> = LazyLock::new(|| [0, 1, 2].map(image));
    &IMAGES[usize::from(activation.manifest[0])]
}

fn highest(formats: &Formats) -> u32 {
    formats.values().copied().max().unwrap_or(0)
}

impl World {
    fn factory() -> World {
        let record = Record::new(Guid([7; 16]), 2);
        let a = "a".parse().unwrap();
        let writing = state::begin_writing(&record, a, None).unwrap();
        let ready = state::finish_writing(&writing, a, [1; 32], 0).unwrap();
        World {
            record: state::provision(&ready, a).unwrap().into(),
            found: Found::default(),
            contents: BTreeMap::new(),
            data: 0,
            running: None,
            ran: BTreeSet::new(),
            installs: 0,
            flips: 0,
            losses: 0,
        }
    }

    fn with(&self, change: impl FnOnce(&mut World)) -> World {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    /// All that can happen next.
    fn next(&self) -> Vec<World> {
        match self.running {
            None => self.starts(),
            Some(running) => self.lives(running),
        }
    }

    /// A start, cut after any step or not at all; or the record is lost before it.
    fn starts(&self) -> Vec<World> {
        let mut all = Vec::new();
        if self.losses < LOSSES {
            all.push(self.with(World::lose_record));
        }
        if let Some((slot, kind)) = self.choice() {
            let armed = match kind.arming() {
                Some(arming) => state::arm(&self.settled(), slot, arming).into(),
                None => self.settled(),
            };
            all.extend(self.with(|world| world.record = armed).start(slot));
        }
        all
    }

    fn choice(&self) -> Option<(SlotId, StartKind)> {
        choice::first(&self.record, &situation())
    }

    /// As bootshim leaves the record: a trial that is over is bad.
    fn settled(&self) -> Record {
        let mut record = self.record.clone();
        while let choice::Step::EndTrial(slot, reason) = choice::next(&record, &situation()) {
            record = state::fail(&record, slot, reason, Stage::Started).into();
        }
        record
    }

    fn start(self, slot: SlotId) -> Vec<World> {
        let starting = Starting::of(&self.record, slot).unwrap();
        let now = starting.activation;
        let declared = declared_by(&now);
        let Ok(steps) = start(declared, &self.found, &starting) else {
            assert!(!starting.is_good);
            let failed = state::fail(&self.record, slot, Reason::NoState, Stage::Started);
            return vec![self.with(|world| world.record = failed.into())];
        };
        let mut all = vec![self.clone()];
        let mut world = self;
        if let Some(source) = steps.make {
            let lost = world.losses > 0;
            assert!(
                lost || !world.ran.contains(&now),
                "what it left is gone: {world:#?}"
            );
            world.make(declared, now, source);
            all.push(world.clone());
        }
        if let Some(source) = steps.forward {
            world.forward(&steps, now, source);
            all.push(world.clone());
        }
        let before = highest(&world.found.shared);
        world.found.shared.extend(steps.shared.clone());
        all.push(world.clone());
        world.check(&starting, declared, &steps, before);
        world.running = Some(now);
        world.ran.insert(now);
        all.push(world);
        all
    }

    fn make(&mut self, declared: &Declared, now: Activation, source: Source) {
        let per_slot = match source {
            Source::Image => None,
            Source::Of(from) => {
                assert!(from.same_image(&now));
                self.contents[&from].per_slot
            }
        };
        let made = Content {
            per_slot,
            settings: 0,
        };
        assert_eq!(self.contents.insert(now, made), None, "written over");
        self.found.directories.push(Directory {
            activation: now,
            forwarded: false,
            formats: declared.formats(),
        });
        self.found
            .directories
            .sort_by_key(|directory| directory.activation);
    }

    fn forward(&mut self, steps: &Steps, now: Activation, source: Source) {
        let settings = match source {
            Source::Of(from) if steps.left_behind.is_empty() => self.contents[&from].settings,
            _ => 0,
        };
        self.contents.get_mut(&now).unwrap().settings = settings;
        let mut here = self.found.directories.iter_mut();
        let here = here.find(|directory| directory.activation == now).unwrap();
        assert!(!here.forwarded, "copied twice");
        here.forwarded = true;
    }

    /// What holds when the units of a slot start, however it came to that.
    fn check(&self, starting: &Starting, declared: &Declared, steps: &Steps, before: u32) {
        let now = starting.activation;
        let here = self.found.directory(&now).unwrap();
        assert!(here.forwarded && here.formats == declared.formats());
        assert!(
            steps.withheld.is_empty(),
            "a good slot is refused its data: {self:#?}"
        );
        assert!(
            self.data <= reads(&now),
            "old software on new data: {self:#?}"
        );
        let content = &self.contents[&now];
        assert!(
            content.settings <= reads(&now),
            "old software on new settings: {self:#?}"
        );
        let own = content
            .per_slot
            .is_none_or(|wrote| wrote == now.manifest[0]);
        assert!(own, "another image wrote there: {self:#?}");
        let told = highest(&steps.shared);
        assert!(told <= reads(&now), "told to write what it does not know");
        let rises = before > 0 && told > before;
        assert!(
            !rises || starting.is_good,
            "raised before the confirm: {self:#?}"
        );
        let behind = |good: &Activation| reads(good) < told;
        assert!(
            !rises || !starting.other_good.iter().any(behind),
            "no way back: {self:#?}"
        );
    }

    fn lives(&self, running: Activation) -> Vec<World> {
        let (slot, manifest) = (running.slot, running.manifest);
        let mut all = vec![
            self.with(|world| world.running = None),
            self.with(|world| world.write(running)),
        ];
        let mut commit = |next: Result<Next, Refusal>, goes_on: bool| {
            all.extend(next.ok().map(|next| {
                self.with(|world| {
                    world.record = next.into();
                    world.running = world.running.filter(|_| goes_on);
                })
            }));
        };
        commit(state::confirm(&self.record, slot, &manifest), true);
        commit(
            state::give_up_start(&self.record, slot, Reason::Deadline),
            false,
        );
        commit(state::reject(&self.record, slot, &manifest), false);
        commit(state::give_back(&self.record, slot), false);
        if self.installs < INSTALLS {
            all.extend(
                [1, 2]
                    .into_iter()
                    .filter_map(|manifest| self.installed(slot, manifest)),
            );
        }
        if self.flips < FLIPS {
            for target in self.record.ids().filter(|target| *target != slot) {
                all.extend(self.flipped(target, |record| state::activate(record, target, 1)));
                let once = state::activate_once(&self.record, target);
                all.extend(once.ok().map(|once| self.flip(once)));
            }
            let back = |record: &Record| state::rollback(record, Some(slot), 1);
            if let Ok((target, _)) = back(&self.record) {
                all.extend(self.flipped(target, |record| Ok(back(record)?.1)));
            }
        }
        // One at a time: a cut may come between any two.
        for gone in collect(&self.found, &self.record) {
            // Somebody may activate the slot that runs: its new number is another.
            if gone != running {
                all.push(self.with(|world| {
                    world
                        .found
                        .directories
                        .retain(|kept| kept.activation != gone);
                    world.contents.remove(&gone);
                }));
            }
        }
        all
    }

    /// The program writes the format that it was told, and its own where nobody else reads.
    fn write(&mut self, running: Activation) {
        self.data = self.data.max(highest(&self.found.shared));
        let content = self.contents.get_mut(&running).unwrap();
        content.settings = reads(&running);
        content.per_slot = Some(running.manifest[0]);
    }

    fn installed(&self, running: SlotId, manifest: u8) -> Option<World> {
        let target = state::write_target(&self.record, Some(running), None).ok()?;
        let writing = state::begin_writing(&self.record, target, Some(running)).ok()?;
        let ready = state::finish_writing(&writing, target, [manifest; 32], 0).ok()?;
        Some(self.with(|world| {
            world.record = ready.into();
            world.ran.retain(|ran| ran.slot != target);
            world.installs += 1;
        }))
    }

    fn flip(&self, next: Next) -> World {
        self.with(|world| {
            world.record = next.into();
            world.flips += 1;
        })
    }

    /// What is prepared lies beside all the rest, and may stay there without its flip; a
    /// flip may come without it, and an older slotctl gives no number.
    fn flipped(
        &self,
        target: SlotId,
        flip: impl Fn(&Record) -> Result<Next, Refusal>,
    ) -> Vec<World> {
        let (Ok(next), Some(now)) = (flip(&self.record), Activation::of(&self.record, target))
        else {
            return Vec::new();
        };
        let declared = declared_by(&now);
        let mut all = vec![self.flip(next.clone())];
        if let Ok((fresh, source)) = prepare(declared, &self.found, &now) {
            assert!(fresh.same_image(&now) && self.found.directory(&fresh).is_none());
            let numbered = state::number(&self.record, next, target, fresh.number);
            all.push(self.flip(numbered.clone()));
            let mut prepared = self.clone();
            prepared.make(declared, fresh, source);
            all.push(prepared.flip(numbered));
            prepared.flips += 1;
            all.push(prepared);
        }
        all
    }

    /// Nothing is left of the record, and bootshim makes one of the slots.
    fn lose_record(&mut self) {
        let mut record = Record::new(Guid([7; 16]), 2);
        let mut best = None;
        for (slot, known) in self
            .record
            .slots()
            .filter(|(_, slot)| slot.manifest != NO_DIGEST)
        {
            let installed = Slot {
                state: State::Ready,
                manifest: known.manifest,
                ..Slot::EMPTY
            };
            record.set_slot(slot, installed);
            best = best.max(Some((known.manifest, slot)));
        }
        let (_, slot) = best.unwrap();
        self.record = state::activate(&record, slot, 1).unwrap().into();
        self.losses += 1;
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

fn situation() -> Situation {
    Situation {
        passed: Slots::default(),
        can_commit: true,
        seed: 0,
    }
}

#[test]
fn in_no_life_of_a_controller_does_software_meet_data_that_it_cannot_read() {
    let (mut seen, mut open) = (HashSet::new(), VecDeque::from([World::factory()]));
    let (mut risen, mut after_loss, mut refused) = (0, 0, 0);
    while let Some(world) = open.pop_front().filter(|_| seen.len() < MOST) {
        for mut next in world.next() {
            // What decides nothing here keeps the lives finite.
            next.record.last_failure = None;
            next.record.last_booted = None;
            for slot in next.record.ids() {
                let mut known = *next.record.slot(slot);
                if known.state != State::Trying {
                    (known.tries, known.tries_left, known.attempts) = (0, 0, 0);
                }
                next.record.set_slot(slot, known);
            }
            if !seen.insert(next.hash()) {
                continue;
            }
            let failed = |(_, slot): (SlotId, &Slot)| slot.reason == Reason::NoState;
            risen += usize::from(next.data == 2);
            after_loss += usize::from(next.losses > 0 && next.running.is_some());
            refused += usize::from(next.record.slots().any(failed));
            open.push_back(next);
        }
    }
    println!("{} worlds, in {risen} the data have format 2", seen.len());
    // Else nothing of all this was tried.
    assert!(risen > 0 && after_loss > 0 && refused > 0);
}
