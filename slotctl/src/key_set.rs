//! `slotctl key set`.

use crate::key;
use crate::sign::Sign;
use controller::code::Code;
use controller::error::{Error, Result};
use images::hex;
use images::key::PublicKey;
use images::key_set::{self, KeySet, KeySetError, SignedKeySet, tbs};
use images::sign::Signed;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use talk::answer::Answer;

/// Key sets.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key set, and sign it with each root key
    Create(Create),
    /// The exact bytes to be signed, on standard output
    Tbs {
        /// The key set
        file: PathBuf,
    },
    /// Sign a key set here, or attach a signature made elsewhere
    Sign(Sign),
}

/// What a key set is made of.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Higher than that of every key set before
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub epoch: u64,
    /// How many release keys must sign an image
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub threshold: u32,
    /// Release keys
    #[arg(long, value_name = "PUB", num_args = 1.., required = true)]
    pub release: Vec<PathBuf>,
    /// Order keys: they give orders, and sign no image
    #[arg(long, value_name = "PUB", num_args = 1..)]
    pub order: Vec<PathBuf>,
    /// Sign with these root keys
    #[arg(long, value_name = "K", num_args = 1..)]
    pub root: Vec<PathBuf>,
    /// The key set
    #[arg(long, value_name = "F.keyset")]
    pub out: PathBuf,
}

pub fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Create(args) => create(args),
        Command::Tbs { file } => Ok(Answer::raw(tbs(&load(file)?.digest).to_vec())),
        Command::Sign(args) => sign(args),
    }
}

fn create(args: &Create) -> Result<Answer> {
    let set = KeySet {
        epoch: args.epoch,
        threshold: args.threshold,
        keys: key::public_keys(&args.release)?,
        order_keys: key::public_keys(&args.order)?,
    };
    let roots = key::secret_keys(&args.root)?;
    let set = SignedKeySet::create(set, &roots)
        .and_then(|set| set.save_new(&args.out).map(|()| set))
        .map_err(refused)?;
    let mut fields = describe(&set);
    if let Value::Object(fields) = &mut fields {
        fields.insert("changed".into(), json!(true));
        fields.insert("file".into(), json!(args.out.display().to_string()));
    }
    let text = format!("{}: {}", args.out.display(), in_words(&set));
    Ok(Answer::new(text, fields))
}

fn sign(args: &Sign) -> Result<Answer> {
    let (id, signed) = args.run(key_set::sign, key_set::attach, refused)?;
    let (how, changed) = match signed {
        Signed::Added => ("is signed", true),
        Signed::Already => ("was signed already", false),
    };
    let text = format!("{} {how} by key {id}", args.file.display());
    let fields = json!({ "changed": changed, "key": id.to_string() });
    Ok(Answer::new(text, fields))
}

/// The key set in a file.
pub fn load(file: &Path) -> Result<SignedKeySet> {
    SignedKeySet::load(file).map_err(refused)
}

/// Whether a file begins as a key set does.
pub fn is_one(file: &Path) -> bool {
    let mut magic = [0; 8];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"SLOTKSET"
}

/// What a key set says.
pub fn show(file: &Path) -> Result<Answer> {
    let set = load(file)?;
    let mut text = in_words(&set);
    let mut line = |title: &str, value: &str| text += &format!("\n{title:18}{value}");
    line("digest", &hex(&set.digest));
    ids(&set.set.keys)
        .iter()
        .for_each(|id| line("release key", id));
    ids(&set.set.order_keys)
        .iter()
        .for_each(|id| line("order key", id));
    signers(&set).iter().for_each(|id| line("signed by", id));
    Ok(Answer::new(text, describe(&set)))
}

fn ids(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(|key| key.id().to_string()).collect()
}

fn signers(set: &SignedKeySet) -> Vec<String> {
    let signatures = set.signatures.signatures().iter();
    signatures.map(|there| there.key.to_string()).collect()
}

/// A key set in one line.
pub fn in_words(set: &SignedKeySet) -> String {
    let orders = match set.set.order_keys.len() {
        0 => String::new(),
        1 => "; 1 order key".into(),
        keys => format!("; {keys} order keys"),
    };
    format!(
        "epoch {}, {} of {} release keys sign{orders}; root signatures: {} (not checked)",
        set.set.epoch,
        set.set.threshold,
        set.set.keys.len(),
        set.signatures.signatures().len()
    )
}

/// A key set as programs read it.
pub fn describe(set: &SignedKeySet) -> Value {
    json!({
        "kind": "key-set", "epoch": set.set.epoch, "threshold": set.set.threshold,
        "digest": hex(&set.digest), "release": ids(&set.set.keys),
        "order": ids(&set.set.order_keys), "signatures": signers(set),
    })
}

fn refused(error: KeySetError) -> Error {
    let found = error.to_string();
    match error {
        KeySetError::Read { source, .. } | KeySetError::Write { source, .. } => Error {
            found,
            ..Error::io("", &source)
        },
        KeySetError::NotMade(error) => error.into(),
        KeySetError::Refused { .. } => Error::new(Code::NotAKeySet, found),
        KeySetError::NoSuchSet(_) | KeySetError::SameKey(_) => {
            Error::new(Code::BadKeySet, found).changed("nothing was written")
        }
        KeySetError::Wrong { .. } | KeySetError::NotAdded(_) => {
            Error::new(Code::NotSigned, found).changed("nothing was written")
        }
    }
}
