//! Those who do the same work, in turn.

use super::{Error, Usage, Workdir, block};
use std::time::Duration;

/// One who does the work that is measured.
pub trait Contender {
    /// Its name in the table.
    fn name(&self) -> &str;

    /// Makes everything as it was before the first round; not measured.
    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// The work.
    fn run(&mut self) -> Result<Usage, Error>;

    /// Whether the work was done; looked at once, not measured.
    fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What one contender took, round by round.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whose.
    pub name: String,
    /// Round by round.
    pub rounds: Vec<Usage>,
}

impl Series {
    /// Median time from start to end, in seconds.
    #[must_use]
    pub fn wall(&self) -> f64 {
        self.median(|usage| usage.wall.as_secs_f64())
    }

    /// Median CPU time, in seconds.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        self.median(|usage| usage.cpu.as_secs_f64())
    }

    /// The most memory in any round, in bytes.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.rounds
            .iter()
            .map(|usage| usage.peak)
            .max()
            .unwrap_or(0)
    }

    /// Median of what `of` takes from each round.
    pub fn median(&self, of: impl Fn(&Usage) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }
}

/// The middle one; of an even number the mean of the two in the middle.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|lower| values.get(lower));
    lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
}

/// Has each do the work once, then each again: what changes on the machine
/// meanwhile meets all of them alike. Caches are empty before each.
pub fn interleaved(
    workdir: &Workdir,
    rounds: u32,
    contenders: &mut [&mut dyn Contender],
) -> Result<Vec<Series>, Error> {
    let empty = |contender: &&mut dyn Contender| Series {
        name: contender.name().to_owned(),
        rounds: Vec::new(),
    };
    let mut all: Vec<Series> = contenders.iter().map(empty).collect();
    for round in 1..=rounds {
        for (contender, series) in contenders.iter_mut().zip(&mut all) {
            contender.prepare()?;
            block::drop_caches(workdir)?;
            let usage = contender.run()?;
            eprintln!(
                "bench:   round {round}: {:22} {:7.2} s, CPU {:6.2} s, {:4} MiB",
                series.name,
                usage.wall.as_secs_f64(),
                usage.cpu.as_secs_f64(),
                usage.peak >> 20
            );
            series.rounds.push(usage);
            if round == 1 {
                contender.check()?;
            }
        }
    }
    Ok(all)
}

/// A command that needs nothing before and nothing after.
pub struct Plain<'a> {
    name: &'a str,
    run: Box<dyn FnMut() -> Result<Usage, Error> + 'a>,
}

impl<'a> Plain<'a> {
    /// It.
    pub fn new(name: &'a str, run: impl FnMut() -> Result<Usage, Error> + 'a) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }
}

impl Contender for Plain<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&mut self) -> Result<Usage, Error> {
        (self.run)()
    }
}

/// The difference of a device's counters, put into what a command took.
#[must_use]
pub fn with_counters(usage: Usage, before: (u64, u64), after: (u64, u64)) -> Usage {
    Usage {
        wrote: after.0.saturating_sub(before.0),
        read: after.1.saturating_sub(before.1),
        ..usage
    }
}

/// Adds what a service took for it.
#[must_use]
pub fn with_service(usage: Usage, cpu: Duration, peak: u64) -> Usage {
    Usage {
        cpu: usage.cpu + cpu,
        peak: usage.peak.max(peak),
        ..usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]).to_bits(), 2.5f64.to_bits());
        assert!(median(Vec::new()).is_nan());
    }
}
