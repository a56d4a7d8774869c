//! Which requests are made for the ranges that are wanted.

use std::ops::Range;

/// What one request asks for at most. Several of them are in flight, so the time
/// from asking to the first byte hides behind the others.
pub(super) const SEGMENT: u64 = 1 << 20;
/// A gap up to this is fetched with its neighbours: a request of its own costs
/// about as much in headers and waiting.
const GAP: u64 = 8 << 10;

/// The segments to be fetched, ascending.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) segments: Vec<Range<u64>>,
    /// How many of their bytes nobody wants.
    pub(super) bridged: u64,
}

impl Plan {
    /// For ascending ranges that do not overlap; what comes before `from` is here
    /// already.
    pub(super) fn new(ranges: &[Range<u64>], from: u64) -> Plan {
        let mut plan = Plan::default();
        let mut run: Option<Range<u64>> = None;
        for range in ranges {
            let range = range.start.max(from)..range.end;
            if range.is_empty() {
                continue;
            }
            run = match run {
                Some(before) if range.start.saturating_sub(before.end) <= GAP => {
                    let gap = range.start.saturating_sub(before.end);
                    plan.bridged = plan.bridged.saturating_add(gap);
                    Some(before.start..range.end)
                }
                before => {
                    plan.cut(before);
                    Some(range)
                }
            };
        }
        plan.cut(run);
        plan
    }

    /// In equal parts, so that no request is for a rest of a few bytes.
    fn cut(&mut self, run: Option<Range<u64>>) {
        let Some(run) = run else { return };
        let length = run.end.saturating_sub(run.start);
        let parts = length.div_ceil(SEGMENT).max(1);
        let part = length.div_ceil(parts);
        let mut at = run.start;
        while at < run.end {
            let end = at.saturating_add(part).min(run.end);
            self.segments.push(at..end);
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_one_request_and_a_large_gap_is_not_fetched() {
        let plan = Plan::new(&[0..10, 10..20, 20 + GAP..40 + GAP, 100_000..100_001], 0);
        assert_eq!(plan.segments, [0..40 + GAP, 100_000..100_001]);
        assert_eq!(plan.bridged, GAP);
    }

    #[test]
    fn what_is_here_already_is_not_asked_for() {
        let ranges = [0..10, 10..20, 50_000..50_001];
        let segments = Plan::new(&ranges, 15).segments;
        assert_eq!(segments, [15..20, 50_000..50_001]);
        assert_eq!(Plan::new(&ranges, 50_001), Plan::default());
    }

    proptest! {
        #[test]
        fn every_wanted_byte_is_in_exactly_one_segment(
            steps in prop::collection::vec((0u64..3 * GAP, 0u64..3 * SEGMENT), 0..20),
            from in 0u64..SEGMENT,
        ) {
            let mut at = 0;
            let ranges: Vec<Range<u64>> = steps.iter().map(|(gap, length)| {
                let start = at + gap;
                at = start + length;
                start..at
            }).collect();
            let plan = Plan::new(&ranges, from);
            let ascending = plan.segments.windows(2).all(|pair| pair[0].end <= pair[1].start);
            prop_assert!(ascending);
            for segment in &plan.segments {
                prop_assert!(!segment.is_empty() && segment.end - segment.start <= SEGMENT);
            }
            let all = |ranges: &[Range<u64>]| ranges.iter().map(|r| r.end.saturating_sub(r.start)).sum::<u64>();
            let clipped: Vec<Range<u64>> = ranges.iter().map(|r| r.start.max(from)..r.end).collect();
            prop_assert_eq!(all(&plan.segments), all(&clipped) + plan.bridged);
            for range in clipped.iter().filter(|range| !range.is_empty()) {
                for byte in [range.start, range.end - 1] {
                    prop_assert!(plan.segments.iter().any(|segment| segment.contains(&byte)));
                }
            }
        }
    }
}
