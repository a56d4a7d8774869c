//! The order of versions, held against `dpkg` itself where there is one.

use std::process::Command;

use proptest::prelude::*;

use super::*;

/// Ascending.
const ORDER: [&str; 26] = [
    "~~",
    "~~a",
    "~",
    "0",
    "0.0a",
    "0.1~~",
    "0.1~rc1",
    "0.1",
    "0.1-0.1",
    "0.1-1~bpo",
    "0.1-1",
    "0.1-1+b1",
    "0.1a",
    "0.1+b",
    "0.9",
    "0.10",
    "1.0~alpha",
    "1.0",
    "1.0a",
    "1.0+a",
    "1.0.1",
    "1.9",
    "1.10",
    "99999999999999999999999999.0",
    "1:0.1",
    "2:0",
];

const EQUAL: [(&str, &str); 5] = [
    ("1.0", "0:1.0"),
    ("1.0", "1.0-0"),
    ("1.0", "1.00"),
    ("1.01", "1.1"),
    ("000:1", "1"),
];

#[test]
fn versions_are_in_the_order_of_the_table() {
    for (place, a) in ORDER.iter().enumerate() {
        for (other, b) in ORDER.iter().enumerate() {
            assert_eq!(compare(a, b), place.cmp(&other), "{a} and {b}");
        }
    }
}

#[test]
fn versions_that_dpkg_takes_for_equal_are_equal() {
    for (a, b) in EQUAL {
        assert_eq!(compare(a, b), Ordering::Equal, "{a} and {b}");
    }
}

#[test]
fn only_versions_that_dpkg_takes_are_valid() {
    for version in ["1", "1.2-3", "1:2~a+b-c", "v1", "1-2-3", "1:2:3", "1:2:3-4"] {
        assert!(is_valid(version), "{version}");
    }
    let invalid = [
        "",
        ":",
        "1:",
        ":1",
        "a:1",
        "-1",
        "1-",
        "1 ",
        "1_2",
        "1/2",
        "ä",
        "1\0",
        "2147483648:1",
        "-1:1",
        "+1:1",
    ];
    for version in invalid {
        assert!(!is_valid(version), "{version}");
    }
}

/// What `dpkg` says, unless it is not there.
fn dpkg(a: &str, b: &str) -> Option<Ordering> {
    let holds = |relation| {
        let mut dpkg = Command::new("dpkg");
        dpkg.args(["--compare-versions", a, relation, b]);
        Some(dpkg.output().ok()?.status.success())
    };
    let orders = [
        ("lt", Ordering::Less),
        ("eq", Ordering::Equal),
        ("gt", Ordering::Greater),
    ];
    let found = orders
        .into_iter()
        .find(|(name, _)| holds(name) == Some(true));
    found.map(|(_, order)| order)
}

#[test]
fn the_table_is_the_order_of_dpkg() {
    for pair in ORDER.windows(2) {
        let said = dpkg(pair[0], pair[1]);
        assert!(said.is_none_or(Ordering::is_lt), "{pair:?}: {said:?}");
    }
    for (a, b) in EQUAL {
        assert!(dpkg(a, b).is_none_or(Ordering::is_eq), "{a} and {b}");
    }
}

proptest! {
    // Each case starts processes.
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_two_versions_are_ordered_as_dpkg_orders_them(
        a in "([0-2]:)?[0-2][0-2a.+~]{0,4}(-[0-1a~]{1,3})?",
        b in "([0-2]:)?[0-2][0-2a.+~]{0,4}(-[0-1a~]{1,3})?",
    ) {
        prop_assert!(is_valid(&a) && is_valid(&b));
        let said = dpkg(&a, &b);
        prop_assert!(said.is_none_or(|said| said == compare(&a, &b)), "{:?}", said);
    }
}

proptest! {
    #[test]
    fn the_order_is_total_for_any_text(a: String, b: String, c: String) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
            prop_assert!(compare(&a, &c).is_le());
        }
    }
}

#[test]
fn a_byte_that_no_version_has_sorts_behind_letters_and_the_end_like_any_other() {
    for pair in ["1", "1z", "1\0", "1 ", "1+"].windows(2) {
        assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
    }
}
