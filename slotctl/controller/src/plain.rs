//! Text from outside, as a terminal may show it: names of partitions, notes of the
//! boot record, words of servers and checks, versions, mount points.

use std::fmt::Write as _;

/// One line that does nothing to the terminal it is shown on. What would move its
/// cursor, change it, begin a line, hide or turn the text is spelt, as `\u{1b}` or
/// `\n`; everything else is as it was.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            // Writing into a string does not fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Lines of our own, in which there may be text from outside.
pub fn lines(text: &str) -> String {
    let shown: Vec<String> = text.split('\n').map(line).collect();
    shown.join("\n")
}

/// Control characters, and those that have no place of their own but change how
/// others are shown (Unicode, general category Cf and the line separators).
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_on_a_terminal_is_spelt() {
        for (text, shown) in [
            ("\x1b]0;owned\x07", "\\u{1b}]0;owned\\u{7}"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gnp", "\\u{202e}gnp"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("Größe 5 µm, \u{fffd}, 日本", "Größe 5 µm, \u{fffd}, 日本"),
            ("C:\\x", "C:\\x"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("a\n\x1bb\n"), "a\n\\u{1b}b\n");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_line_and_stays_so(text: String) {
            let shown = line(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(line(&shown), shown);
        }
    }
}
