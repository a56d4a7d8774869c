//! `slotctl disk`.

use crate::key::{self, Roots};
use bootshim::copies::Copy;
use bootshim::gpt::{Partition, ReadFrom};
use bootshim::guid::Guid;
use controller::code::Code;
use controller::date::Date;
use controller::disk::Disk;
use controller::efi_program::Program;
use controller::error::{Error, Result};
use controller::size::Size;
use controller::trust;
use install::source::{Settings, Source};
use install::{Compatible, Request};
use make::{Draft, Options, Sizes};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use talk::answer::{Answer, Printer, bytes, table};
use talk::bar::Bar;

/// Disks.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a complete, bootable disk image
    Create(Box<Create>),
    /// Partitions, slots and the copies of the boot record
    Show,
}

/// What a disk is made of.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// The disk image to make
    pub file: PathBuf,
    /// Its size
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub size: Size,
    /// bootshim
    #[arg(long, value_name = "EFI")]
    pub bootshim: PathBuf,
    /// Trusted public keys, put into bootshim
    #[arg(long, value_name = "PUB", num_args = 1..)]
    pub trust: Vec<PathBuf>,
    #[command(flatten)]
    pub roots: Roots,
    /// For which images
    #[arg(long, value_name = "S")]
    pub compatible: Option<String>,
    /// Bytes of a sector
    #[arg(long, value_name = "512|4096", default_value = "512", value_parser = sector)]
    pub sector_size: u32,
    /// Number of slots
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u8).range(2..=8))]
    pub slots: u8,
    /// Size of each slot; by default they share what is left
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub slot_size: Option<Size>,
    /// Size of the EFI system partition [default: 16MiB]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub esp_size: Option<Size>,
    /// Size of the data partition [default: a tenth]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub data_size: Option<Size>,
    /// All GUIDs and FAT ids derive from it
    #[arg(long, value_name = "UUID")]
    pub seed: Option<String>,
    /// Install this image in slot a, as good
    #[arg(long, value_name = "IMG")]
    pub image: Option<PathBuf>,
}

pub fn create(args: &Create, printer: Printer) -> Result<Answer> {
    let mut bootshim = Program::load(&args.bootshim)?;
    if !(args.trust.is_empty() && args.roots.roots.is_empty()) {
        bootshim = key::put(bootshim, &args.trust, &args.roots)
            .map_err(|error| error.changed("no disk was made"))?;
    }
    if bootshim.trust().keys.is_empty() {
        if args.image.is_some() {
            let found = format!("{} trusts no key", args.bootshim.display());
            return Err(Error::new(Code::NoTrustedKeys, found)
                .advice("name the key that signed the image with --trust")
                .changed("no disk was made"));
        }
        printer.warn("this bootshim trusts no key; nothing can be installed (--trust PUB)");
    }
    let keys = bootshim.trust().keys.iter();
    let trusted: Vec<String> = keys.map(|key| key.id().to_string()).collect();
    let options = Options {
        sizes: sizes(args),
        bootshim,
        compatible: args.compatible.clone(),
        seed: args.seed.as_deref().map(parse_seed).transpose()?,
        date: Date::from_environment()?,
    };
    let draft = make::create(&args.file, &options)?;
    let image = args.image.as_deref();
    let first = |image| first_image(&draft, image, args, printer);
    let version = image.map(first).transpose()?;
    let layout = draft.layout.clone();
    draft.publish()?;
    let (file, size) = (args.file.display(), bytes(args.size.0));
    let mut text = format!("{file}: {size}, {} slots", layout.slots.len());
    if let Some(slot) = layout.slots.first() {
        let _ = write!(text, " of {}", bytes(slot.extent.len));
    }
    if let Some(version) = &version {
        let _ = write!(text, ", {version} in slot a (good)");
    }
    let fields = json!({
        "changed": true, "file": file.to_string(), "size": args.size.0,
        "record": layout.record.id.to_string(), "slots": layout.slots.len(),
        "version": version, "trusted": trusted,
    });
    Ok(Answer::new(text, fields))
}

fn sizes(args: &Create) -> Sizes {
    let mut sizes = Sizes::new(args.size.0);
    sizes.sector = if args.sector_size == 4096 { 4096 } else { 512 };
    sizes.slots = usize::from(args.slots);
    sizes.slot = args.slot_size.map(|size| size.0);
    sizes.data = args.data_size.map(|size| size.0);
    sizes.esp = args.esp_size.map_or(sizes.esp, |size| size.0);
    sizes
}

fn parse_seed(text: &str) -> Result<Guid> {
    text.parse().map_err(|_| {
        Error::new(Code::BadSeed, format!("the seed is {text:?}"))
            .expected("expected a UUID, such as `uuidgen` prints")
            .changed("nothing was written")
    })
}

/// The factory's image: installed like any other, then good without a trial.
fn first_image(draft: &Draft, image: &Path, args: &Create, printer: Printer) -> Result<String> {
    let disk = draft.disk()?;
    let trusted = trust::keys(&disk)?;
    let named = |name| Compatible::Named {
        name,
        from: "--compatible".into(),
    };
    let compatible = args.compatible.clone();
    let compatible = compatible.map_or(Compatible::AsTheDisk, named);
    let request = Request {
        slot: bootshim::record::SlotId::new(0),
        machine: trust::machine(&disk),
        ..Request::default()
    };
    let mut source = Source::open(image, &Settings::default())?;
    let bar = Bar::new(printer);
    let no_disk = |mut error: Error| {
        if error.code == Code::SlotTooSmall {
            let (disk, slots) = (args.size, args.slots);
            error.advice = format!(
                "a disk of {disk} with {slots} slots is too small for it; give it more with --size, or fewer slots with --slots"
            );
        }
        Error {
            changed: "no disk was made".into(),
            ..error
        }
    };
    let done = install::install(&disk, &trusted, &compatible, &mut source, &request, &bar)
        .map_err(no_disk)?;
    disk.provision(done.slot).map_err(no_disk)?;
    Ok(done.manifest.version)
}

pub fn show(disk: &Disk, printer: Printer) -> Result<Answer> {
    let (layout, partitions) = (disk.layout(), &disk.table().partitions);
    let blemishes = disk.blemishes()?;
    for blemish in &blemishes {
        printer.warn(blemish);
    }
    let warnings = [disk.warnings(), blemishes].concat();
    let store = disk.store()?;
    let copy = |copy: &Copy| match copy {
        Copy::Valid(sequence) => json!({ "valid": true, "sequence": sequence }),
        other => json!({ "valid": false, "reason": other.to_string() }),
    };
    let partition = |p: &Partition| {
        json!({
            "number": p.number, "name": p.name, "type": p.kind.to_string(),
            "partuuid": p.id.to_string(), "start": p.extent.start, "length": p.extent.len,
            "whole": disk.table().holds(p),
        })
    };
    let fields = json!({
        "disk": disk.path().display().to_string(),
        "guid": disk.table().disk.to_string(),
        "sector_size": disk.table().sector,
        "gpt": if disk.table().read_from == ReadFrom::Primary { "primary" } else { "backup" },
        "partitions": partitions.iter().map(partition).collect::<Vec<Value>>(),
        "slots": layout.slots.iter().map(|p| p.name.clone()).collect::<Vec<_>>(),
        "record": {
            "partuuid": layout.record.id.to_string(),
            "sequence": store.record().map(|record| record.sequence),
            "copies": store.copies().iter().map(copy).collect::<Vec<Value>>(),
        },
        "warnings": warnings,
    });
    let mut rows = vec![
        ["", "name", "start", "size", "partuuid"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(partitions.iter().map(|p| {
        let (start, size) = (bytes(p.extent.start), bytes(p.extent.len));
        vec![
            p.number.to_string(),
            p.name.clone(),
            start,
            size,
            p.id.to_string(),
        ]
    }));
    let mut text = format!(
        "{}: GPT {}, sectors of {} bytes\n",
        disk.path().display(),
        disk.table().disk,
        disk.table().sector
    );
    text.push_str(&table(&rows));
    for (number, copy) in store.copies().iter().enumerate() {
        let _ = writeln!(text, "boot record copy {number}: {copy}");
    }
    Ok(Answer::new(text, fields))
}

fn sector(text: &str) -> Result<u32, String> {
    match text {
        "512" => Ok(512),
        "4096" => Ok(4096),
        _ => Err("a sector has 512 or 4096 bytes".to_owned()),
    }
}
