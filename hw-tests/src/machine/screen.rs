//! Lines out of what firmware and kernel draw on a terminal.

use std::mem;

use vte::{Params, Parser, Perform};

/// Turns a terminal's bytes into lines. Escapes may be cut anywhere.
#[derive(Default)]
pub(super) struct Screen {
    parser: Parser,
    drawn: Drawn,
}

#[derive(Default)]
struct Drawn {
    current: String,
    lines: Vec<String>,
}

impl Screen {
    /// The lines that `bytes` complete.
    pub(super) fn draw(&mut self, bytes: &[u8]) -> Vec<String> {
        self.parser.advance(&mut self.drawn, bytes);
        mem::take(&mut self.drawn.lines)
    }

    /// Whether a line has begun that has not ended.
    pub(super) fn has_begun(&self) -> bool {
        !self.drawn.current.is_empty()
    }

    /// Ends a line that has begun, such as a prompt.
    pub(super) fn break_line(&mut self) -> Option<String> {
        self.has_begun().then(|| mem::take(&mut self.drawn.current))
    }
}

impl Perform for Drawn {
    fn print(&mut self, character: char) {
        self.current.push(character);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => self.lines.push(mem::take(&mut self.current)),
            b'\t' => self.current.push('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        // Firmware moves the cursor where others end the line.
        if matches!(action, 'H' | 'J') && !self.current.is_empty() {
            self.lines.push(mem::take(&mut self.current));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_colours_and_line_ends() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(b"\x1b[1mone\x1b[0m\r\ntwo\n"), ["one", "two"]);
    }

    #[test]
    fn an_escape_cut_in_two_is_still_one() {
        let mut screen = Screen::default();
        assert!(screen.draw(b"a\x1b[").is_empty());
        assert_eq!(screen.draw(b"0mb\n"), ["ab"]);
    }

    /// A frame as firmware draws it, in bytes that are no UTF-8.
    #[test]
    fn a_line_cut_anywhere_is_still_one() {
        let frame = b"\xda\xc4\xc4\xbf\x1b[02;01H\xb3  Verification failed  \xb3\x1b[03;01H";
        let whole = Screen::default().draw(frame);
        for at in 0..frame.len() {
            for next in at..frame.len() {
                let mut screen = Screen::default();
                let pieces = [&frame[..at], &frame[at..next], &frame[next..]];
                let lines = pieces.map(|piece| screen.draw(piece)).concat();
                assert_eq!(lines, whole, "cut at {at} and {next}");
            }
        }
    }

    #[test]
    fn moving_the_cursor_ends_a_line_that_has_begun() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(b"\x1b[2J\x1b[01;01Hone\x1b[02;01Htwo"), ["one"]);
        assert_eq!(screen.break_line().as_deref(), Some("two"));
        assert_eq!(screen.break_line(), None);
    }
}
