//! `slotctl bootshim`.

use crate::key::{self, Roots};
use controller::efi_program::Program;
use controller::error::Result;
use serde_json::json;
use std::path::PathBuf;
use talk::answer::Answer;

/// bootshim.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Put the trusted keys into bootshim, before it is signed for Secure Boot
    Trust {
        /// bootshim as it was built
        input: PathBuf,
        /// Trusted public keys
        #[arg(long, value_name = "PUB", num_args = 1.., required_unless_present = "roots")]
        trust: Vec<PathBuf>,
        #[command(flatten)]
        roots: Roots,
        /// bootshim with the keys
        #[arg(long, value_name = "EFI")]
        out: PathBuf,
    },
}

pub fn run(command: &Command) -> Result<Answer> {
    let Command::Trust {
        input,
        trust,
        roots,
        out,
    } = command;
    let bootshim = key::put(Program::load(input)?, trust, roots)?;
    bootshim.save(out)?;
    let keys = bootshim.trust().keys.iter();
    let ids: Vec<String> = keys.map(|key| key.id().to_string()).collect();
    let threshold = bootshim.trust().root_threshold;
    let mut text = format!("{} trusts {}", out.display(), ids.join(", "));
    if let Some(threshold) = threshold {
        text = format!(
            "{text}: root keys, {threshold} of {} sign a key set",
            ids.len()
        );
    }
    Ok(Answer::new(
        text,
        json!({ "changed": true, "file": out.display().to_string(), "trusted": ids, "root_threshold": threshold }),
    ))
}
