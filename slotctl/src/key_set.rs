//! `slotctl key set`.

use crate::args::{CreateSet, KeySet as Command, Sign};
use crate::image::read_signature;
use crate::key;
use controller::code::Code;
use controller::error::{Error, Result};
use images::hex;
use images::key::{PublicKey, SecretKey};
use images::key_set::{self, KeySetError, SignedKeySet, tbs};
use images::sign::Signed;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use talk::answer::Answer;

pub fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Create(words) => create(words),
        Command::Tbs { file } => Ok(Answer::raw(tbs(&load(file)?.digest).to_vec())),
        Command::Sign(words) => sign(words),
    }
}

fn create(words: &CreateSet) -> Result<Answer> {
    let release = key::public_keys(&words.release)?;
    let roots = key::secret_keys(&words.root)?;
    let set = SignedKeySet::create(words.epoch, words.threshold, release, &roots)
        .and_then(|set| set.save_new(&words.out).map(|()| set))
        .map_err(refused)?;
    let mut fields = describe(&set);
    if let Value::Object(fields) = &mut fields {
        fields.insert("changed".into(), json!(true));
        fields.insert("file".into(), json!(words.out.display().to_string()));
    }
    let text = format!("{}: {}", words.out.display(), in_words(&set));
    Ok(Answer::new(text, fields))
}

fn sign(words: &Sign) -> Result<Answer> {
    let file = &words.file;
    let (id, signed) = match (&words.key, &words.signature, &words.public) {
        (None, Some(signature), Some(public)) => {
            let public = PublicKey::load(public).map_err(key::refused)?;
            let signature = read_signature(signature)?;
            (public.id(), key_set::attach(file, &public, &signature))
        }
        (Some(secret), ..) => {
            let secret = SecretKey::load(secret).map_err(key::refused)?;
            (secret.public().id(), key_set::sign(file, &secret))
        }
        _ => {
            let found = "neither a key nor a signature";
            return Err(Error::new(Code::Usage, found));
        }
    };
    let (how, changed) = match signed.map_err(refused)? {
        Signed::Added => ("is signed", true),
        Signed::Already => ("was signed already", false),
    };
    let text = format!("{} {how} by key {id}", file.display());
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
    release(&set).iter().for_each(|id| line("release key", id));
    signers(&set).iter().for_each(|id| line("signed by", id));
    Ok(Answer::new(text, describe(&set)))
}

fn release(set: &SignedKeySet) -> Vec<String> {
    let keys = set.set.keys.iter();
    keys.map(|key| key.id().to_string()).collect()
}

fn signers(set: &SignedKeySet) -> Vec<String> {
    let signatures = set.signatures.signatures().iter();
    signatures.map(|there| there.key.to_string()).collect()
}

/// A key set in one line.
pub fn in_words(set: &SignedKeySet) -> String {
    format!(
        "epoch {}, {} of {} release keys sign; root signatures: {} (not checked)",
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
        "digest": hex(&set.digest), "release": release(set), "signatures": signers(set),
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
