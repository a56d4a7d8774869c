//! What was tried, and which promises were broken.

use bootshim::medium::Access;
use fakedisk::{Asked, Injection, Wrong};
use std::collections::BTreeMap;
use std::io::Write;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// The row of the report that it counts in.
fn name(wrong: Wrong) -> String {
    match wrong {
        Wrong::Fails(EIO) => "EIO".into(),
        Wrong::Fails(ENOSPC) => "ENOSPC".into(),
        Wrong::Dies => "place dead".into(),
        Wrong::Short => "cut short".into(),
        Wrong::Vanishes => "device gone".into(),
        Wrong::Differs(_) => "read differs".into(),
        Wrong::Loses => "write lost".into(),
        Wrong::Alters => "write altered".into(),
        other => format!("{other:?}"),
    }
}

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
        accesses: &[Asked],
        attempt: impl Fn(Injection) -> Result<bool, String>,
    ) {
        self.accesses += accesses.len();
        for (index, request) in accesses.iter().enumerate() {
            let place = request.place();
            let before = accesses[..index].iter();
            // What several threads ask comes in any order, so that an access is known
            // by its place and how often that was asked before.
            let turn = before.filter(|before| before.place() == place).count();
            for wrong in wrongs(request.access) {
                let injection = Injection {
                    place,
                    turns: turn..turn + 1,
                    wrong: *wrong,
                };
                let count = self.cases.entry(name(*wrong)).or_default();
                count[0] += 1;
                match attempt(injection.clone()) {
                    Ok(borne) => count[1] += usize::from(borne),
                    Err(why) => self
                        .violations
                        .push(format!("{scene}, {injection:?}: {why}")),
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

/// Everything that can go wrong with an access of this kind.
fn wrongs(access: Access) -> &'static [Wrong] {
    use Wrong::{Alters, Dies, Differs, Fails, Loses, Short, Vanishes};
    match access {
        Access::Read => &[
            Fails(EIO),
            Dies,
            Short,
            Vanishes,
            Differs(0),
            Differs(200),
            Differs(usize::MAX),
        ],
        Access::Write => &[
            Fails(EIO),
            Fails(ENOSPC),
            Dies,
            Short,
            Vanishes,
            Loses,
            Alters,
        ],
        Access::Flush => &[Fails(EIO), Fails(ENOSPC), Vanishes],
    }
}
