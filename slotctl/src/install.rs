//! `slotctl install`.

use crate::history;
use crate::key;
use crate::slots::{slot, tries};
use bootshim::record::SlotId;
use controller::disk::Disk;
use controller::error::Result;
use controller::restart::Restart;
use controller::size::Size;
use controller::trust;
use images::hex;
use images::trust::Trust;
use install::source::{self, Settings, Source};
use install::{Moved, Outcome, Request};
use serde_json::json;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use talk::answer::{Answer, Printer, bytes};
use talk::bar::Bar;
use talk::options::GlobalOptions;

/// What is installed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, - for standard input, or an https:// or http:// address
    pub source: OsString,
    /// Write this slot instead of the one that is chosen
    #[arg(long, value_name = "S", value_parser = slot)]
    pub slot: Option<SlotId>,
    /// Tries of the trial; by default those of the boot record, 3
    #[arg(long, value_name = "N", value_parser = tries(), allow_negative_numbers = true)]
    pub tries: Option<u8>,
    /// Install and do not make it the trial
    #[arg(long, conflicts_with = "reboot")]
    pub no_activate: bool,
    /// Install an image again that failed here
    #[arg(long)]
    pub retry: bool,
    /// Install an image although it is older than what runs
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Trusted public keys; by default those of the disk's bootshim
    #[arg(long, value_name = "PUB", num_args = 1..)]
    pub trust: Vec<PathBuf>,
    /// Check everything, write nothing
    #[arg(long, conflicts_with = "reboot")]
    pub dry_run: bool,
    /// Fetch at most so much a second, such as 500KiB or 2MiB
    #[arg(long, value_name = "RATE", value_parser = rate, allow_negative_numbers = true)]
    pub limit_rate: Option<Size>,
    /// Restart when something was changed
    #[arg(long)]
    pub reboot: bool,
}

pub fn run(global: &GlobalOptions, args: &Args, printer: Printer) -> Result<Answer> {
    let disk = crate::open(global, printer)?;
    let restart = Restart::asked(&disk, args.reboot)?;
    let trusted = trusted(&disk, args, printer)?;
    // A lost record is said before anybody waits for a server.
    disk.read_record()?;
    let compatible = install::compatible(&disk, global.config.as_deref())?;
    let request = Request {
        slot: args.slot,
        tries: args.tries,
        activate: !args.no_activate,
        retry: args.retry,
        dry_run: args.dry_run,
        allow_downgrade: args.allow_downgrade,
        machine: trust::machine(&disk),
    };
    let bar = Arc::new(Bar::new(printer));
    let settings = Settings {
        progress: bar.clone(),
        ..settings(global, args, printer)?
    };
    let mut source = Source::open(&args.source, &settings)?;
    if let Some(notice) = source.notice() {
        printer.warn(&notice);
    }
    let done = install::install(
        &disk,
        &trusted,
        &compatible,
        &mut source,
        &request,
        bar.as_ref(),
    )?;
    let mut answer = answer(&done, args.dry_run);
    if done.changed {
        history::note(&disk, "installed", &answer.text);
    }
    let restarted = restart.after(done.changed);
    let restarted = restarted.map_err(|error| error.changed(answer.text.clone()))?;
    answer.text.push_str(&restarted);
    let due = restart.is_due(done.changed);
    answer.fields.insert("restarting".into(), due.into());
    Ok(answer)
}

/// The keys that were named, or else those of the disk's own bootshim: what no key
/// in there has signed would be installed and never start, which is said.
fn trusted(disk: &Disk, args: &Args, printer: Printer) -> Result<Trust> {
    if args.trust.is_empty() {
        return trust::keys(disk);
    }
    let named =
        key::public_keys(&args.trust).map_err(|error| error.changed("nothing was written"))?;
    match trust::keys(disk) {
        Ok(own) if !named.iter().any(|key| own.keys().contains(key)) => printer.warn(&format!(
            "the bootshim of {} trusts none of these keys; what they signed will not start there",
            disk.path().display()
        )),
        Ok(_) => {}
        Err(error) => printer.warn(&error.to_string()),
    }
    Ok(trust::named(disk, named))
}

/// What the args and, for what is on the network, the configuration say.
fn settings(global: &GlobalOptions, args: &Args, printer: Printer) -> Result<Settings> {
    let mut settings = Settings {
        limit_rate: args.limit_rate.map(|Size(bytes)| bytes),
        ..Settings::default()
    };
    if args.source.to_str().is_some_and(source::is_address)
        && let Some(config) = config::find(global.config.as_deref())?
    {
        for key in &config.unknown_keys {
            printer.warn(&format!("the configuration has an unknown key: {key}"));
        }
        settings.ca = config.source.ca;
    }
    Ok(settings)
}

fn answer(done: &Outcome, dry_run: bool) -> Answer {
    let Outcome {
        slot,
        state,
        manifest,
        already,
        changed,
        moved,
        ..
    } = done;
    let version = &manifest.version;
    let text = match (already, changed) {
        (true, true) => format!("{version} was in slot {slot} already, now it is {state}"),
        (true, false) => {
            format!("{version} is in slot {slot} already ({state}); nothing was written")
        }
        (false, _) if dry_run => {
            format!("{version} would be written to slot {slot}; nothing was written")
        }
        (false, _) => format!(
            "{version} is in slot {slot} ({state}), {} written and read back{}",
            bytes(moved.written),
            spared(moved)
        ),
    };
    let fields = json!({
        "event": "done", "changed": changed, "slot": slot.to_string(), "state": state.word(),
        "version": version, "security_version": manifest.security_version,
        "manifest": hex(&done.digest), "written": moved.written, "kept": moved.kept, "reused": moved.reused,
        "fetched": moved.fetched, "dry_run": dry_run,
    });
    Answer::new(text, fields)
}

/// What did not have to be written, or fetched.
fn spared(moved: &Moved) -> String {
    let mut text = String::new();
    for (count, how) in [
        (moved.kept, "lay there already"),
        (moved.reused, "copied from other slots"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {how}", bytes(count));
        }
    }
    text
}

/// As curl has it, but nothing at all would be no limit and no download either.
fn rate(text: &str) -> Result<Size, String> {
    let size: Size = text.parse().map_err(|error| format!("{error}"))?;
    match size {
        Size(0) => Err("expected more than nothing a second".to_owned()),
        size => Ok(size),
    }
}
