//! What a command says: one clear line for a person, one object for a program.

use crate::options::GlobalOptions;
use controller::code::Exit;
use controller::error::Error;
use controller::plain;
pub use controller::size::words as bytes;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

/// What a command found or did.
#[derive(Debug, Default)]
pub struct Answer {
    /// For a person.
    pub text: String,
    /// For a program: the fields of its object.
    pub fields: Map<String, Value>,
    /// Bytes that are the answer themselves, whatever was asked for.
    pub raw: Option<Vec<u8>>,
    /// What went wrong beside it; the first gives the exit status.
    pub errors: Vec<Error>,
}

impl Answer {
    /// One line, and the fields of a JSON object.
    pub fn new(text: impl Into<String>, fields: Value) -> Answer {
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Answer {
            text: text.into(),
            fields,
            ..Answer::default()
        }
    }

    /// Bytes on standard output.
    pub fn raw(bytes: Vec<u8>) -> Answer {
        Answer {
            raw: Some(bytes),
            ..Answer::default()
        }
    }
}

/// Prints what a command says, in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// The command, as in its schema: `image-show`.
    pub command: &'static str,
    /// Whether it prints JSON.
    pub json: bool,
    /// Whether it says nothing but errors.
    pub quiet: bool,
    /// Whether it says more.
    pub verbose: bool,
}

impl Printer {
    /// The one of this command, with these options.
    pub fn new(command: &'static str, global: &GlobalOptions) -> Printer {
        Printer {
            command,
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Tells a program of something on the way, in an object with the schema of this
    /// command.
    pub fn event(self, fields: Value) {
        write_out(object(self.command, Answer::new("", fields).fields).as_bytes());
    }

    /// Something that a person should know and that stops nothing.
    pub fn warn(self, text: &str) {
        if !self.quiet {
            // Nobody is there to hear that nobody hears.
            let text = plain::line(text);
            let _ = writeln!(std::io::stderr(), "slotctl: warning: {text}");
        }
    }

    /// Prints the answer and gives the exit status.
    pub fn finish(self, result: Result<Answer, Error>) -> ExitCode {
        match result {
            Ok(answer) => self.print(answer),
            Err(error) => self.print(Answer {
                errors: vec![error],
                ..Answer::default()
            }),
        }
    }

    fn print(self, mut answer: Answer) -> ExitCode {
        if let Some(error) = answer.errors.first() {
            answer.fields.insert("error".into(), describe(error));
        }
        let bytes = match answer.raw {
            Some(raw) => raw,
            None if self.json => object(self.command, answer.fields).into_bytes(),
            None if self.quiet || answer.text.is_empty() => Vec::new(),
            None => format!("{}\n", plain::lines(answer.text.trim_end())).into_bytes(),
        };
        let written = write_out(&bytes);
        if !self.json {
            for error in &answer.errors {
                let words = plain::line(&error.to_string());
                let _ = writeln!(std::io::stderr(), "slotctl: {words}");
            }
        }
        answer
            .errors
            .first()
            .map_or(written, |error| exit_code(error.exit()))
    }
}

/// Tells a program that a command was not even begun.
pub fn refuse(command: &str, error: &Error) -> ExitCode {
    let fields = Map::from_iter([("error".to_owned(), describe(error))]);
    write_out(object(command, fields).as_bytes());
    exit_code(error.exit())
}

/// An object with the schema of a command, as a line.
fn object(command: &str, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("schema".into(), json!(format!("slotctl.{command}/1")));
    object.extend(fields);
    format!("{}\n", Value::Object(object))
}

/// The error as programs read it.
fn describe(error: &Error) -> Value {
    json!({
        "code": error.code.word(),
        "exit": error.exit().status(),
        "found": error.found,
        "expected": error.expected,
        "advice": error.advice,
        "changed": error.changed,
    })
}

/// Writes to standard output. A reader that has gone away (`| head`) ends the
/// command quietly.
pub fn write_out(bytes: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "slotctl: writing the answer: {error}");
            exit_code(Exit::Io)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.status())
}

/// Rows in columns that line up. What is in a cell stays in it.
pub fn table(rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| row.iter().map(|cell| plain::line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
