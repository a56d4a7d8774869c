//! What the simulator found, counted.

use super::cuts::Fault;
use super::promise::Promise;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Violations that are kept in full; the first are those with the shortest way.
const KEPT: usize = 5;

/// A disk on which something did not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What did not hold.
    pub promise: Promise,
    /// How.
    pub words: String,
    /// The shortest way there: operations, then the one that was cut.
    pub way: Vec<String>,
    /// The cut, and what else went wrong.
    pub cut: String,
    /// What repeats it.
    pub case: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "BROKEN: {}", self.promise.words())?;
        writeln!(f, "  {}", self.words)?;
        for (number, step) in (1..).zip(&self.way) {
            writeln!(f, "  {number}. {step}")?;
        }
        writeln!(f, "  {}", self.cut)?;
        writeln!(f, "  again: make sim-again CASE={}", self.case)
    }
}

/// How often something was tried, and how often it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was tried.
    pub tried: u64,
    /// How often it failed.
    pub failed: u64,
}

/// What was tried, and what did not hold.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Record states that were cut, those with the shortest ways first.
    pub states: u64,
    /// States that were reached beyond these.
    pub beyond: u64,
    /// Operations that were run from them.
    pub operations: u64,
    /// Disks after a cut, by the operation that was cut.
    pub by_operation: BTreeMap<&'static str, Count>,
    /// The same by what went wrong.
    pub by_fault: BTreeMap<usize, Count>,
    /// How often each promise was held against a disk.
    pub by_promise: BTreeMap<Promise, Count>,
    /// Different contents of slots that were verified.
    pub contents: u64,
    /// The first violations.
    pub violations: Vec<Violation>,
    /// How long it took.
    pub took: Duration,
    marks: Vec<u64>,
}

impl Report {
    /// Disks after a cut, in all.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.by_fault.values().map(|count| count.tried).sum()
    }

    /// Of these, how many differ in any byte.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        u64::try_from(self.marks.len()).unwrap_or(u64::MAX)
    }

    /// How many did not hold what was promised.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.by_promise.values().map(|count| count.failed).sum()
    }

    pub(super) fn crash(&mut self, operation: &'static str, fault: Fault, failed: bool) {
        let number = Fault::ALL.iter().position(|one| *one == fault).unwrap();
        for count in [
            self.by_operation.entry(operation).or_default(),
            self.by_fault.entry(number).or_default(),
        ] {
            count.tried += 1;
            count.failed += u64::from(failed);
        }
    }

    pub(super) fn promise(&mut self, promise: Promise) {
        self.by_promise.entry(promise).or_default().tried += 1;
    }

    pub(super) fn broken(&mut self, violation: Violation) {
        self.by_promise.entry(violation.promise).or_default().failed += 1;
        if self.violations.len() < KEPT {
            self.violations.push(violation);
        }
    }

    pub(super) fn mark(&mut self, mark: u64) {
        self.marks.push(mark);
    }

    /// Adds another report; the order of violations is kept.
    pub fn add(&mut self, other: Report) {
        self.states += other.states;
        self.beyond += other.beyond;
        self.operations += other.operations;
        self.contents += other.contents;
        add(&mut self.by_operation, other.by_operation);
        add(&mut self.by_fault, other.by_fault);
        add(&mut self.by_promise, other.by_promise);
        self.violations.extend(other.violations);
        self.violations.truncate(KEPT);
        self.took += other.took;
        self.marks.extend(other.marks);
    }

    /// Keeps one of each disk.
    pub fn count_distinct(&mut self) {
        self.marks.sort_unstable();
        self.marks.dedup();
    }
}

fn add<K: Ord>(to: &mut BTreeMap<K, Count>, from: BTreeMap<K, Count>) {
    for (key, count) in from {
        let sum = to.entry(key).or_default();
        sum.tried += count.tried;
        sum.failed += count.failed;
    }
}

fn head(f: &mut fmt::Formatter<'_>, words: &str, tried: &str, failed: &str) -> fmt::Result {
    writeln!(f, "{words:<54} {tried:>12} {failed:>8}")
}

fn row(f: &mut fmt::Formatter<'_>, words: &str, count: Count) -> fmt::Result {
    let Count { tried, failed } = count;
    writeln!(f, "  {words:<52} {tried:>12} {failed:>8}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        head(f, "what always holds", "checks", "broken")?;
        for promise in Promise::ALL {
            let count = self.by_promise.get(&promise).copied();
            row(f, promise.words(), count.unwrap_or_default())?;
        }
        head(f, "crash states by operation", "states", "failing")?;
        for (operation, count) in &self.by_operation {
            row(f, operation, *count)?;
        }
        head(f, "crash states by fault", "states", "failing")?;
        for (number, fault) in Fault::ALL.iter().enumerate() {
            let count = self.by_fault.get(&number).copied();
            row(f, fault.words(), count.unwrap_or_default())?;
        }
        writeln!(
            f,
            "record states: {} (and {} reached beyond), operations: {}, contents of slots: {}",
            self.states, self.beyond, self.operations, self.contents
        )?;
        writeln!(f, "crash states: {}", self.crashes())?;
        writeln!(f, "distinct crash states: {}", self.distinct())?;
        write!(
            f,
            "violations: {}, in {} s",
            self.failed(),
            self.took.as_secs()
        )
    }
}
