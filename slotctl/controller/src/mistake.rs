//! A mistake in a file that a person wrote, and where it is.

use crate::code::Code;
use crate::error::Error;
use std::ops::Range;
use std::path::Path;

/// What is wrong, and at which bytes of the file.
#[derive(Debug)]
pub struct Mistake {
    at: Option<Range<usize>>,
    found: String,
    expected: String,
}

impl Mistake {
    /// `at` are the bytes of the file that are wrong.
    pub fn new(
        at: Option<Range<usize>>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Mistake {
        Mistake {
            at,
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The error that a person sees.
    pub fn into_error(self, text: &str, path: &Path) -> Error {
        let error = self.into_error_of(Code::BadConfig, text, path);
        error.advice("correct the file")
    }

    /// The same with another code, where the file may be right.
    pub fn into_error_of(self, code: Code, text: &str, path: &Path) -> Error {
        let path = path.display();
        let found = match self.at.and_then(|at| position(text, at.start)) {
            Some((line, column)) => {
                format!("{path}, line {line}, column {column}: {}", self.found)
            }
            None => format!("{path}: {}", self.found),
        };
        let error = Error::new(code, found);
        if self.expected.is_empty() {
            error
        } else {
            error.expected(format!("expected {}", self.expected))
        }
    }
}

/// The parser says both in one: "invalid type: integer `5`, expected a string".
impl From<toml::de::Error> for Mistake {
    fn from(error: toml::de::Error) -> Mistake {
        let message = error.message().replace('\n', ", ");
        let (found, expected) = match message.split_once(", expected ") {
            Some((found, expected)) => (found.to_owned(), expected.to_owned()),
            None => (message, String::new()),
        };
        Mistake::new(error.span(), found, expected)
    }
}

/// Line and column, both from 1, columns in characters.
pub fn position(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text.get(..at)?;
    let line = before.matches('\n').count().checked_add(1)?;
    let start_of_line = before.rsplit('\n').next()?;
    Some((line, start_of_line.chars().count().checked_add(1)?))
}
