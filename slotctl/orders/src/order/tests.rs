use super::*;
use images::Unproven;
use images::key::SecretKey;
use images::sign::Signed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

const WRITTEN: &str = "\
format = 1
counter = 12
controllers = [\"press-7\", \"press-8\"]
release = \"0101010101010101010101010101010101010101010101010101010101010101\"
not_before = 2026-12-01T03:00:00Z
not_after = 2026-12-24T00:00:00+01:00
window = \"Sat,Sun 02:00\"
window_length = \"3h\"
spread = \"1h\"
approval = true
after = [\"press-6\"]
";

fn key(of: u8) -> SecretKey {
    SecretKey::from_seed(&[of; 32])
}

fn signed(text: &str, keys: &[u8]) -> Vec<u8> {
    let mut order = SignedOrder::open_untrusted(text.as_bytes()).unwrap();
    for of in keys {
        order.sign(&key(*of)).unwrap();
    }
    order.encode().into_bytes()
}

fn orders() -> impl Strategy<Value = Order> {
    let digest = any::<Digest>();
    let names = subsequence(vec!["press-1", "Presse 2", "ü", "c.example"], 0..4);
    let names = names.prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let controllers = names.clone().prop_map(|names| match names.is_empty() {
        true => Controllers::All,
        false => Controllers::Named(names),
    });
    let second = || (0_i64..4_102_444_800).prop_map(|at| Timestamp::from_second(at).unwrap());
    let window = prop::option::of((
        prop::sample::select(vec!["Sun 02:00", "daily", "*-*~1 3:00 Europe/Berlin"]),
        2_u64..=7 * 24 * 3600,
    ));
    let when = (
        prop::option::of(second()),
        prop::option::of(second()),
        window,
        0_u64..100_000,
        any::<bool>(),
        names,
    );
    let when = when.prop_map(|(before, after, window, spread, approval, others)| {
        let window = window.map(|(begin, length)| Window {
            begin: Calendar::parse(begin).unwrap(),
            length: Duration::from_secs(length),
        });
        let room = match (&window, before) {
            (Some(window), _) => window.length.as_secs(),
            (None, Some(_)) => LENGTH_MAX.as_secs(),
            (None, None) => 1,
        };
        let after = after.filter(|after| before.is_none_or(|before| before < *after));
        let room = match (&window, before, after) {
            (None, Some(before), Some(after)) => room.min((after - before).get_seconds() as u64),
            _ => room,
        };
        When {
            not_before: before,
            not_after: after,
            window,
            spread: Duration::from_secs(spread % room),
            approval,
            after: others,
        }
    });
    let run =
        (digest, prop::option::of(digest), when).prop_map(|(release, configuration, when)| {
            What::Run(Box::new(Run {
                release,
                configuration,
                when,
            }))
        });
    let what = prop_oneof![
        6 => run,
        1 => digest.prop_map(|of| What::Revoke(OrderId(of))),
        1 => digest.prop_map(|of| What::Approve(OrderId(of))),
    ];
    (1..COUNTER_LIMIT, controllers, what).prop_map(|(counter, controllers, what)| Order {
        counter,
        controllers,
        what,
    })
}

proptest! {
    #[test]
    fn an_order_that_is_written_is_read_as_it_was(order in orders(), keys in subsequence(vec![1, 2, 3], 0..3)) {
        let mut signed = SignedOrder::new(order.clone()).unwrap();
        prop_assert_eq!(Order::parse(signed.text()).unwrap(), order);
        for of in keys {
            signed.sign(&key(of)).unwrap();
        }
        prop_assert_eq!(SignedOrder::open_untrusted(signed.encode().as_bytes()), Ok(signed));
    }

    #[test]
    fn no_change_of_a_byte_of_a_signed_order_is_taken(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let good = signed(WRITTEN, &[1, 2]);
        let trusted = [key(1).public(), key(2).public()];
        let opened = SignedOrder::open(&good, &trusted).unwrap();
        let mut bad = good.clone();
        bad[at.index(good.len())] = to;
        if bad != good {
            // Where another key is named, the signature of the other one still counts.
            let taken = SignedOrder::open(&bad, &trusted);
            prop_assert!(taken.is_err() || taken.is_ok_and(|taken| taken.text() == opened.text()));
        }
    }

    #[test]
    fn whatever_it_is_given_it_answers(bytes in vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let _ = SignedOrder::open_untrusted(&bytes);
        let good = signed(WRITTEN, &[1]);
        prop_assert!(SignedOrder::open(&good[..cut.index(good.len())], &[key(1).public()]).is_err());
    }
}

#[test]
fn an_order_as_a_person_writes_it() {
    let order = Order::parse(WRITTEN).unwrap();
    assert_eq!(order.counter, 12);
    assert!(order.controllers.include("press-8") && !order.controllers.include("press-9"));
    let What::Run(run) = order.what else {
        panic!("{:?}", order.what)
    };
    assert_eq!(run.release, [1; 32]);
    assert_eq!(
        run.when.not_after,
        Some("2026-12-23T23:00:00Z".parse().unwrap())
    );
    assert_eq!(run.when.spread, Duration::from_secs(3600));
}

#[test]
fn only_who_may_give_orders_is_obeyed() {
    let bytes = signed(WRITTEN, &[1]);
    assert!(SignedOrder::open(&bytes, &[key(1).public(), key(2).public()]).is_ok());
    let others = SignedOrder::open(&bytes, &[key(2).public()]);
    assert!(matches!(
        others,
        Err(NotAnOrder::Unproven(Unproven::NotTrusted { .. }))
    ));
    let unsigned = SignedOrder::open(WRITTEN.as_bytes(), &[key(1).public()]);
    assert_eq!(unsigned, Err(NotAnOrder::Unproven(Unproven::Unsigned)));
    // What an image or a key set is signed by counts for neither.
    let mut order = SignedOrder::open_untrusted(WRITTEN.as_bytes()).unwrap();
    let foreign = images::key_set::tbs(&order.id.0);
    let signature = images::signature::Signature {
        key: key(1).public().id(),
        bytes: key(1).sign(&foreign),
    };
    order.signatures.insert(signature).unwrap();
    let opened = SignedOrder::open(order.encode().as_bytes(), &[key(1).public()]);
    assert!(matches!(
        opened,
        Err(NotAnOrder::Unproven(Unproven::Wrong { .. }))
    ));
}

#[test]
fn what_nobody_signed_is_not_even_read() {
    let bytes = b"format = 999\n";
    let opened = SignedOrder::open(bytes, &[key(1).public()]);
    assert_eq!(opened, Err(NotAnOrder::Unproven(Unproven::Unsigned)));
}

#[test]
fn a_key_signs_once_and_what_only_claims_to_be_by_it_is_no_signature() {
    let mut order = SignedOrder::open_untrusted(WRITTEN.as_bytes()).unwrap();
    assert_eq!(order.sign(&key(1)), Ok(Signed::Added));
    assert_eq!(order.sign(&key(1)), Ok(Signed::Already));
    let other = WRITTEN.replace("counter = 12", "counter = 13");
    let moved = order.encode().replace(WRITTEN, &other);
    let mut moved = SignedOrder::open_untrusted(moved.as_bytes()).unwrap();
    let wrong = Unproven::Wrong {
        key: key(1).public().id(),
    };
    assert_eq!(moved.sign(&key(1)), Err(NotSigned::Wrong(wrong)));
}

#[test]
fn a_mistake_is_named() {
    let with = |from: &str, to: &str| {
        let text = WRITTEN.replace(from, to);
        assert_ne!(text, WRITTEN, "{from}");
        Order::parse(&text).unwrap_err().to_string()
    };
    for (from, to, said) in [
        (
            "counter = 12",
            "counter = 0",
            "counter 0 is not from 1 to 2^48 - 1",
        ),
        ("format = 1", "format = 2", "format 2, and known is 1"),
        (
            "[\"press-7\", \"press-8\"]",
            "[]",
            "no controllers: name them, or \"*\" for each",
        ),
        (
            "press-8",
            "*",
            "controllers: \"*\" beside or instead of names",
        ),
        (
            "press-8",
            "press-7",
            "controllers: \"press-7\" is there twice",
        ),
        (
            "press-8",
            " ",
            "controllers: \" \" is no name, 1 to 128 bytes",
        ),
        ("release", "reelase", "line 4: unknown field `reelase`"),
        (
            "\"0101",
            "\"01",
            "release \"01010101010101010101010101010101010101010101010101010101010101\" is not 64 \
             hexadecimal digits in lower case",
        ),
        (
            "03:00:00Z",
            "03:00:00",
            "not_before 2026-12-01T03:00:00 is no time such as \
             2026-12-24T03:00:00Z, with its offset and in whole seconds",
        ),
        (
            "2026-12-24",
            "2026-11-24",
            "not_before 2026-12-01T03:00:00Z is not before not_after \
             2026-11-23T23:00:00Z",
        ),
        (
            "Sat,Sun 02",
            "Sat,Sun 26",
            "window: \"26\" is no hour, 0 to 23",
        ),
        (
            "window_length = \"3h\"\n",
            "",
            "window and window_length are not both there",
        ),
        (
            "\"1h\"",
            "\"3h\"",
            "spread leaves the last no time: it is not below 3h",
        ),
        (
            "release =",
            "revoke =",
            "conditions on an order that does not name a release",
        ),
        (
            "approval = true",
            "approval = true\nrevoke = \"x\"",
            "not just one of release, revoke and approve",
        ),
    ] {
        assert!(with(from, to).starts_with(said), "{}", with(from, to));
    }
}
