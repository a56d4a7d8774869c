//! The runs that content is made of.

use std::vec::Vec;

use super::matches::{Match, Places};

/// A run of the ground with literals behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it begins in the ground.
    pub(super) place: usize,
    /// How many bytes are copied.
    pub(super) copied: usize,
    /// Where it begins in the content.
    pub(super) start: usize,
    /// How many literals follow.
    pub(super) literal: usize,
}

/// How many more bytes than the run that goes on a new one must have alike.
const CLEARLY: usize = 8;

/// The runs that `content` is made of, of `ground`, whose places were learnt.
pub(super) fn runs(places: &Places, ground: &[u8], content: &[u8]) -> Vec<Found> {
    let mut search = Search {
        places,
        ground,
        content,
        scan: 0,
        run: (0, 0),
    };
    let mut runs = Vec::new();
    loop {
        let next = search.next_match();
        runs.extend(search.end_run(next));
        if next.is_none() {
            return runs;
        }
    }
}

struct Search<'a> {
    places: &'a Places,
    ground: &'a [u8],
    content: &'a [u8],
    scan: usize,
    /// Where the run that goes on begins: in the content, and in the ground.
    run: (usize, usize),
}

impl Search<'_> {
    /// Whether a byte of the content is what the run that goes on has there.
    fn goes_on(&self, at: usize) -> bool {
        let (start, place) = self.run;
        let opposite = at
            .checked_sub(start)
            .and_then(|step| place.checked_add(step));
        let ground = opposite.and_then(|opposite| self.ground.get(opposite));
        ground.is_some() && ground == self.content.get(at)
    }

    /// The next match that is clearly better than going on: where it is in the
    /// content, and in the ground. `None` at the end.
    fn next_match(&mut self) -> Option<(usize, Match)> {
        let mut counted = self.scan;
        // How many bytes of [scan, counted) are alike in the run that goes on.
        let mut alike = 0_usize;
        while self.scan < self.content.len() {
            let wanted = self.content.get(self.scan..).unwrap_or_default();
            let (start, place) = self.run;
            let near = self
                .scan
                .checked_sub(start)
                .and_then(|step| place.checked_add(step));
            let found = self.places.longest(self.ground, wanted, near);
            let end = self.scan.saturating_add(found.length);
            while counted < end {
                alike += usize::from(self.goes_on(counted));
                counted += 1;
            }
            if found.length > 0 && found.length == alike {
                // It is the run that goes on, or no better: behind it.
                self.scan = end;
                alike = 0;
                continue;
            }
            if found.length > alike.saturating_add(CLEARLY) {
                return Some((self.scan, found));
            }
            if counted > self.scan {
                alike -= usize::from(self.goes_on(self.scan));
            }
            self.scan += 1;
            counted = counted.max(self.scan);
        }
        None
    }

    /// Ends the run that goes on where the next begins, and begins that.
    fn end_run(&mut self, next: Option<(usize, Match)>) -> Option<Found> {
        let (start, place) = self.run;
        let until = next.map_or(self.content.len(), |(at, _)| at);
        let mut copied = self.forward(until);
        let mut back = next.map_or(0, |(at, found)| self.backward(at, found.place));
        let overlap = (start + copied + back).saturating_sub(until);
        if let Some((at, found)) = next.filter(|_| overlap > 0) {
            let keep = self.better_split(overlap, copied, at - back, found.place - back);
            copied -= overlap - keep;
            back -= keep;
        }
        let literal = until - back - start - copied;
        if let Some((at, found)) = next {
            self.run = (at - back, found.place - back);
            self.scan = at + found.length;
        }
        (copied + literal > 0).then_some(Found {
            place,
            copied,
            start,
            literal,
        })
    }

    /// How far the run that goes on is worth it, before `until`: to where most
    /// is alike, each byte alike counting against one that is not.
    fn forward(&self, until: usize) -> usize {
        let (start, place) = self.run;
        let own = self.content.get(start..until).unwrap_or_default();
        let ground = self.ground.get(place..).unwrap_or_default();
        best(own.iter().zip(ground))
    }

    /// How far the next run is worth it backwards.
    fn backward(&self, at: usize, place: usize) -> usize {
        let own = self.content.get(self.run.0..at).unwrap_or_default();
        let ground = self.ground.get(..place).unwrap_or_default();
        best(own.iter().rev().zip(ground.iter().rev()))
    }

    /// Of bytes that both runs want, how many the one that goes on gets.
    fn better_split(&self, overlap: usize, copied: usize, next: usize, place: usize) -> usize {
        let (start, own_place) = self.run;
        let first = copied - overlap;
        let content = self.content.get(start + first..).unwrap_or_default();
        let ours = self.ground.get(own_place + first..).unwrap_or_default();
        debug_assert_eq!(start + first, next, "both are where the overlap begins");
        let theirs = self.ground.get(place..).unwrap_or_default();
        let (mut score, mut most, mut keep) = (0_i64, 0, 0);
        let bytes = content.iter().zip(ours).zip(theirs).take(overlap);
        for (count, ((own, ours), theirs)) in bytes.enumerate() {
            score += i64::from(own == ours) - i64::from(own == theirs);
            if score > most {
                (most, keep) = (score, count + 1);
            }
        }
        keep
    }
}

/// After how many pairs the most are alike, less those that are not.
fn best<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    let (mut score, mut most, mut length) = (0_i64, 0, 0);
    for (count, (a, b)) in pairs.enumerate() {
        score += if a == b { 1 } else { -1 };
        if score > most {
            (most, length) = (score, count + 1);
        }
    }
    length
}
