//! `slotctl key`.

use crate::key_set;
use controller::code::Code;
use controller::efi_program::Program;
use controller::error::{Error, Result};
use images::key::{AnyKey, KeyError, PublicKey, SecretKey};
use images::trust::Trust;
use serde_json::json;
use std::path::{Path, PathBuf};
use talk::answer::Answer;

/// Keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make NAME.key and NAME.pub
    Generate {
        /// Path without ending
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
    },
    /// The id and kind of a key, or what a key set says
    Show {
        /// A key in PEM, or a key set
        file: PathBuf,
    },
    /// Make and sign key sets
    #[command(subcommand)]
    Set(key_set::Command),
}

/// Root keys.
#[derive(Debug, clap::Args)]
pub struct Roots {
    /// Root keys: they sign key sets, whose release keys sign images
    #[arg(long, value_name = "PUB", num_args = 1.., conflicts_with = "trust")]
    pub roots: Vec<PathBuf>,
    /// How many root keys must sign a key set [default: 1]
    #[arg(
        long,
        value_name = "N",
        requires = "roots",
        allow_negative_numbers = true
    )]
    pub root_threshold: Option<u32>,
}

pub fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Generate { out } => generate(out),
        Command::Show { file } => show(file),
        Command::Set(command) => key_set::run(command),
    }
}

fn generate(out: &Path) -> Result<Answer> {
    let (secret_file, public_file) = (with_ending(out, "key"), with_ending(out, "pub"));
    let secret = SecretKey::generate().map_err(refused)?;
    // Both are there before one of them gets its name.
    let secret_half = secret.new_file(&secret_file).map_err(refused)?;
    let public_half = secret.public().new_file(&public_file);
    let public_half = public_half.map_err(refused)?;
    secret_half.publish()?;
    public_half.publish()?;
    let (secret_file, public_file) = (secret_file.display(), public_file.display());
    let id = secret.public().id();
    let text = format!("key {id}: {secret_file} (keep it secret) and {public_file}");
    let fields = json!({
        "changed": true, "id": id.to_string(),
        "key": secret_file.to_string(), "public": public_file.to_string(),
    });
    Ok(Answer::new(text, fields))
}

fn show(file: &Path) -> Result<Answer> {
    let (id, kind) = match AnyKey::load(file) {
        Ok(AnyKey::Public(public)) => (public.id(), "public"),
        Ok(AnyKey::Secret(secret)) => (secret.public().id(), "secret"),
        Err(KeyError::NotAKey { .. }) if key_set::is_one(file) => return key_set::show(file),
        Err(error) => return Err(refused(error)),
    };
    let text = format!("{id}  {kind} Ed25519 key  {}", file.display());
    Ok(Answer::new(
        text,
        json!({ "id": id.to_string(), "kind": kind, "algorithm": "ed25519" }),
    ))
}

/// The public keys in these files.
pub fn public_keys(files: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let load = |file: &PathBuf| PublicKey::load(file).map_err(refused);
    files.iter().map(load).collect()
}

/// The secret keys in these files.
pub fn secret_keys(files: &[PathBuf]) -> Result<Vec<SecretKey>> {
    let load = |file: &PathBuf| SecretKey::load(file).map_err(refused);
    files.iter().map(load).collect()
}

/// Whom these options trust; nobody where they name nobody.
pub fn trust(direct: &[PathBuf], roots: &Roots) -> Result<Trust> {
    if roots.roots.is_empty() {
        return Ok(Trust::direct(public_keys(direct)?));
    }
    let keys = public_keys(&roots.roots)?;
    Ok(Trust::roots(keys, roots.root_threshold.unwrap_or(1)))
}

/// The same in bootshim.
pub fn put(bootshim: Program, direct: &[PathBuf], roots: &Roots) -> Result<Program> {
    if roots.roots.is_empty() {
        return bootshim.with_trust(&public_keys(direct)?);
    }
    let threshold = roots.root_threshold.unwrap_or(1);
    bootshim.with_roots(&public_keys(&roots.roots)?, threshold)
}

/// The error of a key file.
pub fn refused(error: KeyError) -> Error {
    let found = error.to_string();
    match error {
        KeyError::Read { source, .. } => Error {
            found,
            ..Error::io("", &source)
        },
        KeyError::NotMade(error) => error.into(),
        KeyError::NotAKey { .. } => Error::new(Code::NotAKey, found)
            .advice("keys are PEM files, as `slotctl key generate` or OpenSSL makes them"),
        KeyError::Random(_) => Error::new(Code::NoRandomness, found),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
