//! What a command that has ended said.

use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

/// These words are in a text, or in a string of JSON.
#[track_caller]
pub fn says(text: impl std::fmt::Display, words: &str) {
    let text = text.to_string();
    assert!(text.contains(words), "{words}: {text}");
}

/// A command that has ended.
pub struct Ran {
    /// Its words, for messages.
    pub words: String,
    /// Its exit status; 128 and the number of the signal where one ended it, as
    /// a shell has it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn new(words: &str, output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let signal = || output.status.signal().map(|signal| 128 + signal);
        Ran {
            words: words.to_owned(),
            status: output.status.code().or_else(signal).unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// It ended well.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.with_status(0)
    }

    /// It ended with this status.
    #[track_caller]
    pub fn with_status(self, status: i32) -> Ran {
        assert_eq!(
            self.status, status,
            "slotctl {}: {}{}",
            self.words, self.stdout, self.stderr
        );
        self
    }

    /// The last object that it printed.
    #[track_caller]
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last();
        let last =
            last.unwrap_or_else(|| panic!("{} printed nothing: {}", self.words, self.stderr));
        serde_json::from_str(last).unwrap()
    }

    /// It ended with this status and code. Gives the error.
    #[track_caller]
    pub fn error(self, status: i32, code: &str) -> Value {
        let error = self.with_status(status).json()["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The last line that it said to a person about what went wrong.
    pub fn complaint(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}
