//! `slotctl disk`.

use crate::args::Create;
use crate::key;
use bootshim::copies::Copy;
use bootshim::gpt::{Partition, Source as TableSource};
use bootshim::guid::Guid;
use controller::code::Code;
use controller::date::Date;
use controller::disk::Disk;
use controller::error::{Error, Result};
use controller::program::Program;
use controller::trust;
use install::source::{Settings, Source};
use install::{Compatible, Request};
use make::{Draft, Options, Sizes};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use talk::answer::{Answer, Voice, bytes, table};
use talk::bar::Bar;

pub fn create(words: &Create, voice: Voice) -> Result<Answer> {
    let mut program = Program::load(&words.bootshim)?;
    if !(words.trust.is_empty() && words.roots.roots.is_empty()) {
        program = key::put(program, &words.trust, &words.roots)
            .map_err(|error| error.changed("no disk was made"))?;
    }
    if program.trust().keys.is_empty() {
        if words.image.is_some() {
            let found = format!("{} trusts no key", words.bootshim.display());
            return Err(Error::new(Code::NoTrustedKeys, found)
                .advice("name the key that signed the image with --trust")
                .changed("no disk was made"));
        }
        voice.warn("this bootshim trusts no key; nothing can be installed (--trust PUB)");
    }
    let trusted: Vec<String> = program
        .trust()
        .keys
        .iter()
        .map(|k| k.id().to_string())
        .collect();
    let options = Options {
        sizes: sizes(words),
        program,
        compatible: words.compatible.clone(),
        seed: words.seed.as_deref().map(parse_seed).transpose()?,
        date: Date::from_environment()?,
    };
    let draft = make::create(&words.file, &options)?;
    let mut version = None;
    if let Some(image) = &words.image {
        let installed = first_image(&draft, image, words, voice)?;
        version = Some(installed);
    }
    let layout = draft.layout().clone();
    draft.publish()?;
    let (file, size) = (words.file.display(), bytes(words.size.0));
    let mut text = format!("{file}: {size}, {} slots", layout.slots.len());
    if let Some(slot) = layout.slots.first() {
        let _ = write!(text, " of {}", bytes(slot.extent.len));
    }
    if let Some(version) = &version {
        let _ = write!(text, ", {version} in slot a (good)");
    }
    let fields = json!({
        "changed": true, "file": file.to_string(), "size": words.size.0,
        "record": layout.record.id.to_string(), "slots": layout.slots.len(),
        "version": version, "trusted": trusted,
    });
    Ok(Answer::new(text, fields))
}

fn sizes(words: &Create) -> Sizes {
    let mut sizes = Sizes::new(words.size.0);
    sizes.sector = if words.sector_size == 4096 { 4096 } else { 512 };
    sizes.slots = usize::from(words.slots);
    sizes.slot = words.slot_size.map(|size| size.0);
    sizes.data = words.data_size.map(|size| size.0);
    sizes.esp = words.esp_size.map_or(sizes.esp, |size| size.0);
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
fn first_image(draft: &Draft, image: &Path, words: &Create, voice: Voice) -> Result<String> {
    let disk = draft.disk()?;
    let trusted = trust::keys(&disk)?;
    let compatible = words.compatible.clone().map(|name| Compatible {
        name,
        from: "--compatible".into(),
    });
    let request = Request {
        slot: bootshim::record::SlotId::new(0),
        machine: trust::machine(&disk),
        ..Request::default()
    };
    let mut source = Source::open(image, &Settings::default())?;
    let bar = Bar::new(voice);
    let no_disk = |mut error: Error| {
        if error.code == Code::SlotTooSmall {
            let (disk, slots) = (words.size, words.slots);
            error.advice = format!(
                "a disk of {disk} with {slots} slots is too small for it; give it more with --size, or fewer slots with --slots"
            );
        }
        Error {
            changed: "no disk was made".into(),
            ..error
        }
    };
    let done = install::install(
        &disk,
        &trusted,
        compatible.as_ref(),
        &mut source,
        &request,
        &bar,
    )
    .map_err(no_disk)?;
    disk.provision(done.slot).map_err(no_disk)?;
    Ok(done.manifest.version)
}

pub fn show(disk: &Disk, voice: Voice) -> Result<Answer> {
    let (layout, partitions) = (disk.layout(), &disk.table().partitions);
    let blemishes = disk.blemishes()?;
    for blemish in &blemishes {
        voice.warn(blemish);
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
        "gpt": if disk.table().source == TableSource::Primary { "primary" } else { "backup" },
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
