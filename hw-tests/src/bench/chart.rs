//! The picture: bars, ours first, each with its value and how many times ours it
//! is.

use super::line::Unit;
use std::fmt::Write;

const WIDTH: u32 = 1200;
const MARGIN: u32 = 40;
const GAP: u32 = 50;
const COLUMN: u32 = (WIDTH - 2 * MARGIN - GAP) / 2;
/// Where bars begin in their panel, and how long the longest is.
const NAMES: u32 = 165;
const LONGEST: f64 = 235.0;
const BAR: u32 = 30;
const HEAD: u32 = 100;
const TITLE: u32 = 52;

/// Bars of one kind.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    unit: Unit,
    bars: Vec<(String, f64)>,
}

impl Chart {
    /// One with no bars yet; less is better.
    pub fn new(title: impl Into<String>, unit: Unit) -> Self {
        Self {
            title: title.into(),
            unit,
            bars: Vec::new(),
        }
    }

    /// Adds a bar; the first is ours. One that is no number was not measured.
    pub fn bar(&mut self, name: impl Into<String>, value: f64) {
        self.bars.push((name.into(), value));
    }

    fn height(&self) -> u32 {
        let bars = u32::try_from(self.bars.len()).unwrap_or(0);
        TITLE + bars * BAR + 24
    }

    fn draw(&self, out: &mut String, x: u32, y: u32) -> std::fmt::Result {
        let most = self
            .bars
            .iter()
            .map(|(_, value)| *value)
            .fold(0.0, f64::max);
        let ours = self.bars.first().map_or(0.0, |(_, value)| *value);
        let title = escape(&self.title);
        writeln!(
            out,
            r#"<text class="title" x="{x}" y="{}">{title}</text>"#,
            y + 20
        )?;
        let from = x + NAMES;
        for ((name, value), number) in self.bars.iter().zip(0u32..) {
            let top = y + TITLE - 14 + number * BAR;
            let base = top + 16;
            let known = value.is_finite() && most > 0.0;
            let length = if known { value / most * LONGEST } else { 0.0 };
            let class = if number == 0 { "ours" } else { "peer" };
            let words = if known {
                escape(&self.unit.words(*value))
            } else {
                "not measured".into()
            };
            let times = if number > 0 && ours > 0.0 {
                format!("{:.1}×", value / ours)
            } else {
                String::new()
            };
            let (end, last) = (f64::from(from) + length + 8.0, from - 10);
            let name = escape(name);
            writeln!(
                out,
                r#"<text class="name {class}" x="{last}" y="{base}">{name}</text><rect class="{class}" x="{from}" y="{top}" width="{length:.1}" height="22" rx="2"/><text x="{end:.1}" y="{base}">{words}<tspan class="times" dx="8">{times}</tspan></text>"#
            )?;
        }
        Ok(())
    }
}

/// All charts in two columns, as SVG.
#[must_use]
pub fn svg(title: &str, below: &str, charts: &[Chart]) -> String {
    let mut body = String::new();
    let mut y = HEAD;
    for pair in charts.chunks(2) {
        for (chart, x) in pair.iter().zip([MARGIN, MARGIN + COLUMN + GAP]) {
            // Writing to a string does not fail.
            let _ = chart.draw(&mut body, x, y);
        }
        y += pair.iter().map(Chart::height).max().unwrap_or(0);
    }
    let height = y + 20;
    let (title, below) = (escape(title), escape(below));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="14">
<style>
text {{ fill: #333 }}
.head {{ font-size: 24px; font-weight: bold }}
.below {{ font-size: 13px; fill: #666 }}
.title {{ font-size: 16px; font-weight: bold }}
.name {{ text-anchor: end }}
text.ours {{ font-weight: bold; fill: #0a5d8f }}
rect.ours {{ fill: #0a78b8 }}
rect.peer {{ fill: #b9c2c9 }}
.times {{ fill: #888; font-size: 13px }}
</style>
<rect width="{WIDTH}" height="{height}" fill="white"/>
<text class="head" x="{MARGIN}" y="44">{title}</text>
<text class="below" x="{MARGIN}" y="68">{below}</text>
{body}</svg>
"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_has_no_bar_and_gives_no_peer_our_colour() {
        let mut chart = Chart::new("size", Unit::Bytes);
        chart.bar("slotctl", f64::NAN);
        chart.bar("xdelta3", 4e6);
        let picture = svg("title", "below", &[chart]);
        assert!(picture.contains("not measured") && !picture.contains("NaN"));
        assert!(picture.contains(r#"<rect class="peer" x="205" y="168" width="235.0""#));
    }

    #[test]
    fn the_longest_bar_is_the_most_and_says_how_many_times_ours_it_is() {
        let mut chart = Chart::new("a < b", Unit::Seconds);
        chart.bar("slotctl", 1.0);
        chart.bar("RAUC", 4.0);
        let picture = svg("title", "below", &[chart]);
        assert!(picture.contains("a &lt; b") && picture.contains("4.0×"));
        assert!(picture.contains(r#"width="235.0""#) && picture.contains(r#"width="58.8""#));
    }
}
