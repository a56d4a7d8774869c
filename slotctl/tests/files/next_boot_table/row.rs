//! One row of the table: a boot record in a few words.
//!
//! | words | mean |
//! |---|---|
//! | `empty` `writing` `ready` `bad` | the state of a slot |
//! | `try2` | on trial, with 2 of 3 tries left; `try3*8` after 8 starts |
//! | `good3` | good, with priority 3; `good3~` passed over before |
//! | `!` behind it | its bytes are not what was installed |
//! | `once=b` `last=b` | starts once; was booted last |
//! | `left=2` | only copy 2 of the record is left |
//! | `torn` | both newest copies are damaged, and in the other two only a is good |
//! | `equal` | the same, but the newest two have one number and different bytes |
//! | `later` | one copy has a later format |
//! | `lost` `foreign` | no copy counts: all zero; all of another disk |

/// What the record says of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Empty,
    Writing,
    Ready,
    Bad,
    Trying { left: u8, attempts: u16 },
    Good { priority: u8, failed: bool },
}

/// What became of the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    All,
    Left(usize),
    Torn,
    Equal,
    Later,
    Lost,
    Foreign,
}

/// A boot record in words.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub slots: [Told; 3],
    pub damaged: [bool; 3],
    pub once: Option<usize>,
    pub last: Option<usize>,
    pub copies: Copies,
}

impl Row {
    /// Only slot a is good: what lies on the older copies of `torn` and `equal`.
    pub const BEFORE: Row = Row {
        slots: [
            Told::Good {
                priority: 1,
                failed: false,
            },
            Told::Empty,
            Told::Empty,
        ],
        damaged: [false; 3],
        once: None,
        last: None,
        copies: Copies::All,
    };

    pub fn parse(words: &str) -> Row {
        let mut row = Row::BEFORE;
        for (place, word) in words.split_whitespace().enumerate() {
            if let Some(slot) = row.slots.get_mut(place) {
                let state = word.trim_end_matches('!');
                row.damaged[place] = state != word;
                *slot = told(state);
                continue;
            }
            match word.split_once('=') {
                Some(("once", slot)) => row.once = "abc".find(slot),
                Some(("last", slot)) => row.last = "abc".find(slot),
                Some(("left", copy)) => row.copies = Copies::Left(copy.parse().unwrap()),
                _ => row.copies = copies(word),
            }
        }
        row
    }
}

fn told(word: &str) -> Told {
    if let Some(trial) = word.strip_prefix("try") {
        let (left, attempts) = trial.split_once('*').unwrap_or((trial, "0"));
        let (left, attempts) = (left.parse().unwrap(), attempts.parse().unwrap());
        return Told::Trying { left, attempts };
    }
    if let Some(good) = word.strip_prefix("good") {
        let number = good.trim_end_matches('~');
        let priority = number.parse().unwrap();
        return Told::Good {
            priority,
            failed: number != good,
        };
    }
    match word {
        "empty" => Told::Empty,
        "writing" => Told::Writing,
        "ready" => Told::Ready,
        "bad" => Told::Bad,
        other => panic!("no state: {other}"),
    }
}

fn copies(word: &str) -> Copies {
    match word {
        "torn" => Copies::Torn,
        "equal" => Copies::Equal,
        "later" => Copies::Later,
        "lost" => Copies::Lost,
        "foreign" => Copies::Foreign,
        other => panic!("no word for copies: {other}"),
    }
}
