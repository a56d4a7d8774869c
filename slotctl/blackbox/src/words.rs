//! A failure in words: all of it, and the few lines that say most.

#[cfg(test)]
mod tests;

use crate::failure::{Check, Dump, Failure, Line, Unit, Watchdog};
use std::fmt::Write as _;

/// The columns of a screen, the indent of what is shown here, and the rows that one line
/// may take at most.
const COLUMNS: usize = 80;
const INDENT: usize = 2;
const LINE_ROWS: usize = 2;
/// Of what a kernel left, so many lines say why.
const OF_KERNEL: usize = 3;

/// What begins a line of the kernel that says why it ended.
const LAST_WORDS: [&str; 4] = ["Kernel panic", "BUG:", "Oops:", "Unable to handle"];
/// What bootshim says of a trial of which it knows no more.
const NEVER_SAID: &str = "; its system never said why";

/// A few lines, which take at most so many rows on a screen of 80 columns with an indent
/// of two: what the kernel said at its end, and what the programs said that did not start.
#[must_use]
pub fn first_lines(failure: &Failure, rows: usize) -> Vec<String> {
    let reports = failure.pstore.iter().rev().take(1).map(of_report);
    let mut units: Vec<&Unit> = failure.units.iter().collect();
    units.sort_by_key(|unit| {
        let named = is_named(unit, &failure.checks);
        (!named, said_itself(unit).is_empty(), unit.state != "failed")
    });
    let units = units.into_iter().map(of_unit);
    let mut blocks: Vec<Block> = reports.chain(units).collect();
    if blocks.is_empty() && !failure.given_up {
        let head = "the last lines of its console:".to_owned();
        let console = Some((head, failure.kernel.clone()));
        blocks.extend(console.filter(|(_, said)| !said.is_empty()));
    }
    // Each has three rows at least, and the first has what is left.
    blocks.truncate((rows / 3).max(1));
    let each = rows / blocks.len().max(1);
    let mut free = rows;
    let mut lines = Vec::new();
    for (number, block) in blocks.into_iter().enumerate().rev() {
        let block = last_lines(block, if number == 0 { free } else { each });
        free = free.saturating_sub(block.iter().map(|line| rows_of(line)).sum());
        lines.splice(0..0, block);
    }
    lines
}

/// The head of a block, and the last of its lines, in so many rows.
fn last_lines((head, said): Block, rows: usize) -> Vec<String> {
    let head = shortened(&head, 1);
    let mut free = rows.saturating_sub(1);
    let said = said
        .iter()
        .rev()
        .map(|line| shortened(&format!("  {line}"), LINE_ROWS));
    let fits = |line: &String| {
        let rows = rows_of(line);
        let fits = rows <= free;
        free = free.saturating_sub(rows);
        fits
    };
    let mut lines: Vec<String> = said.take_while(fits).collect();
    lines.push(head);
    lines.reverse();
    lines
}

fn rows_of(line: &str) -> usize {
    (line.chars().count() + INDENT).div_ceil(COLUMNS)
}

/// A line that takes at most so many rows.
fn shortened(line: &str, rows: usize) -> String {
    let longest = (rows * COLUMNS).saturating_sub(INDENT);
    match line.chars().count() <= longest {
        true => line.to_owned(),
        false => line
            .chars()
            .take(longest.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// A head, and the lines below it.
type Block = (String, Vec<String>);

fn of_report(dump: &Dump) -> Block {
    let says = |line: &&String| LAST_WORDS.iter().any(|words| line.contains(words));
    let mut said: Vec<String> = dump.lines.iter().filter(says).cloned().collect();
    said.truncate(OF_KERNEL);
    if said.is_empty() {
        let last = dump.lines.len().saturating_sub(OF_KERNEL);
        said = dump.lines.iter().skip(last).cloned().collect();
    }
    (format!("its kernel left a report, {}:", dump.name), said)
}

fn of_unit(unit: &Unit) -> Block {
    let own = said_itself(unit);
    let said = match own.is_empty() {
        true => unit.lines.iter().map(|line| line.text.clone()).collect(),
        false => own,
    };
    (format!("{}, {}:", unit.name, unit.state), said)
}

/// What a unit's own programs said, and not systemd of them.
fn said_itself(unit: &Unit) -> Vec<String> {
    let own = unit
        .lines
        .iter()
        .filter(|line| !line.by.starts_with("systemd["));
    own.map(|line| line.text.clone()).collect()
}

fn is_named(unit: &Unit, checks: &[Check]) -> bool {
    let names = |check: &Check| check.said.iter().any(|said| said.contains(&unit.name));
    checks.iter().any(names)
}

/// The note of the boot record beside what is kept of the same failure: that a system
/// never said why stands only where nothing was found.
#[must_use]
pub fn note<'a>(note: &'a str, failure: Option<&Failure>) -> &'a str {
    let found = failure.is_some_and(Failure::tells);
    note.strip_suffix(NEVER_SAID)
        .filter(|_| found)
        .unwrap_or(note)
}

/// What would have helped, where a note says that nothing was found: `no_place` where there
/// is no data partition, `no_pstore` why a kernel leaves nothing here.
#[must_use]
pub fn would_have_helped(
    note: &str,
    failure: Option<&Failure>,
    no_place: bool,
    no_pstore: Option<&str>,
) -> Option<String> {
    if !note.ends_with(NEVER_SAID) || failure.is_some_and(Failure::tells) {
        return None;
    }
    let text = match (no_place, no_pstore, failure) {
        (true, _, _) => "a data partition would have helped: what a failed start leaves is kept there".to_owned(),
        (_, Some(why), _) => {
            format!("a pstore would have helped, where a kernel leaves its last words: {why}")
        }
        (_, None, Some(_)) => "its kernel left nothing in pstore: it hung or lost its power, before `slotctl watch` began or gave it up".to_owned(),
        (_, None, None) => "`slotctl watch` has not yet looked for what it left, or does not run".to_owned(),
    };
    Some(text)
}

/// All that is known.
#[must_use]
pub fn whole(number: usize, failure: &Failure) -> String {
    let mut text = format!("failure {number}: slot {}", failure.slot);
    let mut add = |words: String| text.push_str(&words);
    if let Some(version) = &failure.version {
        add(format!(", version {version}"));
    }
    if let Some(attempt) = failure.attempt {
        add(format!(", start {attempt} of its trial"));
    }
    if let Some(boot) = failure.boot {
        add(format!(", boot {boot}"));
    }
    let written = match (failure.given_up, failure.uptime) {
        (true, Some(uptime)) => format!("given up by slotctl watch {uptime:.0} s after its start"),
        (true, None) => "given up by slotctl watch".to_owned(),
        (false, _) => "found by a later start".to_owned(),
    };
    add(format!(
        "\n{}, {written}\n{}\n",
        failure.time, failure.reason
    ));
    if let Some(watchdog) = &failure.watchdog {
        add(format!("watchdog: {}\n", of_watchdog(watchdog)));
    }
    section(&mut text, "checks", failure.checks.iter().map(of_check));
    for unit in &failure.units {
        let head = format!("{}, {}", unit.name, unit.state);
        section(&mut text, &head, unit.lines.iter().map(of_line));
    }
    for dump in &failure.pstore {
        let head = format!("left by its kernel, {}, {}", dump.name, dump.time);
        section(&mut text, &head, dump.lines.iter().cloned());
    }
    section(
        &mut text,
        "kernel and console",
        failure.kernel.iter().cloned(),
    );
    let missing = failure.missing.iter();
    let missing = missing.map(|missing| format!("{}: {}", missing.what, missing.why));
    section(&mut text, "not collected", missing);
    text
}

fn section(text: &mut String, head: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        // Writing into a string does not fail.
        let _ = writeln!(text, "\n{head}:");
        lines.for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
}

fn of_check(check: &Check) -> String {
    let Check { name, since, .. } = check;
    match (check.passes, &check.said) {
        (None, None) => format!("{name}: no answer yet"),
        (None, Some(said)) => format!("{name}: could not be asked: {said}, since {since}"),
        (Some(true), _) => format!("{name}: passes since {since}"),
        (Some(false), said) => {
            let said = said.as_deref().unwrap_or("fails");
            format!("{name}: {said}, failing since {since}")
        }
    }
}

fn of_line(line: &Line) -> String {
    match line.uptime {
        Some(uptime) => format!("[{uptime:9.3}] {}: {}", line.by, line.text),
        None => format!("{}: {}", line.by, line.text),
    }
}

fn of_watchdog(watchdog: &Watchdog) -> String {
    let mut words = Vec::new();
    if let Some(device) = &watchdog.device {
        let timeout = watchdog.timeout.unwrap_or(0);
        let open = match watchdog.open {
            Some(true) => "petted",
            _ => "not open",
        };
        words.push(format!("{device}, {timeout} s, {open}"));
    }
    if let Some(armed) = &watchdog.armed {
        words.push(format!("armed before the kernel: {armed}"));
    }
    words.push(match watchdog.last_reset.as_deref() {
        Some("watchdog") => "it led to the start that wrote this".to_owned(),
        Some("other") => "it did not lead to the start that wrote this".to_owned(),
        _ => "what led to the start that wrote this is not known".to_owned(),
    });
    words.join("; ")
}
