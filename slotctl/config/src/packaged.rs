//! The checks that packages bring: a file each in one folder of the image.

use crate::{Check, Config, file};
use controller::error::{Error, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where packages put the files with their checks.
pub const PACKAGED: &str = "/usr/lib/slotctl/checks.d";

/// Adds the checks in the files of `folder` to those of the configuration, in the order
/// of their names. A check that the configuration names, too, stays as it is there.
/// Gives back what is wrong with files whose checks were left out; that there is no
/// such folder is nothing wrong.
#[must_use]
pub fn add_packaged(config: &mut Config, folder: &Path) -> Vec<Error> {
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) => return vec![error],
    };
    let mut wrong = Vec::new();
    let mut added: Vec<(Check, PathBuf)> = Vec::new();
    for path in files {
        match read(&path, config, &added) {
            Ok((checks, unknown_keys)) => {
                added.extend(checks.into_iter().map(|check| (check, path.clone())));
                let named = |key| format!("{key} ({})", path.display());
                config
                    .unknown_keys
                    .extend(unknown_keys.into_iter().map(named));
            }
            Err(error) => wrong.push(error),
        }
    }
    config
        .checks
        .extend(added.into_iter().map(|(check, _)| check));
    wrong
}

fn read(
    path: &Path,
    config: &Config,
    added: &[(Check, PathBuf)],
) -> Result<(Vec<Check>, Vec<String>)> {
    let text = std::fs::read_to_string(path).map_err(|error| reading(path, &error))?;
    let replaced = |name: &str| config.checks.iter().any(|check| check.name == name);
    let taken = |name: &str| {
        let other = added.iter().find(|(check, _)| check.name == name);
        other.map(|(_, path)| path.clone())
    };
    file::read_packaged(&text, path, &config.watch, replaced, taken)
        .map_err(|mistake| mistake.into_error(&text, path))
}

/// What a package manager has not finished has another ending.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| reading(folder, &error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn reading(path: &Path, error: &std::io::Error) -> Error {
    Error::io(format_args!("reading {}", path.display()), error)
}
