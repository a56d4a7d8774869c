//! `slotctl image`.

mod root;

use crate::key::{self, Roots};
use crate::key_set;
use crate::sign::Sign;
use controller::code::Code;
use controller::disk::Disk;
use controller::efi_program::Program;
use controller::error::{Error, Result};
use controller::progress::{Phase, Progress};
use images::build::{self, Boot, BuildError, Inputs};
use images::delta::{self, DeltaError};
use images::head::Head;
use images::hex;
use images::key::KeyId;
use images::manifest::{Kind, Manifest};
use images::memory::Need;
use images::read::{ReadError, SpoolError};
use images::sign::{self, SignError, Signed};
use images::trust::Trust;
use images::verify;
use install::source::{Settings, Source};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use talk::answer::{Answer, Printer, bytes};
use talk::bar::Bar;
use talk::options::GlobalOptions;

/// Images.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Build an image, and sign it with each key
    Build(Build),
    /// The exact bytes to be signed, on standard output
    Tbs {
        /// The image
        file: PathBuf,
    },
    /// Build an image that needs another's content on the controller
    Delta(Delta),
    /// Sign an image here, or attach a signature made elsewhere
    Sign(Sign),
    /// Manifest, sizes and signatures, without needing a key
    Show {
        /// The image
        file: PathBuf,
    },
    /// Check signature, index and every chunk
    Verify {
        /// The image
        file: PathBuf,
        /// Trusted public keys; by default those of the disk's bootshim
        #[arg(long, value_name = "PUB", num_args = 1..)]
        trust: Vec<PathBuf>,
        #[command(flatten)]
        roots: Roots,
    },
}

/// What a delta is built from.
#[derive(Debug, clap::Args)]
pub struct Delta {
    /// Image whose content is on the controller
    #[arg(long, value_name = "OLD")]
    pub from: PathBuf,
    /// Image that the controller gets
    #[arg(long, value_name = "NEW")]
    pub to: PathBuf,
    /// Secret key to sign with; repeat it for more
    #[arg(long, value_name = "K")]
    pub key: Vec<PathBuf>,
    /// The delta
    #[arg(long, value_name = "F")]
    pub out: PathBuf,
}

/// What an image is built from.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// Root filesystem
    #[arg(long, value_name = "F")]
    pub rootfs: PathBuf,
    /// Kernel with an EFI stub
    #[arg(long, value_name = "F", required_unless_present = "uki")]
    pub kernel: Option<PathBuf>,
    /// Initial RAM filesystem
    #[arg(long, value_name = "F")]
    pub initrd: Option<PathBuf>,
    /// Kernel and initial RAM filesystem in one program, without a command line
    #[arg(long, value_name = "F", conflicts_with_all = ["kernel", "initrd"])]
    pub uki: Option<PathBuf>,
    /// bootshim with the trusted keys in, that starts this image on trial and
    /// replaces the one on the ESP once the image is good
    #[arg(long, value_name = "EFI")]
    pub bootshim: Option<PathBuf>,
    /// Kernel command line; {slot} becomes the PARTUUID of the slot
    #[arg(long, value_name = "S")]
    pub cmdline: String,
    /// For which controllers
    #[arg(long, value_name = "S")]
    pub compatible: String,
    /// Version, in the order of dpkg
    #[arg(long, value_name = "V")]
    pub version: String,
    /// Below the floor of a controller, an image is refused there
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub security_version: u64,
    /// Once this image is good, nothing with a security version below this boots
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub revoke_below: u64,
    /// The image pets the hardware watchdog from its first act on
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub watchdog: Option<u32>,
    /// Sign with this key
    #[arg(long, value_name = "F")]
    pub key: Vec<PathBuf>,
    /// The key set under which the image is signed
    #[arg(long, value_name = "F.keyset")]
    pub key_set: Option<PathBuf>,
    /// The image
    #[arg(long, value_name = "F.slotimg")]
    pub out: PathBuf,
}

pub fn run(global: &GlobalOptions, command: &Command, printer: Printer) -> Result<Answer> {
    match command {
        Command::Build(build) => self::build(build, printer),
        Command::Tbs { file } => {
            let message = sign::message(file).map_err(|error| unreadable(file, error))?;
            Ok(Answer::raw(message.to_vec()))
        }
        Command::Delta(delta) => self::delta(delta, printer),
        Command::Sign(sign) => self::sign(sign),
        Command::Show { file } => show(file),
        Command::Verify { file, trust, roots } => {
            let trusted = if trust.is_empty() && roots.roots.is_empty() {
                keys_of_disk(global.disk.as_deref())?
            } else {
                key::trust(trust, roots)?
            };
            verify(file, &trusted, printer)
        }
    }
}

/// What starts the root.
fn starts(args: &Build) -> Result<Boot> {
    match (&args.kernel, &args.uki) {
        (_, Some(uki)) => Ok(Boot::Uki(uki.clone())),
        (Some(kernel), None) => Ok(Boot::Kernel {
            kernel: kernel.clone(),
            initrd: args.initrd.clone(),
        }),
        (None, None) => Err(Error::new(Code::Usage, "nothing that starts the root")
            .expected("expected --kernel or --uki")),
    }
}

/// A bootshim that can go into an image: one that trusts nobody would start nothing.
fn bootshim(file: &Path) -> Result<PathBuf> {
    let bootshim = Program::load(file)?;
    if bootshim.trust().keys.is_empty() {
        let found = format!("{} trusts no key", file.display());
        return Err(Error::new(Code::BootshimWithoutKeys, found)
            .expected("expected a bootshim with the trusted keys in")
            .advice("put them in with `slotctl bootshim trust`, sign it for Secure Boot after that")
            .changed("no image was written"));
    }
    Ok(file.into())
}

fn build(args: &Build, printer: Printer) -> Result<Answer> {
    let inputs = Inputs {
        rootfs: args.rootfs.clone(),
        boot: starts(args)?,
        bootshim: args.bootshim.as_deref().map(bootshim).transpose()?,
        cmdline: args.cmdline.clone(),
        compatible: args.compatible.clone(),
        version: args.version.clone(),
        security_version: args.security_version,
        revoke_below: args.revoke_below,
        watchdog_seconds: args.watchdog.unwrap_or_default(),
        keys: key::secret_keys(&args.key)?,
        key_set: args.key_set.as_deref().map(key_set::load).transpose()?,
    };
    let mut warnings = root::look(args)?;
    let built = following(printer, Phase::Building, |progress| {
        build::build(&inputs, &args.out, progress)
    })
    .map_err(not_built)?;
    warnings.extend(built.warnings.iter().map(ToString::to_string));
    for warning in &warnings {
        printer.warn(warning);
    }
    if inputs.keys.is_empty() {
        printer.warn("the image is not signed; no controller takes it before `slotctl image sign`");
    }
    let out = args.out.display();
    let (image, length) = (&built.manifest, built.file_length);
    let mut text = format!(
        "{out}: \"{}\" {}, {} of content in {}, {}",
        image.compatible,
        image.version,
        bytes(image.content_len),
        bytes(length),
        signed_by(inputs.keys.len())
    );
    if let (Some(was), Some(initrd)) = (built.unpacked_initrd, image.payload(Kind::Initrd)) {
        let is = bytes(initrd.length);
        let _ = write!(
            text,
            "\nthe initrd of {} is stored unpacked, {is}",
            bytes(was)
        );
    }
    let fields = json!({
        "changed": true, "file": out.to_string(), "manifest": hex(&built.digest),
        "file_length": length, "content_length": image.content_len,
        "memory_needed": Need::of(image).whole(), "warnings": warnings,
    });
    Ok(Answer::new(text, fields))
}

fn signed_by(keys: usize) -> String {
    match keys {
        0 => "not signed".into(),
        1 => "signed by 1 key".into(),
        keys => format!("signed by {keys} keys"),
    }
}

fn delta(args: &Delta, printer: Printer) -> Result<Answer> {
    let inputs = delta::Inputs {
        from: args.from.clone(),
        to: args.to.clone(),
        keys: key::secret_keys(&args.key)?,
    };
    let built = following(printer, Phase::Building, |progress| {
        delta::build(&inputs, &args.out, progress)
    })
    .map_err(no_delta)?;
    if inputs.keys.is_empty() {
        printer.warn("the delta is not signed; no controller takes it before `slotctl image sign`");
    }
    let (out, image) = (args.out.display(), &built.to.manifest);
    let mut text = format!(
        "{out}: \"{}\" from {} to {}, {} instead of {}, {}",
        image.compatible,
        built.base.version,
        image.version,
        bytes(built.file_length),
        bytes(built.base.full_len),
        signed_by(inputs.keys.len())
    );
    for (kind, length) in &built.payloads {
        let _ = write!(text, "\n  {kind}: {}", bytes(*length));
    }
    let payload =
        |(kind, length): &(Kind, u64)| json!({ "kind": kind.to_string(), "length": length });
    let fields = json!({
        "changed": true, "file": out.to_string(), "manifest": hex(&built.to.digest),
        "base": hex(&built.base.manifest), "base_version": built.base.version,
        "file_length": built.file_length, "full_length": built.base.full_len,
        "payloads": built.payloads.iter().map(payload).collect::<Vec<_>>(),
    });
    Ok(Answer::new(text, fields))
}

fn no_delta(error: DeltaError) -> Error {
    let error = match error {
        DeltaError::Input(file, error) => unreadable(&file, error),
        DeltaError::Output(error) => return not_built(error),
        DeltaError::Spool(error) => no_room(error),
        other @ DeltaError::Pack(_) => Error::new(Code::Io, other.to_string()),
        other @ (DeltaError::OfADelta(_) | DeltaError::OtherMachine { .. }) => {
            Error::new(Code::NoDelta, other.to_string())
        }
        other @ DeltaError::Signature(_) => Error::new(Code::NotBuilt, other.to_string()),
    };
    error.changed("no image was written")
}

fn not_built(error: BuildError) -> Error {
    let found = error.to_string();
    let failed = match error {
        BuildError::Input { source, .. } | BuildError::Output { source, .. } => Error {
            found,
            ..Error::io("", &source)
        },
        BuildError::NotMade(error) => Error {
            changed: String::new(),
            ..error.into()
        },
        _ => Error::new(Code::NotBuilt, found),
    };
    failed.changed("no image was written")
}

fn sign(args: &Sign) -> Result<Answer> {
    let failed = |error| not_signed(&args.file, error);
    let (id, signed) = args.run(sign::sign, sign::attach, failed)?;
    let file = args.file.display();
    let (text, changed) = match signed {
        Signed::Added => (format!("{file} is signed by key {id}"), true),
        Signed::Already => (format!("{file} was signed by key {id} already"), false),
    };
    Ok(Answer::new(
        text,
        json!({ "changed": changed, "key": id.to_string() }),
    ))
}

fn not_signed(file: &Path, error: SignError) -> Error {
    match error {
        SignError::Read(error) => unreadable(file, error),
        SignError::Write(error) => Error::io(format_args!("signing {}", file.display()), &error),
        other => Error::new(Code::NotSigned, other.to_string()).changed("nothing was written"),
    }
}

fn show(file: &Path) -> Result<Answer> {
    let mut source = Source::open(file, &Settings::default())?;
    let (header, rest) = source.head()?;
    let head = Head::open_untrusted(&header, &rest)?.0;
    let signers: Vec<KeyId> = head.signatures.signatures().iter().map(|s| s.key).collect();
    let mut fields = describe(&head.manifest);
    if let Value::Object(fields) = &mut fields {
        fields.insert("manifest".into(), json!(hex(&head.digest)));
        fields.insert("file_length".into(), json!(header.file_length()));
        let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
        fields.insert("signatures".into(), json!(signers));
        fields.insert("verified".into(), json!(false));
        if let Some(key_set) = &head.key_set {
            fields.insert("key_set".into(), key_set::describe(key_set));
        }
        if let Some(base) = head.table.base() {
            fields.insert("base".into(), json!(hex(&base.manifest)));
            fields.insert("base_version".into(), json!(base.version));
        }
    }
    Ok(Answer::new(
        in_words(&head, header.file_length(), &signers),
        fields,
    ))
}

fn in_words(head: &Head, length: u64, signers: &[KeyId]) -> String {
    let image = &head.manifest;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:18}{value}");
    };
    line("compatible", image.compatible.clone());
    line("version", image.version.clone());
    line("security version", image.security_version.to_string());
    if image.revoke_below > 0 {
        line("revokes below", image.revoke_below.to_string());
    }
    line("command line", image.cmdline.clone());
    line(
        "watchdog",
        match image.watchdog_seconds {
            0 => "not petted by this image".into(),
            seconds => format!("petted, {seconds} s"),
        },
    );
    for payload in &image.payloads {
        line(
            &payload.kind.to_string(),
            format!("{} at {}", bytes(payload.length), payload.offset),
        );
    }
    line("memory to start", Need::of(image).to_string());
    line(
        "file",
        format!(
            "{} for {} of content",
            bytes(length),
            bytes(image.content_len)
        ),
    );
    line("manifest", hex(&head.digest));
    if let Some(key_set) = &head.key_set {
        line("key set", key_set::in_words(key_set));
    }
    if let Some(base) = head.table.base() {
        line(
            "delta from",
            format!("{} (manifest {})", base.version, hex(&base.manifest)),
        );
    }
    match signers {
        [] => line("signed by", "nobody".into()),
        signers => signers
            .iter()
            .for_each(|key| line("signed by", format!("{key} (not checked)"))),
    }
    text
}

/// A manifest as programs read it.
pub fn describe(manifest: &Manifest) -> Value {
    let payload = |p: &images::manifest::Payload| json!({ "kind": p.kind.to_string(), "offset": p.offset, "length": p.length, "blake3": hex(&p.hash) });
    json!({
        "compatible": manifest.compatible,
        "version": manifest.version,
        "security_version": manifest.security_version,
        "revoke_below": manifest.revoke_below,
        "cmdline": manifest.cmdline,
        "watchdog_seconds": manifest.watchdog_seconds,
        "content_length": manifest.content_len,
        "memory_needed": Need::of(manifest).whole(),
        "payloads": manifest.payloads.iter().map(payload).collect::<Vec<_>>(),
    })
}

/// The keys of the disk that is named, or else of the one that booted.
fn keys_of_disk(disk: Option<&Path>) -> Result<Trust> {
    let disk = Disk::open_or_booted(disk).map_err(|error| match error.code {
        Code::NotBooted => {
            error.advice("name the trusted keys with --trust, or a disk with --disk")
        }
        _ => error,
    })?;
    controller::trust::keys(&disk)
}

fn verify(file: &Path, trusted: &Trust, printer: Printer) -> Result<Answer> {
    let input = File::open(file)
        .map_err(|error| Error::io(format_args!("opening {}", file.display()), &error))?;
    let head = following(printer, Phase::Verifying, |progress| {
        verify::verify(input, trusted, progress)
    })
    .map_err(|error| unreadable(file, error))?;
    let signers: Vec<String> = head.signed_by.iter().map(ToString::to_string).collect();
    let image = &head.manifest;
    let text = format!(
        "{}: \"{}\" {} is whole, signed by {}{}",
        file.display(),
        image.compatible,
        image.version,
        signers.join(", "),
        match head.table.base() {
            Some(base) => format!("; a delta, made against {}", base.version),
            None => String::new(),
        }
    );
    let fields = json!({
        "verified": true, "manifest": hex(&head.digest), "version": image.version,
        "signed_by": signers,
    });
    Ok(Answer::new(text, fields))
}

fn unreadable(file: &Path, error: ReadError) -> Error {
    let found = format!("{}: {error}", file.display());
    match error {
        ReadError::Io(error) => Error {
            found,
            ..Error::io("", &error)
        },
        ReadError::Refused(refused) => Error {
            found,
            ..Error::from(refused)
        },
        ReadError::Spool(error) => no_room(error),
    }
}

/// The file is whole, and so is the image: what is full is another place.
fn no_room(error: SpoolError) -> Error {
    Error {
        found: error.to_string(),
        ..Error::io("", &error.source)
    }
}

/// Runs work that says how much of how much is done.
fn following<T>(
    printer: Printer,
    phase: Phase,
    work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T,
) -> T {
    let bar = Bar::new(printer);
    let before = AtomicU64::new(u64::MAX);
    let progress = |done: u64, total: u64| {
        let last = before.swap(done, Ordering::Relaxed);
        if last == u64::MAX {
            bar.begin(phase, total);
            bar.advance(done);
        } else {
            bar.advance(done.saturating_sub(last));
        }
    };
    let result = work(&progress);
    bar.end();
    result
}

/// What a watchdog can be set to.
fn seconds(text: &str) -> Result<u32, String> {
    controller::duration::parse(text)
        .filter(|duration| duration.subsec_nanos() == 0)
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| {
            format!(
                "expected whole seconds as {}",
                controller::duration::EXPECTED
            )
        })
}
