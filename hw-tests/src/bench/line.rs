//! One line of the table: what ours took, what a peer took, what it should be.

use serde_json::{Value, json};

/// In what it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Bytes of a file or of a transfer, in millions.
    Bytes,
    /// Bytes of memory, in MiB.
    Memory,
}

impl Unit {
    /// A value as a person reads it.
    #[must_use]
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Seconds if value >= 100.0 => format!("{value:.0} s"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::Memory => format!("{:.1} MiB", value / 1_048_576.0),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Bytes | Self::Memory => "bytes",
        }
    }
}

/// What should be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The peer takes at least so many times as much.
    Times(f64),
    /// Ours is at most this part of the peer's.
    Share(f64),
    /// Ours is at most this much.
    AtMost(f64),
    /// For information.
    None,
}

/// What one measurement came to.
#[derive(Clone, Debug)]
pub struct Line {
    row: &'static str,
    what: String,
    unit: Unit,
    ours: Option<f64>,
    peer: Option<(String, f64)>,
    target: Target,
    note: String,
}

impl Line {
    /// Ours, against a limit or for information.
    pub fn new(
        row: &'static str,
        what: impl Into<String>,
        unit: Unit,
        ours: f64,
        target: Target,
    ) -> Self {
        Self {
            row,
            what: what.into(),
            unit,
            ours: Some(ours),
            peer: None,
            target,
            note: String::new(),
        }
    }

    /// What could not be measured, and why.
    pub fn missing(row: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            row,
            what: what.into(),
            unit: Unit::Seconds,
            ours: None,
            peer: None,
            target: Target::None,
            note: format!("not measured: {}", why.into()),
        }
    }

    /// With what the peer took.
    #[must_use]
    pub fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        self.peer = Some((peer.into(), value));
        self
    }

    /// With something that has to be known.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it is as it should be; `None` where nothing is asked, and where
    /// it was not measured.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        let ours = self.ours?;
        let peer = self.peer.as_ref().map(|(_, value)| *value);
        match self.target {
            Target::Times(times) => Some(peer? >= times * ours),
            Target::Share(share) => Some(ours <= share * peer?),
            Target::AtMost(limit) => Some(ours <= limit),
            Target::None => None,
        }
    }

    /// Whether a target stands without a measurement.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.ours.is_none()
    }

    fn target(&self) -> String {
        match self.target {
            Target::Times(times) => format!("{times}× less"),
            Target::Share(share) if (share - 1.0).abs() < f64::EPSILON => "no more".into(),
            Target::Share(share) => format!("≤ {share} of it"),
            Target::AtMost(limit) => format!("≤ {}", self.unit.words(limit)),
            Target::None => String::new(),
        }
    }

    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        self.ours
            .filter(|ours| *ours > 0.0)
            .map(|ours| peer / ours)
            .filter(|ratio| ratio.is_finite())
    }

    /// The row of a table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let words = |value: f64| self.unit.words(value);
        let peer = self.peer.as_ref();
        let peer = peer.map_or(String::new(), |(name, value)| {
            format!("{name}: {}", words(*value))
        });
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let cells = [
            self.row.to_owned(),
            self.what.clone(),
            self.ours.map_or_else(|| "–".into(), words),
            peer,
            self.ratio()
                .map_or(String::new(), |ratio| format!("{ratio:.2}×")),
            self.target(),
            met.to_owned(),
            self.note.clone(),
        ];
        // A bar within a cell would end it.
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", cells.join(" | "))
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "row": self.row,
            "what": self.what,
            "unit": self.unit.word(),
            "ours": self.ours,
            "peer": self.peer.as_ref().map(|(name, _)| name),
            "peer_value": self.peer.as_ref().map(|(_, value)| value),
            "ratio": self.ratio(),
            "target": self.target(),
            "met": self.met(),
            "note": self.note,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_times_less_is_met_at_exactly_four_times() {
        let line = |ours| {
            let line = Line::new("a", "install", Unit::Seconds, ours, Target::Times(4.0));
            line.beside("RAUC", 8.0).met()
        };
        assert_eq!((line(2.0), line(2.01)), (Some(true), Some(false)));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let line = Line::missing("k", "start", "no machine");
        assert!(line.met().is_none() && line.is_missing());
        assert!(line.markdown().contains("not measured: no machine"));
    }

    #[test]
    fn a_table_row_has_ratio_target_and_verdict() {
        let line = Line::new("a", "install", Unit::Seconds, 1.5, Target::Share(1.0));
        let row = line.beside("zstd | dd", 1.2).markdown();
        let expected =
            "| a | install | 1.50 s | zstd \\| dd: 1.20 s | 0.80× | no more | **missed** |  |";
        assert_eq!(row, expected);
    }
}
