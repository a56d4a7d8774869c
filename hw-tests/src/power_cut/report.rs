//! What an exploration did and found.

use super::judge::Started;
use super::rebuilt::Rebuilt;
use super::region::Region;
use std::collections::BTreeMap;

/// One of the disks between two flushes, to be started for real.
#[derive(Debug)]
pub struct Sample {
    /// The disk.
    pub disk: Rebuilt,
    /// How many events of the log are durable whatever the cut leaves.
    pub flushed: usize,
    /// What starts from it.
    pub expected: Started,
    /// After which flush of the log the power was cut.
    pub after: usize,
    /// What was left of the unflushed writes, in words.
    pub left: String,
}

/// Counts and broken promises.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    writes: BTreeMap<Region, usize>,
    /// How many flushes the log has.
    pub flushes: usize,
    /// How many disks were rebuilt.
    pub rebuilt: usize,
    /// How many of them were distinct by the content of record and slots; these
    /// were judged.
    pub states: usize,
    violations: Vec<String>,
    kept: BTreeMap<usize, Sample>,
}

impl Report {
    pub(super) fn new(seed: u64) -> Report {
        Report {
            seed,
            writes: BTreeMap::new(),
            flushes: 0,
            rebuilt: 0,
            states: 0,
            violations: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Counts a write; its place among all of them, from 1.
    pub(super) fn count(&mut self, region: Region) -> usize {
        *self.writes.entry(region).or_default() += 1;
        self.writes()
    }

    pub(super) fn violation(&mut self, words: String) {
        self.violations.push(words);
    }

    /// Keeps one sample for each flush, the last one given.
    pub(super) fn keep(&mut self, sample: Sample) {
        self.kept.insert(sample.after, sample);
    }

    /// How many writes the log has.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes.values().sum()
    }

    /// How many of them went to a region.
    #[must_use]
    pub fn writes_to(&self, region: Region) -> usize {
        self.writes.get(&region).copied().unwrap_or(0)
    }

    /// The promises that were broken, in words.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// At most `count` disks to be started for real, spread evenly over the log.
    pub fn samples(&self, count: usize) -> impl Iterator<Item = &Sample> {
        let all: Vec<&Sample> = self.kept.values().collect();
        let count = count.min(all.len());
        (0..count).filter_map(move |n| {
            let middle = n
                .saturating_mul(2)
                .saturating_add(1)
                .saturating_mul(all.len());
            all.get(middle.checked_div(count.saturating_mul(2))?)
                .copied()
        })
    }

    /// The counts in words; `booted` of the disks were started for real.
    #[must_use]
    pub fn words(&self, booted: usize) -> String {
        let others = [Region::Esp, Region::Table];
        let writes = self.writes.iter().map(|(region, count)| (*region, *count));
        let writes = writes.filter(|(region, _)| !others.contains(region));
        let others = others.map(|region| (region, self.writes_to(region)));
        let writes: Vec<String> = writes
            .chain(others)
            .map(|(region, count)| format!("{count} to {region}"))
            .collect();
        format!(
            "replayed {} states of {} writes and {} flushes, {booted} booted, {} violations\n  \
             distinct by the bytes of record and slots; {} were rebuilt, by seed {}\n  \
             writes: {}",
            self.states,
            self.writes(),
            self.flushes,
            self.violations.len(),
            self.rebuilt,
            self.seed,
            writes.join(", ")
        )
    }
}
