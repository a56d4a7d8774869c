//! One field of a calendar expression: `*`, `1,15`, `8..18`, `0/15`, `9..17/2`.

/// The lowest and the highest value that a field can have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range(pub(super) i32, pub(super) i32);

/// `start..stop/step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Component {
    start: i32,
    stop: Option<i32>,
    /// 0: the start alone.
    step: i32,
}

/// What stands between commas, of which one must fit; none: everything does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    components: Vec<Component>,
    /// Whether steps without a stop lead to lower values.
    down: bool,
}

impl Chain {
    pub(super) fn every() -> Chain {
        let (components, down) = (Vec::new(), false);
        Chain { components, down }
    }

    pub(super) fn only(start: i32) -> Chain {
        let only = Component {
            start,
            stop: None,
            step: 0,
        };
        Chain {
            components: vec![only],
            down: false,
        }
    }

    pub(super) fn parse(text: &str, range: Range) -> Option<Chain> {
        Chain::read(text, range, false, |number| number)
    }

    /// Days counted from the end of the month: 1 is the last.
    pub(super) fn from_end(text: &str, range: Range) -> Option<Chain> {
        Chain::read(text, range, true, |number| number)
    }

    /// As years are written: two digits mean 1970 to 2069.
    pub(super) fn years(text: &str, range: Range) -> Option<Chain> {
        Chain::read(text, range, false, |number| match number {
            0..70 => number + 2000,
            70..100 => number + 1900,
            _ => number,
        })
    }

    fn read(text: &str, range: Range, down: bool, meant: fn(i32) -> i32) -> Option<Chain> {
        if text == "*" {
            return Some(Chain::every());
        }
        let read = |part| Component::read(part, range, down, meant);
        let components = text.split(',').map(read).collect::<Option<_>>()?;
        Some(Chain { components, down })
    }

    pub(super) fn has(&self, value: i32) -> bool {
        let fits = |component: &Component| component.has(value, self.down);
        self.components.is_empty() || self.components.iter().any(fits)
    }

    /// All that fit, ascending.
    pub(super) fn of(&self, range: Range) -> impl Iterator<Item = i8> {
        let fit = (range.0..=range.1).filter(|value| self.has(*value));
        fit.filter_map(|value| i8::try_from(value).ok())
    }
}

impl Component {
    fn read(text: &str, range: Range, down: bool, meant: fn(i32) -> i32) -> Option<Component> {
        let (span, step) = match text.split_once('/') {
            Some((span, step)) => (span, Some(number(step)?)),
            None => (text, None),
        };
        let (start, stop) = match span.split_once("..") {
            Some((start, stop)) => (start, Some(meant(number(stop)?))),
            None => (span, None),
        };
        let start = meant(number(start)?);
        let step = match (step, stop) {
            (Some(0), _) => return None,
            (Some(step), _) => step,
            (None, Some(_)) => 1,
            (None, None) => 0,
        };
        let stop = match stop {
            Some(stop) if stop < start => return None,
            // The last value that a step leads to: only that must be within the range.
            Some(stop) => Some(stop - (stop - start) % step),
            None => None,
        };
        let component = Component { start, stop, step };
        component.fits(range, down).then_some(component)
    }

    /// Whether the range holds it; and without a stop, one step at least.
    fn fits(self, Range(lowest, highest): Range, down: bool) -> bool {
        let within = |value| (lowest..=highest).contains(&value);
        within(self.start)
            && match self.stop {
                Some(stop) => within(stop),
                None if down => self.step <= self.start - lowest,
                None => self.step <= highest - self.start,
            }
    }

    /// `down`: without a stop the steps lead to lower values.
    fn has(self, value: i32, down: bool) -> bool {
        let ahead = match self.stop {
            None if down => self.start - value,
            Some(stop) if value > stop => return false,
            _ => value - self.start,
        };
        match self.step {
            0 => ahead == 0,
            step => ahead >= 0 && ahead % step == 0,
        }
    }
}

/// Digits alone, and few enough for a year.
fn number(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
