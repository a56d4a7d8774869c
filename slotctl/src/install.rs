//! `slotctl install`.

use crate::args::{Args, Install};
use crate::history;
use crate::key;
use controller::disk::Disk;
use controller::error::Result;
use controller::size::Size;
use controller::system::Restart;
use controller::trust;
use images::hex;
use images::trust::Trust;
use install::source::{self, Settings, Source};
use install::{Moved, Outcome, Request};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use talk::answer::{Answer, Voice, bytes};
use talk::bar::Bar;

pub fn run(args: &Args, words: &Install, voice: Voice) -> Result<Answer> {
    let disk = crate::open(args, voice)?;
    let restart = Restart::asked(&disk, words.reboot)?;
    let trusted = trusted(&disk, words, voice)?;
    let (record, _) = disk.read_record()?;
    let compatible = install::compatible(&disk, &record, args.config.as_deref(), &trusted)?;
    let request = Request {
        slot: words.slot.map(|slot| slot.0),
        tries: words.tries,
        activate: !words.no_activate,
        retry: words.retry,
        dry_run: words.dry_run,
        allow_downgrade: words.allow_downgrade,
        machine: trust::machine(&disk),
    };
    let bar = Arc::new(Bar::new(voice));
    let settings = Settings {
        progress: bar.clone(),
        ..settings(args, words, voice)?
    };
    let mut source = Source::open(&words.source, &settings)?;
    if let Some(notice) = source.notice() {
        voice.warn(&notice);
    }
    let done = install::install(
        &disk,
        &trusted,
        compatible.as_ref(),
        &mut source,
        &request,
        bar.as_ref(),
    )?;
    let mut answer = answer(&done, words.dry_run);
    if done.changed {
        history::note(&disk, "installed", &answer.text);
    }
    let restarted = restart.after(done.changed);
    let restarted = restarted.map_err(|error| error.changed(answer.text.clone()))?;
    answer.text.push_str(restarted);
    let due = restart.is_due(done.changed);
    answer.fields.insert("restarting".into(), due.into());
    Ok(answer)
}

/// The keys that were named, or else those of the disk's own bootshim: what no key
/// in there has signed would be installed and never start, which is said.
fn trusted(disk: &Disk, words: &Install, voice: Voice) -> Result<Trust> {
    if words.trust.is_empty() {
        return trust::keys(disk);
    }
    let named =
        key::public_keys(&words.trust).map_err(|error| error.changed("nothing was written"))?;
    match trust::keys(disk) {
        Ok(own) if !named.iter().any(|key| own.keys().contains(key)) => voice.warn(&format!(
            "the bootshim of {} trusts none of these keys; what they signed will not start there",
            disk.path().display()
        )),
        Ok(_) => {}
        Err(error) => voice.warn(&error.to_string()),
    }
    Ok(trust::named(disk, named))
}

/// What the words and, for what is on the network, the configuration say.
fn settings(args: &Args, words: &Install, voice: Voice) -> Result<Settings> {
    let mut settings = Settings {
        limit_rate: words.limit_rate.map(|Size(bytes)| bytes),
        ..Settings::default()
    };
    if words.source.to_str().is_some_and(source::is_address)
        && let Some(config) = config::find(args.config.as_deref())?
    {
        for key in &config.unknown_keys {
            voice.warn(&format!("the configuration has an unknown key: {key}"));
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
