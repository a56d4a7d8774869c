use super::*;
use config::Target;
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

fn refused() -> Result<(), String> {
    Err("Connection refused".to_owned())
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
    assert_eq!(change.outcome, Err("no answer to it for 8s".to_owned()));
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
    verdict.answer(0, s(9), Err("status 503".to_owned()));
    let [change] = verdict.expire(s(10)).try_into().unwrap();
    assert_eq!(change.outcome, Err("status 503".to_owned()));
    verdict.answer(0, s(11), refused());
    assert_eq!(verdict.expire(s(12)), []);
}

#[test]
fn the_deadline_ends_the_start_with_what_each_check_said() {
    let mut verdict = verdict(&["web", "bus", "disk"], true);
    verdict.answer(0, s(2), refused());
    verdict.answer(0, s(90), Err("status 503".to_owned()));
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
