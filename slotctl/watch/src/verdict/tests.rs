use super::*;
use crate::probe::Trouble;
use config::{Importance, Target};
use proptest::prelude::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn check(name: &str) -> Check {
    Check {
        name: name.to_owned(),
        target: Target::Tcp("127.0.0.1:1".to_owned()),
        interval: s(1),
        timeout: s(1),
        grace: s(0),
        successes: 1,
        failures: 1,
        importance: Importance::Required,
    }
}

fn rules() -> Watch {
    Watch {
        deadline: s(100),
        stable_for: s(10),
        ..Watch::default()
    }
}

fn verdict(checks: &[&str], on_trial: bool) -> Verdict {
    let checks: Vec<Check> = checks.iter().map(|name| check(name)).collect();
    Verdict::new(&rules(), &checks, on_trial)
}

fn fails(said: &str) -> Outcome {
    Err(Trouble::Fails(said.to_owned()))
}

fn unknown() -> Outcome {
    Err(Trouble::Unknown("no bus".to_owned()))
}

fn refused() -> Outcome {
    fails("Connection refused")
}

fn clock(at: Duration) -> String {
    format!("T+{}", at.as_secs())
}

#[test]
fn all_good_for_long_enough_is_a_confirm() {
    let mut verdict = verdict(&["web", "bus"], true);
    verdict.answer(0, s(3), Ok(()));
    verdict.answer(1, s(5), Ok(()));
    verdict.answer(0, s(15), Ok(()));
    assert_eq!(verdict.decide(s(15)), None);
    verdict.answer(1, s(15), Ok(()));
    assert_eq!(verdict.decide(s(15)), Some(Decision::Confirm));
}

#[test]
fn a_break_begins_the_time_anew() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(1), Ok(()));
    verdict.answer(0, s(9), refused());
    verdict.answer(0, s(10), Ok(()));
    verdict.answer(0, s(19), Ok(()));
    assert_eq!(verdict.decide(s(19)), None);
    verdict.answer(0, s(20), Ok(()));
    assert_eq!(verdict.decide(s(20)), Some(Decision::Confirm));
}

#[test]
fn time_alone_confirms_nothing() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(1), Ok(()));
    assert_eq!(verdict.decide(s(50)), None);
}

#[test]
fn a_silent_check_fails() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(1), Ok(()));
    assert_eq!(verdict.expire(s(9)), []);
    let [change] = verdict.expire(s(10)).try_into().unwrap();
    assert_eq!(change.outcome, fails("no answer to it for 8s"));
    assert_eq!(verdict.expire(s(11)), []);
    verdict.answer(0, s(12), Ok(()));
    assert_eq!(verdict.decide(s(12)), None);
}

#[test]
fn a_check_that_comes_up_with_production_is_not_said_to_fail() {
    let mut verdict = verdict(&["web"], false);
    assert_eq!(verdict.answer(0, s(0), refused()), None);
    assert_eq!(verdict.expire(s(9)), []);
    let change = verdict.answer(0, s(9), Ok(())).unwrap();
    assert_eq!(change.outcome, Ok(()));
    assert_eq!(verdict.expire(s(50)).len(), 1, "silence later on is told");
    // From then on a failure is told at once.
    verdict.answer(0, s(60), Ok(()));
    assert_eq!(
        verdict.answer(0, s(61), refused()).unwrap().outcome,
        refused()
    );
}

#[test]
fn a_check_that_does_not_come_up_is_said_once_with_its_last_words() {
    let mut verdict = verdict(&["web"], false);
    verdict.answer(0, s(0), refused());
    verdict.answer(0, s(9), fails("status 503"));
    let [change] = verdict.expire(s(10)).try_into().unwrap();
    assert_eq!(change.outcome, fails("status 503"));
    verdict.answer(0, s(11), refused());
    assert_eq!(verdict.expire(s(12)), []);
}

#[test]
fn the_deadline_ends_the_start_with_what_each_check_said() {
    let mut verdict = verdict(&["web", "bus", "disk"], true);
    verdict.answer(0, s(2), refused());
    verdict.answer(0, s(90), fails("status 503"));
    verdict.answer(1, s(90), Ok(()));
    assert_eq!(verdict.decide(s(99)), None);
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    assert_eq!(
        verdict.reason(clock),
        "check web: status 503, failing since T+2; check disk: no answer yet; deadline 1min 40s passed"
    );
}

#[test]
fn a_confirm_that_comes_with_the_deadline_wins() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(90), Ok(()));
    verdict.answer(0, s(100), Ok(()));
    assert_eq!(verdict.decide(s(100)), Some(Decision::Confirm));
}

#[test]
fn good_for_too_short_a_time_is_said_so() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(95), Ok(()));
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    let reason = verdict.reason(clock);
    assert_eq!(
        reason,
        "all checks pass since T+95, which is less than 10s; deadline 1min 40s passed"
    );
}

#[test]
fn without_a_check_nobody_vouches_for_production() {
    let verdict = verdict(&[], true);
    assert_eq!(verdict.decide(s(99)), None);
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    assert!(
        verdict
            .reason(clock)
            .contains("nobody called `slotctl confirm`")
    );
}

#[test]
fn a_confirm_that_cannot_be_written_is_tried_again_until_the_deadline() {
    let mut verdict = verdict(&["web"], true);
    verdict.answer(0, s(1), Ok(()));
    verdict.answer(0, s(11), Ok(()));
    verdict.confirm_failed(s(11), "disk gone".to_owned());
    assert_eq!(verdict.decide(s(12)), None);
    assert_eq!(verdict.decide(s(16)), Some(Decision::Confirm));
    verdict.confirm_failed(s(98), "disk gone".to_owned());
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    assert!(
        verdict
            .reason(clock)
            .contains("could not be written: disk gone")
    );
}

#[test]
fn only_changes_are_told() {
    let mut verdict = verdict(&["web"], true);
    let told: Vec<bool> = [Ok(()), Ok(()), refused(), refused(), Ok(())]
        .into_iter()
        .zip(1..)
        .map(|(outcome, at)| verdict.answer(0, s(at), outcome).is_some())
        .collect();
    assert_eq!(told, [true, false, true, false, true]);
}

#[test]
fn nothing_is_confirmed_before_every_grace_is_over() {
    let late = Check {
        grace: s(40),
        ..check("late")
    };
    let mut verdict = Verdict::new(&rules(), &[check("web"), late], true);
    for now in 0..40 {
        verdict.answer(0, s(now), Ok(()));
        verdict.answer(1, s(now), Ok(()));
        assert_eq!(verdict.decide(s(now)), None, "{now}");
    }
    assert_eq!(verdict.decide(s(40)), Some(Decision::Confirm));
}

#[test]
fn a_failure_within_the_grace_is_told_when_that_is_over_and_still_so() {
    let late = Check {
        grace: s(30),
        ..check("late")
    };
    let mut verdict = Verdict::new(&rules(), &[late], true);
    assert!(verdict.answer(0, s(1), Ok(())).is_some());
    assert_eq!(verdict.answer(0, s(2), refused()), None);
    assert_eq!(verdict.answer(0, s(3), Ok(())), None);
    assert_eq!(verdict.answer(0, s(22), refused()), None);
    assert_eq!(verdict.expire(s(29)), []);
    let [change] = verdict.expire(s(30)).try_into().unwrap();
    assert_eq!(change.outcome, refused());
    verdict.answer(0, s(100), refused());
    assert!(verdict.reason(clock).contains("failing since T+22"));
}

#[test]
fn what_could_not_be_asked_is_named_as_that_and_not_as_failing() {
    let mut verdict = verdict(&["web", "unit"], true);
    for now in 0..100 {
        verdict.answer(0, s(now), Ok(()));
        let told = verdict.answer(1, s(now), unknown());
        let told = told.into_iter().chain(verdict.expire(s(now)));
        let told: Vec<Outcome> = told.map(|change| change.outcome).collect();
        assert_eq!(told, if now == 10 { vec![unknown()] } else { vec![] });
        assert_eq!(verdict.decide(s(now)), None);
    }
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    assert_eq!(
        verdict.reason(clock),
        "check unit: could not be asked: no bus, since T+0; deadline 1min 40s passed"
    );
}

#[test]
fn what_failed_and_cannot_be_asked_any_more_is_still_known_to_fail() {
    let mut verdict = verdict(&["unit"], true);
    verdict.answer(0, s(1), Ok(()));
    verdict.answer(0, s(2), fails("failed (x.service)"));
    assert_eq!(verdict.answer(0, s(3), unknown()), None);
    verdict.answer(0, s(100), unknown());
    let reason = verdict.reason(clock);
    let known = "check unit: failed (x.service), failing since T+2; deadline";
    assert!(reason.starts_with(known), "{reason}");
}

#[test]
fn an_informative_check_is_told_and_not_in_the_reason() {
    let aside = Check {
        importance: Importance::Informative,
        ..check("aside")
    };
    let mut verdict = Verdict::new(&rules(), &[aside.clone(), check("web")], true);
    verdict.answer(0, s(1), Ok(()));
    let change = verdict.answer(0, s(2), refused()).unwrap();
    assert_eq!(change.importance, Importance::Informative);
    verdict.answer(1, s(99), refused());
    assert!(!verdict.reason(clock).contains("aside"));
    // Alone, it vouches for nothing.
    let mut verdict = Verdict::new(&rules(), &[aside], true);
    for now in 0..100 {
        verdict.answer(0, s(now), Ok(()));
        assert_eq!(verdict.decide(s(now)), None);
    }
    assert!(
        verdict
            .reason(clock)
            .contains("nobody called `slotctl confirm`")
    );
}

#[test]
fn all_that_fail_are_in_the_reason_with_the_same_room_each() {
    let names: Vec<String> = (0..20).map(|number| format!("check-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut verdict = verdict(&names, true);
    verdict.answer(0, s(1), fails("short words"));
    for check in 1..20 {
        verdict.answer(check, s(1), fails(&"ä".repeat(400)));
    }
    let reason = verdict.reason(clock);
    assert!(
        reason.len() <= REASON_MAX && reason.len() > REASON_MAX - 100,
        "{}",
        reason.len()
    );
    assert!(reason.contains("check check-0: short words, failing since T+1; "));
    let parts: Vec<usize> = reason
        .split("; ")
        .skip(1)
        .map(|part| part.matches('ä').count())
        .collect();
    assert_eq!(parts.len(), 20, "19, and the deadline");
    assert!(
        parts[..19]
            .iter()
            .all(|said| *said == parts[0] && *said > 30),
        "{parts:?}"
    );
    assert!(reason.ends_with("; deadline 1min 40s passed"));
}

#[test]
fn a_failure_that_is_borne_confirms_nothing_until_it_passes_again() {
    let patient = Check {
        failures: 3,
        ..check("web")
    };
    let mut verdict = Verdict::new(&rules(), &[patient], true);
    verdict.answer(0, s(1), Ok(()));
    for (at, answer) in [(9, refused()), (10, refused()), (11, Ok(()))] {
        assert_eq!(verdict.decide(s(at)), None);
        assert_eq!(verdict.answer(0, s(at), answer), None);
    }
    assert_eq!(verdict.decide(s(11)), Some(Decision::Confirm));
    verdict.answer(0, s(99), refused());
    assert_eq!(verdict.decide(s(100)), Some(Decision::GiveUp));
    let reason = verdict.reason(clock);
    assert!(
        reason.starts_with("check web: Connection refused, since T+99; "),
        "{reason}"
    );
}

/// Every answer that a check can give.
fn answer(of: u8) -> Outcome {
    match of {
        0 => Ok(()),
        1 => refused(),
        _ => unknown(),
    }
}

/// Every sequence of so many answers.
fn sequences(length: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..3u32.pow(length)).map(move |mut number| {
        let mut sequence = Vec::new();
        for _ in 0..length {
            sequence.push(u8::try_from(number % 3).unwrap());
            number /= 3;
        }
        sequence
    })
}

/// The longest row of `of` among the answers.
fn longest_row(answers: &[u8], of: u8) -> usize {
    let rows = answers.split(|answer| *answer != of);
    rows.map(<[u8]>::len).max().unwrap_or(0)
}

/// An answer a second, and a second is enough: what was told, and when it was
/// confirmed.
fn told(check: Check, answers: &[u8]) -> (Vec<(u64, Outcome)>, Option<u64>) {
    let rules = Watch {
        stable_for: s(1),
        ..rules()
    };
    let mut verdict = Verdict::new(&rules, &[check], true);
    let (mut told, mut confirmed) = (Vec::new(), None);
    for (now, of) in (0..).zip(answers) {
        let changes = verdict.answer(0, s(now), answer(*of)).into_iter();
        let changes: Vec<Change> = changes.chain(verdict.expire(s(now))).collect();
        told.extend(changes.into_iter().map(|change| (now, change.outcome)));
        if confirmed.is_none() && verdict.decide(s(now)) == Some(Decision::Confirm) {
            confirmed = Some(now);
        }
    }
    (told, confirmed)
}

/// All sequences of answers, with all small rows and graces.
#[test]
fn rows_and_grace_hold_whatever_is_answered() {
    for answers in sequences(7) {
        for (successes, failures, grace) in [
            (1, 1, 0),
            (2, 1, 0),
            (1, 2, 0),
            (3, 2, 0),
            (2, 3, 4),
            (1, 1, 3),
        ] {
            let check = Check {
                successes,
                failures,
                grace: s(grace),
                ..check("web")
            };
            let case = || format!("{answers:?} {successes} {failures} {grace}");
            let (told, confirmed) = told(check, &answers);
            for pair in told.windows(2) {
                assert_ne!(pair[0].1, pair[1].1, "only changes: {}", case());
            }
            let (successes, failures) = (successes as usize, failures as usize);
            for (at, outcome) in &told {
                let heard = &answers[..=usize::try_from(*at).unwrap()];
                let row = |of| {
                    heard
                        .iter()
                        .rev()
                        .take_while(|answer| **answer == of)
                        .count()
                };
                match outcome {
                    Ok(()) => assert!(row(0) >= successes, "{}", case()),
                    Err(trouble) => assert!(*at >= grace, "{trouble:?}: {}", case()),
                }
                if matches!(outcome, Err(Trouble::Fails(_))) {
                    assert!(heard.contains(&1), "{}", case());
                }
            }
            // One that passes has failures to spare, and nothing else.
            let passed = told.iter().position(|(_, outcome)| outcome.is_ok());
            if let Some(passed) = passed {
                let since = usize::try_from(told[passed].0).unwrap();
                let spared = longest_row(&answers[since..], 1) < failures;
                if spared && !answers[since..].contains(&2) {
                    assert_eq!(told.len(), passed + 1, "{}", case());
                }
            }
            let Some(confirmed) = confirmed else {
                continue;
            };
            assert!(confirmed >= grace, "{}", case());
            let heard = &answers[..=usize::try_from(confirmed).unwrap()];
            assert_eq!(heard.last(), Some(&0), "{}", case());
            let last = heard.iter().rposition(|answer| *answer == 2);
            let unbroken = &heard[last.map_or(0, |at| at + 1)..];
            assert!(unbroken.len() > successes, "a second longer: {}", case());
            assert!(longest_row(unbroken, 0) >= successes, "{}", case());
        }
    }
}

/// What is not there cannot matter.
#[test]
fn an_informative_check_changes_no_decision_whatever_it_answers() {
    let aside = Check {
        importance: Importance::Informative,
        grace: s(50),
        ..check("aside")
    };
    let rules = Watch {
        stable_for: s(1),
        deadline: s(3),
        ..rules()
    };
    for required in sequences(4) {
        for other in sequences(4) {
            let mut with = Verdict::new(&rules, &[check("web"), aside.clone()], true);
            let mut without = Verdict::new(&rules, &[check("web")], true);
            for (now, (of, other)) in (0..).zip(required.iter().zip(&other)) {
                with.answer(0, s(now), answer(*of));
                without.answer(0, s(now), answer(*of));
                with.answer(1, s(now), answer(*other));
                assert_eq!(with.decide(s(now)), without.decide(s(now)));
                assert_eq!(with.stable(s(now)), without.stable(s(now)));
            }
            assert_eq!(with.reason(clock), without.reason(clock));
        }
    }
}

/// Answers in the order of time: check, seconds since the one before, outcome.
fn answers() -> impl Strategy<Value = Vec<(usize, u64, bool)>> {
    prop::collection::vec((0usize..3, 0u64..4, prop::bool::weighted(0.85)), 0..120)
}

/// The same rule, said over the whole history instead of kept in a state.
fn stable(history: &[(usize, u64, bool)]) -> bool {
    let run = |check| {
        let of = history.iter().rev().filter(move |answer| answer.0 == check);
        let passing: Vec<u64> = of.take_while(|answer| answer.2).map(|a| a.1).collect();
        let fresh = |pair: &[u64]| pair[0] - pair[1] <= 8;
        let unbroken = passing.windows(2).take_while(|pair| fresh(pair)).count();
        passing.first().map(|last| (*last, passing[unbroken]))
    };
    let runs: Option<Vec<(u64, u64)>> = (0..3).map(run).collect();
    runs.is_some_and(|runs| {
        let since = runs.iter().map(|run| run.1).max().unwrap();
        runs.iter().all(|run| run.0 >= since + 10)
    })
}

proptest! {
    #[test]
    fn a_confirm_comes_exactly_when_the_history_says_so(answers in answers()) {
        let mut verdict = verdict(&["a", "b", "c"], true);
        let (mut now, mut history) = (1, Vec::new());
        for (check, later, passed) in answers {
            now += later;
            verdict.expire(s(now));
            verdict.answer(check, s(now), if passed { Ok(()) } else { refused() });
            history.push((check, now, passed));
            let silent = (0..3).any(|check| {
                let last = history.iter().rev().find(|answer| answer.0 == check);
                now - last.map_or(0, |answer| answer.1) > 8
            });
            let expected = if stable(&history) && !silent {
                Some(Decision::Confirm)
            } else if now >= 100 {
                Some(Decision::GiveUp)
            } else {
                None
            };
            prop_assert_eq!(verdict.decide(s(now)), expected);
        }
    }

    #[test]
    fn a_good_slot_is_never_given_up(answers in answers(), far in 0u64..1_000_000) {
        let mut verdict = verdict(&["a", "b", "c"], false);
        let mut now = 0;
        for (check, later, passed) in answers {
            now += later;
            verdict.answer(check, s(now), if passed { Ok(()) } else { refused() });
            prop_assert_eq!(verdict.decide(s(now)), None);
        }
        verdict.expire(s(now + far));
        prop_assert_eq!(verdict.decide(s(now + far)), None);
    }

    #[test]
    fn a_trial_is_decided_at_the_deadline_at_the_latest(answers in answers(), late in 100u64..1000) {
        let mut verdict = verdict(&["a", "b", "c"], true);
        let mut now = 0;
        for (check, later, passed) in answers {
            now += later;
            verdict.answer(check, s(now), if passed { Ok(()) } else { refused() });
        }
        prop_assert!(verdict.decide(s(now.max(late))).is_some());
    }

    #[test]
    fn nothing_is_decided_twice(answers in answers()) {
        let mut verdict = verdict(&["a", "b", "c"], true);
        let (mut now, mut decided) = (0, 0);
        for (check, later, passed) in answers {
            now += later;
            verdict.answer(check, s(now), if passed { Ok(()) } else { refused() });
            if verdict.decide(s(now)).is_some() {
                decided += 1;
                verdict.on_trial = false;
            }
        }
        prop_assert!(decided <= 1);
    }
}
