//! What boots next, for many boot records: what `next-boot` says against what
//! the design says, computed by an oracle that shares no line with it.

mod disk;
mod oracle;
mod row;

use crate::bench::Bench;
use bootshim::choice::StartKind;
use disk::TableDisk;
use oracle::Expected;
use row::Row;

/// One line each: the states of slots a, b and c, and what else the record
/// says, against the slot that starts and as what. [`row::Row`] has the words.
#[rustfmt::skip]
const TABLE: &[(&str, &str)] = &[
    // A good slot, and nothing else.
    ("good1  empty  empty",               "a good"),
    ("good1  ready  bad",                 "a good"),
    ("good1  writing empty",              "a good"),
    // Good slots by priority; one that is known to fail comes last.
    ("good1  good2  empty",               "b good"),
    ("good1  good2  good3",               "c good"),
    ("good1  good2  good3!",              "b good"),
    ("good1  good2! good3!",              "a good"),
    ("good1  good2~ empty",               "a good"),
    ("good1! good2~ empty",               "b good"),
    // The trial, while it has tries and starts.
    ("good1  try3   empty",               "b trial"),
    ("good1  try1   good2",               "b trial"),
    ("good1  try0   empty",               "a good"),
    ("good1  try0   good2",               "c good"),
    ("good1  try3!  empty",               "a good"),
    ("good1  try3*8 empty",               "b trial"),
    ("good1  try3*9 empty",               "a good"),
    ("try3   empty  empty",               "a trial"),
    // Once, whatever else there is.
    ("good1  ready  empty  once=b",       "b once"),
    ("good1  try3   empty  once=a",       "a once"),
    ("good1  try3   ready  once=c",       "c once"),
    ("good1  try3   ready! once=c",       "b trial"),
    ("good1  empty  empty  once=b",       "a good"),
    ("good1  try3   empty  once=b",       "b once"),
    ("empty  try3   empty  once=a",       "b trial"),
    // The last resort: ready slots, then bad ones, each after the last booted.
    ("ready  empty  empty",               "a last resort"),
    ("bad    ready  empty",               "b last resort"),
    ("bad    bad    empty",               "a last resort"),
    ("bad    bad    bad    last=a",       "b last resort"),
    ("bad    bad    bad    last=c",       "a last resort"),
    ("ready  ready  bad    last=a",       "b last resort"),
    ("bad    bad!   bad    last=a",       "c last resort"),
    ("try0   empty  empty",               "a last resort"),
    ("good1! ready  empty",               "b last resort"),
    ("good1! try3!  bad!",                "nothing"),
    ("empty  writing empty",              "nothing"),
    // Copies of the record: any one is enough.
    ("good1  try3   empty  left=0",       "b trial"),
    ("good1  try3   empty  left=3",       "b trial"),
    // The newest pair is damaged, or says two things: the one before counts,
    // in which a is good and nothing else is.
    ("empty  try3   good2  torn",         "a good"),
    ("empty  try3   good2  equal",        "a good"),
    // A later format: no commit, so no trial and no one-shot.
    ("good1  try3   empty  later",        "a good"),
    ("good1  ready  empty  once=b later", "a good"),
    ("good1! ready  empty  later",        "b last resort"),
    ("empty  try3   empty  later",        "b last resort"),
    // No copy: success is not invented. The newest version is tried.
    ("good1  good2  good3  lost",         "c trial"),
    ("good1  good2  empty  foreign",      "c trial"),
];

fn in_words(choice: Option<(bootshim::record::SlotId, StartKind)>) -> String {
    choice.map_or("nothing".into(), |(slot, kind)| format!("{slot} {kind}"))
}

#[test]
fn every_row_of_the_table_starts_as_it_says() {
    let disk = TableDisk::new();
    for (words, expected) in TABLE {
        let row = Row::parse(words);
        disk.put(&row);
        assert_eq!(in_words(disk.ask().choice), *expected, "{words}");
        assert!(
            oracle::expected(&row).allows(disk.ask().choice),
            "the oracle on {words}"
        );
    }
}

#[test]
fn what_arm_commits_is_what_was_said_and_costs_what_it_must() {
    let disk = TableDisk::new();
    for (words, expected) in TABLE {
        let row = Row::parse(words);
        disk.put(&row);
        assert_eq!(in_words(disk.arm().choice), *expected, "{words}");
        let Some(after) = disk.record().filter(|_| !words.contains("later")) else {
            continue;
        };
        match disk.choice_of(expected) {
            Some((slot, StartKind::Trial)) => {
                let armed = after.slot(slot);
                assert!(
                    armed.tries_left < armed.tries && armed.attempts > 0,
                    "{words}"
                );
            }
            Some((_, StartKind::Once)) => assert_eq!(after.once, None, "{words}"),
            Some((slot, StartKind::LastResort)) => {
                assert_eq!(after.last_booted, Some(slot), "{words}")
            }
            Some((_, StartKind::Good)) | None => {}
        }
    }
}

#[test]
fn the_command_says_the_same_as_the_library() {
    let disk = TableDisk::new();
    for (words, expected) in TABLE.iter().step_by(6) {
        disk.put(&Row::parse(words));
        let answer = disk.bench().ask("next-boot");
        let kind = answer["kind"].as_str().unwrap().replace('_', " ");
        let said = match answer["slot"].as_str() {
            Some(slot) => format!("{slot} {kind}"),
            None => "nothing".into(),
        };
        assert_eq!(said, *expected, "{words}");
        let others = answer["passed_over"].as_array().unwrap();
        assert_eq!(
            others.len(),
            if answer["slot"].is_null() { 3 } else { 2 },
            "{words}"
        );
        assert!(others.iter().all(|other| other["reason"] != ""), "{words}");
    }
}

/// Every combination of states: with one, all or none of the slots damaged, with
/// every one-shot, and, where no slot is good, with every slot booted last.
fn all_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for states in all_states() {
        rows.extend([0, 1, 2, 4, 7].map(|damage| in_row(states, damage)));
        let whole = in_row(states, 0);
        for slot in ["a", "b", "c"] {
            rows.push(format!("{whole} once={slot}"));
            if !states.contains(&"good") {
                rows.push(format!("{whole} last={slot}"));
            }
        }
        rows.push(format!("{whole} once=b later"));
    }
    rows.iter().map(|words| Row::parse(words)).collect()
}

/// The states of three slots, at most one of them on trial.
fn all_states() -> impl Iterator<Item = [&'static str; 3]> {
    let states = ["empty", "writing", "ready", "try2", "try0", "good", "bad"];
    let all = (0..343).map(move |n| [n / 49, n / 7 % 7, n % 7].map(|state| states[state]));
    all.filter(|states| states.iter().filter(|s| s.starts_with("try")).count() < 2)
}

/// A row of these states; the priorities have another order than the slots.
fn in_row(states: [&str; 3], damage: usize) -> String {
    let slot = |place: usize| {
        let state = states[place].replace("good", ["good2", "good3", "good1"][place]);
        let damaged = if damage >> place & 1 == 1 { "!" } else { "" };
        format!("{state}{damaged}")
    };
    [0, 1, 2].map(slot).join(" ")
}

#[test]
fn next_boot_and_a_naive_reading_of_the_design_never_differ() {
    let rows = all_rows();
    assert!(rows.len() > 2500, "{} rows", rows.len());
    std::thread::scope(|scope| {
        for half in rows.chunks(rows.len().div_ceil(2)) {
            scope.spawn(|| never_differ(half));
        }
    });
}

fn never_differ(rows: &[Row]) {
    let disk = TableDisk::new();
    let mut kinds = [0; 5];
    for row in rows {
        disk.put(row);
        let (expected, found) = (oracle::expected(row), disk.ask());
        assert!(
            expected.allows(found.choice),
            "{row:?}: {found:?}, expected {expected:?}"
        );
        let chosen = usize::from(found.choice.is_some());
        assert_eq!(found.passed_over.len(), 3 - chosen, "{row:?}");
        kinds[match found.choice {
            None => 0,
            Some((_, StartKind::Good)) => 1,
            Some((_, StartKind::Trial)) => 2,
            Some((_, StartKind::Once)) => 3,
            Some((_, StartKind::LastResort)) => 4,
        }] += 1;
    }
    let rare = kinds.iter().any(|rows| *rows < 50);
    assert!(!rare, "hardly any row of a kind: {kinds:?}");
}

#[test]
fn when_the_record_is_lost_a_slot_that_does_not_verify_is_not_tried() {
    let disk = TableDisk::new();
    disk.put(&Row::parse("good1 good2 good3 lost"));
    let bench: &Bench = disk.bench();
    let c = bench.slot(2);
    bench.change("disk.img", |bytes| bytes[c.end - 65_000] ^= 1);
    bench.boots_next("next-boot --arm", "b", "trial");
    let states: Vec<_> = bench
        .record()
        .slots()
        .map(|(_, slot)| slot.state.word())
        .collect();
    assert_eq!(states, ["ready", "trying", "empty"]);
    assert_eq!(
        Expected::Nothing,
        oracle::expected(&Row::parse("empty empty empty"))
    );
}
