//! What was tried, and which promises were broken.

use crate::device::Request;
use crate::wrong::Wrong;
use std::collections::BTreeMap;
use std::io::Write;

/// Counts and broken promises of one operation.
pub struct Report {
    what: &'static str,
    accesses: usize,
    cases: BTreeMap<String, [usize; 2]>,
    violations: Vec<String>,
}

impl Report {
    pub fn new(what: &'static str) -> Report {
        Report {
            what,
            accesses: 0,
            cases: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// Tries everything that can go wrong with each of these accesses. `attempt`
    /// says whether it was borne, or which promise was broken.
    pub fn try_all(
        &mut self,
        scene: &str,
        accesses: &[Request],
        attempt: impl Fn(Request, Wrong) -> Result<bool, String>,
    ) {
        self.accesses += accesses.len();
        for request in accesses {
            for wrong in Wrong::with(request.access) {
                let count = self.cases.entry(wrong.to_string()).or_default();
                count[0] += 1;
                match attempt(*request, *wrong) {
                    Ok(borne) => count[1] += usize::from(borne),
                    Err(why) => self
                        .violations
                        .push(format!("{scene}, {request}, {wrong:?}: {why}")),
                }
            }
        }
    }

    /// Prints the counts; fails where a promise was broken.
    pub fn end(self) {
        let cases: usize = self.cases.values().map(|[cases, _]| cases).sum();
        let kinds = self.cases.iter();
        let kinds: Vec<_> = kinds
            .map(|(wrong, [cases, borne])| format!("{wrong} {cases} ({borne} borne)"))
            .collect();
        // Past the harness, which shows only what failed.
        let mut screen = std::io::stdout();
        writeln!(
            screen,
            "device faults, {}: {cases} cases over {} accesses, {} violations\n  {}",
            self.what,
            self.accesses,
            self.violations.len(),
            kinds.join(", ")
        )
        .unwrap();
        let violations = &self.violations;
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }
}
