//! What bootshim says of its own speed, as the last thing before the kernel:
//! `ready in 412 ms: 95 ms reading, 210 ms hashing, 38 ms LoadImage, 69 ms bootshim`.

use std::fmt;
use std::time::Duration;

/// Where the time of one start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// From the program's first instruction to the kernel.
    pub whole: Duration,
    /// Kernel and initrd came from the disk into memory, which was made for them.
    pub reading: Duration,
    /// They were hashed.
    pub hashing: Duration,
    /// The firmware loaded the kernel.
    pub load_image: Duration,
    /// The rest: the program's own.
    pub own: Duration,
}

impl Ready {
    /// How the line begins.
    pub const BEGINS: &str = "ready in ";

    /// Reads the line, or `None` where it is another one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Ready> {
        let (whole, parts) = line.trim().strip_prefix(Self::BEGINS)?.split_once(": ")?;
        let mut parts = parts.split(", ");
        let mut part = |name: &str| millis(parts.next()?.strip_suffix(name)?.trim_end());
        let ready = Ready {
            whole: millis(whole)?,
            reading: part("reading")?,
            hashing: part("hashing")?,
            load_image: part("LoadImage")?,
            own: part("bootshim")?,
        };
        parts.next().is_none().then_some(ready)
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ms: {} ms reading, {} ms hashing, {} ms LoadImage, {} ms bootshim",
            self.whole.as_millis(),
            self.reading.as_millis(),
            self.hashing.as_millis(),
            self.load_image.as_millis(),
            self.own.as_millis()
        )
    }
}

fn millis(words: &str) -> Option<Duration> {
    let number = words.strip_suffix(" ms")?.parse().ok()?;
    Some(Duration::from_millis(number))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    const LINE: &str =
        "ready in 412 ms: 95 ms reading, 210 ms hashing, 38 ms LoadImage, 69 ms bootshim";

    #[test]
    fn the_line_is_read_and_said_again() {
        let ready = Ready::parse(LINE).unwrap();
        assert_eq!(ready.whole, Duration::from_millis(412));
        assert_eq!(ready.own, Duration::from_millis(69));
        assert_eq!(format!("{}{ready}", Ready::BEGINS), LINE);
    }

    #[test]
    fn a_line_that_says_less_or_more_is_another_one() {
        for line in [
            "",
            "ready in 412 ms",
            "starting slot a",
            &LINE.replace("69 ms bootshim", "69 bootshim"),
            &LINE.replace(", 38 ms LoadImage", ""),
            &format!("{LINE}, 1 ms more"),
        ] {
            assert_eq!(Ready::parse(line), None, "{line}");
        }
    }
}
