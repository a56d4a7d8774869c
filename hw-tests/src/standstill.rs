//! How long production stands still over a restart, and where that time goes: from its
//! last answer before to its first one after, as asked from outside.

use crate::machine::{Answers, Error, Machine, START};
use serde_json::{Value, json};
use std::time::Duration;

/// What the firmware says of the program that it hands over to.
const HANDS_OVER: &str = "BdsDxe: starting Boot";
/// The variables of the Boot Loader Interface.
const LOADER: &str = "/sys/firmware/efi/efivars/LoaderTime";
const LOADER_GUID: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Of the kernel's log: the initramfs begins, and systemd.
const INIT: &str = "Run /init as init process";
const SYSTEMD: &str = "systemd[1]: systemd 252";
const MARK: &str = "standstill: now";

/// The parts, one after the other.
pub const PARTS: [&str; 6] = [
    "shutdown",
    "firmware",
    "loader",
    "kernel",
    "initrd",
    "userspace",
];

/// One start after the other, or from switching the machine on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standstill {
    /// How long each of [`PARTS`] took.
    pub parts: [Duration; 6],
}

impl Standstill {
    /// Between two moments of these there is a part.
    fn between(moments: [Duration; 7]) -> Standstill {
        let mut parts = [Duration::ZERO; 6];
        let ends = moments.iter().skip(1);
        for (part, (begin, end)) in parts.iter_mut().zip(moments.iter().zip(ends)) {
            *part = end.saturating_sub(*begin);
        }
        Standstill { parts }
    }

    /// All parts but the firmware, which is the machine's own.
    #[must_use]
    pub fn without_firmware(&self) -> Duration {
        let [_, firmware, ..] = self.parts;
        self.whole().saturating_sub(firmware)
    }

    /// All parts.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.parts.iter().sum()
    }

    /// In milliseconds.
    #[must_use]
    pub fn fields(&self) -> Value {
        let parts = PARTS.iter().zip(self.parts);
        let mut fields: Value = parts
            .map(|(name, part)| (*name, json!(part.as_millis())))
            .collect();
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("whole".into(), json!(self.whole().as_millis()));
            fields.insert(
                "without_firmware".into(),
                json!(self.without_firmware().as_millis()),
            );
        }
        fields
    }
}

/// The median of each part, and of the whole.
#[must_use]
pub fn medians(seen: &[Standstill]) -> Value {
    let of = |value: &dyn Fn(&Standstill) -> Duration| {
        let mut all: Vec<Duration> = seen.iter().map(value).collect();
        all.sort_unstable();
        all.get(all.len() / 2).map(Duration::as_millis)
    };
    let mut medians = serde_json::Map::new();
    for (number, name) in PARTS.iter().enumerate() {
        let part = |s: &Standstill| s.parts.get(number).copied().unwrap_or_default();
        medians.insert((*name).into(), json!(of(&part)));
    }
    medians.insert("whole".into(), json!(of(&Standstill::whole)));
    medians.insert(
        "without_firmware".into(),
        json!(of(&Standstill::without_firmware)),
    );
    medians.into()
}

/// Restarts a machine that serves, and follows it until it serves again.
pub fn restart(machine: &mut Machine, answers: &Answers) -> Result<Standstill, Error> {
    // At rest: nothing of the start before goes on.
    machine.run_within("systemctl is-system-running --wait", START)?;
    machine.tell("systemctl reboot")?;
    let reset = machine.next_start(START)?.at;
    let last = answers.last_before(reset).unwrap_or(reset);
    follow(machine, answers, last, reset)
}

/// Follows a start from the reset, or from switching on, until production serves.
pub fn follow(
    machine: &mut Machine,
    answers: &Answers,
    last: Duration,
    reset: Duration,
) -> Result<Standstill, Error> {
    let program = machine.expect_drawn(HANDS_OVER, START)?.at;
    let first = answers.first_after(reset, machine.limit(START));
    let first = first.ok_or_else(|| machine.not_as_expected("production", "no answer"))?;
    let loader = program + loader_time(machine)?;
    // A line of the kernel's log, as the console shows it: its clock beside ours.
    machine.run(&format!(
        "dmesg -n 7; echo '<5>{MARK}' >/dev/kmsg; dmesg -n 4"
    ))?;
    let mark = machine.expect(MARK, START)?;
    let since = kernel_time(&mark.text, MARK);
    let since = since.ok_or_else(|| machine.not_as_expected("a time", &mark.text))?;
    let zero = mark.at.saturating_sub(since);
    let log = machine.run("dmesg")?.stdout;
    let at = |words: &str| {
        let found = log.lines().find_map(|line| kernel_time(line, words));
        found
            .map(|since| zero + since)
            .ok_or_else(|| machine.not_as_expected(words, &log))
    };
    let (init, systemd) = (at(INIT)?, at(SYSTEMD)?);
    Ok(Standstill::between([
        last, reset, program, loader, init, systemd, first,
    ]))
}

/// How long the program took that firmware handed over to, until it started the kernel.
fn loader_time(machine: &mut Machine) -> Result<Duration, Error> {
    let mut read = |name: &str| {
        let words = format!("tr -dc 0-9 <{LOADER}{name}USec-{LOADER_GUID}");
        let said = machine.run(&words)?.stdout;
        said.parse()
            .map(Duration::from_micros)
            .map_err(|_| machine.not_as_expected("a time", &said))
    };
    let (begun, ended) = (read("Init")?, read("Exec")?);
    Ok(ended.saturating_sub(begun))
}

/// The time of a line of the kernel's log, where it says that: `[    5.140900] words`. On a
/// console it may stand behind something else, such as a prompt.
fn kernel_time(line: &str, words: &str) -> Option<Duration> {
    let (before, _) = line.split_once(words)?;
    let (_, time) = before.rsplit_once('[')?;
    let (time, _) = time.split_once(']')?;
    let seconds: f64 = time.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn moments(seconds: [u64; 7]) -> Standstill {
        Standstill::between(seconds.map(Duration::from_secs))
    }

    #[test]
    fn the_parts_are_what_lies_between_and_the_firmware_can_be_left_out() {
        let seen = moments([10, 12, 20, 21, 23, 30, 50]);
        assert_eq!(seen.parts.map(|part| part.as_secs()), [2, 8, 1, 2, 7, 20]);
        assert_eq!(seen.whole(), Duration::from_secs(40));
        assert_eq!(seen.without_firmware(), Duration::from_secs(32));
    }

    #[test]
    fn a_median_is_of_each_part_by_itself() {
        let seen = [
            moments([0, 1, 2, 3, 4, 5, 6]),
            moments([0, 3, 4, 5, 6, 7, 8]),
            moments([0, 2, 9, 10, 11, 12, 13]),
        ];
        let medians = medians(&seen);
        assert_eq!(
            (&medians["shutdown"], &medians["firmware"]),
            (&2000.into(), &1000.into())
        );
        assert_eq!(medians["whole"], 8000);
        assert_eq!(medians["without_firmware"], 6000);
    }

    #[test]
    fn a_line_of_the_kernel_has_its_time_and_another_line_has_none() {
        let line = "[    5.140900] Run /init as init process";
        assert_eq!(
            kernel_time(line, INIT),
            Some(Duration::from_micros(5_140_900))
        );
        let behind_a_prompt = format!("plc login: {line}");
        assert_eq!(kernel_time(&behind_a_prompt, INIT), kernel_time(line, INIT));
        for (line, words) in [
            (line, SYSTEMD),
            ("", INIT),
            ("[x] Run /init as init process", INIT),
        ] {
            assert_eq!(kernel_time(line, words), None, "{line}");
        }
    }
}
