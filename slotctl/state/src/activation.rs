//! An activation: one slot, one image in it, one flip. What the slot keeps for itself
//! lies in a directory of that name.

use bootshim::record::{Digest, NO_DIGEST, Record, SlotId};
use images::hex;
use std::fmt;
use std::str::FromStr;

/// A slot, the image in it, and the number that the record has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Activation {
    /// The slot.
    pub slot: SlotId,
    /// BLAKE3 of the manifest in it.
    pub manifest: Digest,
    /// The number of the flip; 0 where none has given one.
    pub number: u8,
}

impl Activation {
    /// What the record says of a slot; `None` where no image lies in it.
    pub fn of(record: &Record, slot: SlotId) -> Option<Activation> {
        let manifest = record.slot(slot).manifest;
        (manifest != NO_DIGEST).then(|| Activation {
            slot,
            manifest,
            number: record.activation(slot),
        })
    }

    /// Whether both are of the same image in the same slot.
    pub fn same_image(&self, other: &Activation) -> bool {
        self.slot == other.slot && self.manifest == other.manifest
    }

    /// How many flips of its slot lie between this number and a later one, as far as
    /// the numbers tell: they go round.
    pub fn age(&self, now: &Activation) -> u8 {
        now.number.wrapping_sub(self.number)
    }

    /// What the next flip chooses: the first number after this that has no directory (is
    /// not `taken`), and never 0. `None` where all have.
    pub fn after(&self, taken: impl Fn(&Activation) -> bool) -> Option<Activation> {
        let numbers = (1..=u8::MAX).map(|step| self.number.wrapping_add(step));
        numbers
            .filter(|number| *number != 0)
            .map(|number| Activation { number, ..*self })
            .find(|next| !taken(next))
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.slot, hex(&self.manifest), self.number)
    }
}

/// The text is not the name of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnActivation;

impl FromStr for Activation {
    type Err = NotAnActivation;

    fn from_str(name: &str) -> Result<Activation, NotAnActivation> {
        let read = || {
            let mut words = name.split('-');
            let slot = words.next()?.parse().ok()?;
            let manifest = digest(words.next()?)?;
            let number = words.next()?.parse().ok()?;
            let read = Activation {
                slot,
                manifest,
                number,
            };
            // One name for each: `+7` and `07` are numbers as well.
            (read.to_string() == name).then_some(read)
        };
        read().ok_or(NotAnActivation)
    }
}

fn digest(text: &str) -> Option<Digest> {
    let mut digest = NO_DIGEST;
    if text.len() != digest.len().checked_mul(2)? || !text.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0_usize..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activation(number: u8) -> Activation {
        Activation {
            slot: "b".parse().unwrap(),
            manifest: [0xa5; 32],
            number,
        }
    }

    #[test]
    fn its_name_is_read_as_it_is_written_and_no_other_is() {
        let name = format!("b-{}-7", "a5".repeat(32));
        assert_eq!(activation(7).to_string(), name);
        assert_eq!(name.parse(), Ok(activation(7)));
        for wrong in [
            String::new(),
            name.replace("-7", "-07"),
            name.replace("-7", "-256"),
            name.replace("-7", "-7-1"),
            name.replace("a5", "A5"),
            name.replace("a5", "+5"),
            name.replace("b-", "i-"),
            name.replace("a5a5-", "a5-"),
        ] {
            assert_eq!(wrong.parse::<Activation>(), Err(NotAnActivation), "{wrong}");
        }
    }

    #[test]
    fn the_next_number_is_one_that_nothing_has() {
        let after = |number, taken: fn(u8) -> bool| {
            let next = activation(number).after(|next| taken(next.number));
            next.map(|next| next.number)
        };
        assert_eq!(after(0, |_| false), Some(1));
        assert_eq!(after(255, |_| false), Some(1));
        assert_eq!(after(3, |number| number == 4), Some(5));
        assert_eq!(after(3, |number| number != 2), Some(2));
        assert_eq!(after(3, |_| true), None);
        assert_eq!(after(3, |number| number != 3), None, "not its own");
    }

    #[test]
    fn the_last_one_is_the_youngest_also_where_the_numbers_went_round() {
        let now = activation(2);
        let mut ages = [1, 0, 255, 3].map(|number| (activation(number).age(&now), number));
        ages.sort_unstable();
        assert_eq!(ages.map(|(_, number)| number), [1, 0, 255, 3]);
    }
}
