//! `slotctl order`: signed instructions to controllers, made and looked at.

use crate::key;
use controller::code::Code;
use controller::duration;
use controller::error::{Error, Result};
use images::head::Head;
use images::hex;
use images::key::SecretKey;
use images::new_file::{NewFile, ORDINARY};
use images::sign::Signed;
use install::source::{Settings, Source};
use orders::calendar::Calendar;
use orders::order::{
    Controllers, NotAnOrder, NotSigned, Order, OrderId, Run, SIZE_MAX, SignedOrder, What, When,
    Window,
};
use orders::{Digest, Timestamp, digest_of_hex};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use talk::answer::Answer;

/// Orders.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an order
    Create(Box<Create>),
    /// Sign an order
    Sign {
        /// The order
        file: PathBuf,
        /// Sign with this order key
        #[arg(long, value_name = "K")]
        key: PathBuf,
    },
    /// What an order says, and who signed it
    Show {
        /// The order
        file: PathBuf,
        /// One of these keys must have signed it
        #[arg(long, value_name = "PUB", num_args = 1..)]
        trust: Vec<PathBuf>,
    },
}

/// What an order says.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Create {
    /// Run this release: an image file, or the 64 digits of its manifest
    #[arg(long, value_name = "IMG|DIGEST", group = "what")]
    pub release: Option<String>,
    /// Do not carry out this order, if it was not yet: a file, or the 64 digits of its id
    #[arg(long, value_name = "ORDER", group = "what")]
    pub revoke: Option<String>,
    /// Approve this order: a file, or the 64 digits of its id
    #[arg(long, value_name = "ORDER", group = "what")]
    pub approve: Option<String>,
    /// Higher than that of every order before that was signed with the same key
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub counter: u64,
    /// Whom it is for; `*` for each controller that gets it
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    pub controllers: Vec<String>,
    /// Render this configuration for it: the 64 digits of the document
    #[arg(long, value_name = "DIGEST", value_parser = hexadecimal, requires = "release")]
    pub configuration: Option<Digest>,
    /// Not before this time, as RFC 3339 has it
    #[arg(long, value_name = "TIME", requires = "release")]
    pub not_before: Option<Timestamp>,
    /// Not at this time or later; until then a moment that was missed is caught up
    #[arg(long, value_name = "TIME", requires = "release")]
    pub not_after: Option<Timestamp>,
    /// Only in windows that begin then, in systemd's calendar words: `Sun 02:00`
    #[arg(long, value_name = "CALENDAR", value_parser = Calendar::parse,
        requires_all = ["release", "window_length"])]
    pub window: Option<Calendar>,
    /// How long a window is open
    #[arg(long, value_name = "DURATION", value_parser = length, requires = "window")]
    pub window_length: Option<Duration>,
    /// Spread the controllers over so long
    #[arg(long, value_name = "DURATION", value_parser = length, requires = "release")]
    pub spread: Option<Duration>,
    /// Only when it was approved
    #[arg(long, requires = "release")]
    pub approval: bool,
    /// Only when these controllers have confirmed the release
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "release")]
    pub after: Vec<String>,
    /// Sign with these order keys
    #[arg(long, value_name = "K", num_args = 1..)]
    pub key: Vec<PathBuf>,
    /// The order
    #[arg(long, value_name = "F.order")]
    pub out: PathBuf,
}

pub fn run(command: &Command) -> Result<Answer> {
    match command {
        Command::Create(args) => create(args),
        Command::Sign { file, key } => sign(file, key),
        Command::Show { file, trust } => show(file, trust),
    }
}

fn create(args: &Create) -> Result<Answer> {
    let order = Order {
        counter: args.counter,
        controllers: match args.controllers.as_slice() {
            [all] if all == "*" => Controllers::All,
            names => Controllers::Named(names.to_vec()),
        },
        what: what(args)?,
    };
    let keys = key::secret_keys(&args.key)?;
    let mut order = SignedOrder::new(order).map_err(|mistake| {
        Error::new(Code::BadOrder, mistake.to_string()).changed("nothing was written")
    })?;
    for key in &keys {
        order.sign(key).map_err(|why| not_signed(&why))?;
    }
    let file = NewFile::create(&args.out, ORDINARY)?;
    write(file, &args.out, &order)?;
    let mut fields = describe(&order);
    if let Value::Object(fields) = &mut fields {
        fields.insert("changed".into(), json!(true));
        fields.insert("file".into(), json!(args.out.display().to_string()));
    }
    let text = format!("{}: order {}", args.out.display(), order.id);
    Ok(Answer::new(text, fields))
}

fn what(args: &Create) -> Result<What> {
    if let Some(order) = &args.revoke {
        return Ok(What::Revoke(named(order)?));
    }
    if let Some(order) = &args.approve {
        return Ok(What::Approve(named(order)?));
    }
    let release = args.release.as_deref().unwrap_or_default();
    let when = When {
        not_before: args.not_before,
        not_after: args.not_after,
        window: args
            .window
            .clone()
            .zip(args.window_length)
            .map(|(begin, length)| Window { begin, length }),
        spread: args.spread.unwrap_or_default(),
        approval: args.approval,
        after: args.after.clone(),
    };
    Ok(What::Run(Box::new(Run {
        release: match digest_of_hex(release) {
            Some(digest) => digest,
            None => manifest(Path::new(release))?,
        },
        configuration: args.configuration,
        when,
    })))
}

/// The digest of an image's manifest.
fn manifest(image: &Path) -> Result<Digest> {
    let (header, rest) = Source::open(image, &Settings::default())?.head()?;
    Ok(Head::open_untrusted(&header, &rest)?.0.digest)
}

/// An order by its id, or by its file.
fn named(order: &str) -> Result<OrderId> {
    match digest_of_hex(order) {
        Some(digest) => Ok(OrderId(digest)),
        None => Ok(load(Path::new(order))?.id),
    }
}

fn sign(file: &Path, key: &Path) -> Result<Answer> {
    let key = SecretKey::load(key).map_err(key::refused)?;
    let id = key.public().id();
    let new = NewFile::replace(file, ORDINARY)?;
    // Two that sign at once would lose one of the signatures.
    let folder = File::open(new.directory());
    let _lock = folder
        .and_then(|folder| folder.lock().map(|()| folder))
        .map_err(|error| {
            let folder = new.directory().display();
            Error::io(format_args!("locking {folder}"), &error)
        })?;
    let mut order = load(file)?;
    let (how, changed) = match order.sign(&key) {
        Ok(Signed::Added) => {
            write(new, file, &order)?;
            ("is signed", true)
        }
        Ok(Signed::Already) => ("was signed already", false),
        Err(why) => return Err(not_signed(&why)),
    };
    let text = format!("{} {how} by key {id}", file.display());
    let fields = json!({ "changed": changed, "key": id.to_string() });
    Ok(Answer::new(text, fields))
}

fn show(file: &Path, trust: &[PathBuf]) -> Result<Answer> {
    let trusted = key::public_keys(trust)?;
    let order = match trusted.is_empty() {
        true => load(file)?,
        false => {
            let opened = SignedOrder::open(&read(file)?, &trusted);
            opened.map_err(|error| refused(file, &error))?
        }
    };
    let mut text = order.text().to_owned();
    let mut line = |title: &str, value: &str| text += &format!("# {title:10}{value}\n");
    line("id", &order.id.to_string());
    for signature in order.signatures.signatures() {
        line("signed by", &signature.key.to_string());
    }
    if trusted.is_empty() {
        line(
            "checked",
            "no: name the keys that may give orders with --trust",
        );
    }
    let mut fields = describe(&order);
    if let Value::Object(fields) = &mut fields {
        fields.insert("verified".into(), json!(!trusted.is_empty()));
    }
    Ok(Answer::new(text.trim_end(), fields))
}

/// An order as programs read it.
fn describe(order: &SignedOrder) -> Value {
    let signers = order.signatures.signatures().iter();
    let signers: Vec<String> = signers.map(|signature| signature.key.to_string()).collect();
    let mut fields = json!({
        "id": order.id.to_string(),
        "counter": order.order.counter,
        "controllers": match &order.order.controllers {
            Controllers::All => json!("*"),
            Controllers::Named(names) => json!(names),
        },
        "signatures": signers,
    });
    let what = match &order.order.what {
        What::Revoke(id) => json!({ "revoke": id.to_string() }),
        What::Approve(id) => json!({ "approve": id.to_string() }),
        What::Run(run) => json!({
            "release": hex(&run.release),
            "configuration": run.configuration.as_ref().map(|digest| hex(digest)),
            "not_before": run.when.not_before.map(|time| time.to_string()),
            "not_after": run.when.not_after.map(|time| time.to_string()),
            "window": run.when.window.as_ref().map(|window| json!({
                "begin": window.begin.to_string(), "length_s": window.length.as_secs(),
            })),
            "spread_s": run.when.spread.as_secs(),
            "approval": run.when.approval,
            "after": run.when.after,
        }),
    };
    if let (Value::Object(fields), Value::Object(what)) = (&mut fields, what) {
        fields.extend(what);
    }
    fields
}

fn load(file: &Path) -> Result<SignedOrder> {
    let opened = SignedOrder::open_untrusted(&read(file)?);
    opened.map_err(|error| refused(file, &error))
}

/// The file, and of a longer one a byte more than an order may have.
fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = SIZE_MAX as u64 + 1;
    File::open(file)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| reading(file, &error))?;
    Ok(bytes)
}

fn write(new: NewFile, path: &Path, order: &SignedOrder) -> Result<()> {
    let written = new.file().write_all(order.encode().as_bytes());
    written.map_err(|error| Error::io(format_args!("writing {}", path.display()), &error))?;
    Ok(new.publish()?)
}

fn reading(file: &Path, error: &std::io::Error) -> Error {
    Error::io(format_args!("reading {}", file.display()), error)
}

fn refused(file: &Path, error: &NotAnOrder) -> Error {
    let code = match error {
        NotAnOrder::Unproven(_) => Code::OrderNotTrusted,
        NotAnOrder::Form(_) | NotAnOrder::Mistake(_) => Code::NotAnOrder,
    };
    Error::new(code, format!("{}: {error}", file.display()))
}

fn not_signed(why: &NotSigned) -> Error {
    let code = match why {
        NotSigned::NotAdded(_) => Code::BadOrder,
        NotSigned::Wrong(_) => Code::OrderNotTrusted,
    };
    Error::new(code, why.to_string()).changed("nothing was written")
}

fn hexadecimal(text: &str) -> Result<Digest, &'static str> {
    digest_of_hex(text).ok_or("expected 64 hexadecimal digits in lower case")
}

fn length(text: &str) -> Result<Duration, &'static str> {
    duration::parse(text).ok_or(duration::EXPECTED)
}
