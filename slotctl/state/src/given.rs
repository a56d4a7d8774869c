//! What the slot that runs was given before its units started, as the program in the
//! initramfs leaves it in `/run/slotctl/state.json` for whoever asks later.

use crate::activation::Activation;
use crate::declared::Formats;
use controller::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where that is written down.
pub const MARK: &str = "/run/slotctl/state.json";

/// What the slot was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Slot, manifest and number of what was mounted.
    pub activation: Activation,
    /// The node of the data partition; `None` where memory stands in its place, and all
    /// that is written there is lost when the machine goes down.
    pub node: Option<PathBuf>,
    /// The paths that were mounted.
    pub paths: Vec<String>,
    /// Of these, those that are empty, since the image is too old for what there is.
    pub withheld: Vec<String>,
    /// No program may write a higher format to these.
    pub formats: Formats,
    /// What a person should know.
    pub remarks: Vec<String>,
}

impl Given {
    /// The fields of the file, which are those of the answer as well.
    pub fn fields(&self) -> Value {
        let formats = self.formats.iter();
        let formats: Map<String, Value> = formats
            .map(|(path, format)| (path.to_string(), json!(format)))
            .collect();
        json!({
            "slot": self.activation.slot.to_string(),
            "activation": self.activation.number,
            "data": self.node.as_ref().map(|node| node.display().to_string()),
            "paths": self.paths,
            "withheld": self.withheld,
            "formats": formats,
            "remarks": self.remarks,
        })
    }

    /// For people, in one line.
    pub fn words(&self) -> String {
        let (slot, paths) = (self.activation.slot, self.paths.len());
        match &self.node {
            Some(node) => format!(
                "slot {slot} keeps {paths} {} on {}, activation {}",
                if paths == 1 { "path" } else { "paths" },
                node.display(),
                self.activation.number
            ),
            None => format!("the data partition cannot be used: slot {slot} {}", LOST),
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write(&self, mark: &Path) -> Result<()> {
        let failed = |error| Error::io(format_args!("writing {}", mark.display()), &error);
        std::fs::write(mark, self.fields().to_string()).map_err(failed)
    }
}

/// What it means that the data partition cannot be used.
pub const LOST: &str =
    "runs on memory in its place, and what is written is lost when the machine goes down";

/// What is written at `mark`; `None` where the system that runs was given nothing, or
/// what is written there is none of ours.
pub fn read(mark: &Path) -> Result<Option<Value>> {
    let text = match std::fs::read_to_string(mark) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| Error::io(format_args!("reading {}", mark.display()), &error)),
    };
    Ok(serde_json::from_str(&text?).ok())
}
