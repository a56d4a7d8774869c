use super::*;
use crate::calendar::Calendar;
use crate::order::Window;
use proptest::prelude::*;

const HOUR: i64 = 3600;
/// A Friday, 00:00 UTC.
const BASE: i64 = 1_796_342_400;

fn at(hours: f64) -> Timestamp {
    Timestamp::from_second(BASE + (hours * 3600.0) as i64).unwrap()
}

fn clock(shows: Timestamp) -> Clock {
    Clock {
        shows,
        synchronised: Some(shows),
        seen: Some(shows),
        trust: Duration::from_secs(7 * 24 * 3600),
    }
}

fn ask(when: &When, now: Timestamp, name: &str) -> Due {
    let confirmed = BTreeSet::from(["press-1".to_owned()]);
    let known = Known {
        name,
        clock: clock(now),
        zone: &TimeZone::UTC,
        approved: false,
        confirmed: &confirmed,
    };
    due(&OrderId([7; 32]), when, &known)
}

fn window(begin: &str, hours: u64) -> Option<Window> {
    Some(Window {
        begin: Calendar::parse(begin).unwrap(),
        length: Duration::from_secs(hours * 3600),
    })
}

/// Orders with times in the two weeks after [`BASE`].
fn whens() -> impl Strategy<Value = When> {
    let hour = || prop::option::of((0_u32..14 * 24).prop_map(|hour| at(f64::from(hour))));
    let windows = prop::option::of((
        prop::sample::select(vec![
            "Sun 02:00",
            "daily",
            "0/6:30",
            "Mon..Fri 22:15",
            "2026-12-09 3:00",
        ]),
        1_u64..30,
    ));
    let spread = prop_oneof![Just(0), 0_u64..30 * 3600];
    (hour(), hour(), windows, spread).prop_map(|(before, after, begins, spread)| {
        let window = begins.and_then(|(begin, hours)| window(begin, hours));
        let room = match (&window, before) {
            (Some(window), _) => window.length.as_secs(),
            (None, Some(_)) => u64::MAX,
            (None, None) => 1,
        };
        When {
            not_before: before,
            not_after: after.filter(|after| before.is_none_or(|before| before < *after)),
            window,
            spread: Duration::from_secs(spread % room),
            ..When::default()
        }
    })
}

/// Whether a window is open, by looking at each begin since long before.
fn is_open(window: &Window, now: Timestamp) -> bool {
    let mut begin = now
        .checked_sub(window.length + Duration::from_secs(24 * 3600))
        .unwrap();
    while let Some(next) = window
        .begin
        .next(begin, &TimeZone::UTC)
        .filter(|next| *next <= now)
    {
        if now.duration_since(next).unsigned_abs() < window.length {
            return true;
        }
        begin = next;
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Never outside its time; a wait tells its end; what is over stays over; and each
    /// moment between is asked, an hour at a time.
    #[test]
    fn an_order_is_due_in_its_time_alone(when in whens(), name in "press-[0-9]") {
        let mut waiting: Option<(Timestamp, Wait)> = None;
        let mut over = false;
        for hour in 0..16 * 24 {
            let now = Timestamp::from_second(BASE + i64::from(hour) * HOUR).unwrap();
            let answer = ask(&when, now, &name);
            prop_assert!(!over || matches!(answer, Due::Over(_)), "{now}: {answer:?}");
            match answer {
                Due::Now => {
                    prop_assert!(when.not_before.is_none_or(|first| now >= first));
                    prop_assert!(when.not_after.is_none_or(|last| now < last));
                    prop_assert!(when.window.as_ref().is_none_or(|window| is_open(window, now)));
                    let early = waiting.take().filter(|(until, _)| now < *until);
                    prop_assert!(early.is_none(), "{now}: {early:?}");
                }
                Due::NotYet(waits) => {
                    prop_assert_eq!(waits.len(), 1);
                    let until = waits[0].until().unwrap();
                    prop_assert!(until > now, "{}: {:?}", now, waits);
                    let then = ask(&when, until, &name);
                    let goes_on = match waits[0] {
                        Wait::Turn(_) => then == Due::Now,
                        _ => matches!(then, Due::Now | Due::NotYet(_)),
                    };
                    prop_assert!(goes_on, "{}: {:?}, and then {:?}", now, waits, then);
                    waiting = Some((until, waits[0].clone()));
                }
                Due::Over(_) => over = true,
            }
        }
        let ends = when.not_after.is_some();
        prop_assert!(!ends || over);
    }
}

#[test]
fn without_a_condition_it_is_now_whatever_the_clock_shows() {
    let mut known_clock = clock(at(0.0));
    known_clock.synchronised = None;
    let known = Known {
        name: "press-7",
        clock: known_clock,
        zone: &TimeZone::UTC,
        approved: false,
        confirmed: &BTreeSet::new(),
    };
    let id = OrderId([7; 32]);
    assert_eq!(due(&id, &When::default(), &known), Due::Now);
    let timed = When {
        not_after: Some(at(-9.0)),
        ..When::default()
    };
    // Not over either: it would be, if the clock were right.
    let waits = vec![Wait::Clock(Doubt::NeverSynchronised)];
    assert_eq!(due(&id, &timed, &known), Due::NotYet(waits));
}

#[test]
fn all_that_it_waits_for_is_said() {
    let when = When {
        not_before: Some(at(5.0)),
        approval: true,
        after: vec!["press-1".into(), "press-2".into()],
        ..When::default()
    };
    let Due::NotYet(waits) = ask(&when, at(1.0), "press-7") else {
        panic!("it waits")
    };
    let said: Vec<_> = waits.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "not before 2026-12-04T05:00:00Z",
            "nobody has approved it",
            "press-2 must confirm the release first",
        ]
    );
}

#[test]
fn a_moment_that_was_missed_is_caught_up_until_it_is_too_late_and_no_longer() {
    let when = When {
        not_before: Some(at(3.0)),
        not_after: Some(at(4.0)),
        ..When::default()
    };
    assert_eq!(ask(&when, at(3.9), "press-7"), Due::Now);
    assert_eq!(
        ask(&when, at(4.0), "press-7"),
        Due::Over(Over::NotAfter(at(4.0)))
    );
    let open_end = When {
        not_after: None,
        ..when
    };
    assert_eq!(ask(&open_end, at(4000.0), "press-7"), Due::Now);
}

#[test]
fn a_window_that_opens_too_late_is_none() {
    // The next Sunday is two days away.
    let when = When {
        not_after: Some(at(48.0)),
        window: window("Sun 02:00", 3),
        ..When::default()
    };
    assert_eq!(
        ask(&when, at(0.0), "press-7"),
        Due::Over(Over::NoTurn(at(48.0)))
    );
}

#[test]
fn controllers_are_spread_and_each_keeps_its_turn() {
    let when = When {
        window: window("Sat 02:00", 3),
        spread: Duration::from_secs(2 * 3600),
        ..When::default()
    };
    let turns: BTreeSet<_> = (0..100)
        .map(
            |number| match ask(&when, at(26.0), &format!("press-{number}")) {
                Due::NotYet(waits) => waits[0].until().unwrap(),
                other => panic!("press-{number}: {other:?}"),
            },
        )
        .collect();
    assert!(turns.len() > 90, "{}", turns.len());
    let (first, last) = (turns.first().unwrap(), turns.last().unwrap());
    assert!(
        *first < at(26.3) && *last > at(27.7) && *last < at(28.0),
        "{first} {last}"
    );
    for name in ["press-7", "press-8"] {
        let Due::NotYet(waits) = ask(&when, at(26.0), name) else {
            panic!("its turn is later")
        };
        let turn = waits[0].until().unwrap();
        assert_eq!(ask(&when, turn, name), Due::Now);
    }
}

#[test]
fn a_clock_is_right_when_it_was_set_lately_and_is_not_behind_what_was_seen() {
    let right = clock(at(100.0));
    assert_eq!(right.time(), Ok(at(100.0)));
    let never = Clock {
        synchronised: None,
        ..right
    };
    assert_eq!(never.time(), Err(Doubt::NeverSynchronised));
    let at_the_limit = Clock {
        shows: at(100.0 + 7.0 * 24.0),
        ..right
    };
    assert_eq!(at_the_limit.time(), Ok(at_the_limit.shows));
    let long_ago = Clock {
        shows: at(100.1 + 7.0 * 24.0),
        ..right
    };
    assert_eq!(long_ago.time(), Err(Doubt::Since(at(100.0), right.trust)));
    // An empty battery: the clock begins at its year zero.
    let behind = Clock {
        shows: at(-9e4),
        ..right
    };
    assert_eq!(behind.time(), Err(Doubt::Behind(at(-9e4), at(100.0))));
    let seen_later = Clock {
        seen: Some(at(101.0)),
        ..right
    };
    assert_eq!(seen_later.time(), Err(Doubt::Behind(at(100.0), at(101.0))));
}
