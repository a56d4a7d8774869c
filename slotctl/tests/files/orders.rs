//! Orders: made, read by a person, signed by keys that sign no image, and refused as soon
//! as a byte of them is another.

use crate::bench::Bench;
use serde_json::{Value, json};
use std::fs;

const CREATE: &str = "order create --release v2.slotimg --counter 7 --controllers press-7 press-8 \
                      --not-before 2026-12-01T03:00:00Z --window daily --window-length 3h \
                      --spread 1h --approval --after press-6 --out run.order";

fn with_keys() -> Bench {
    let bench = Bench::new();
    bench.does("key generate --out order");
    bench.does("key generate --out other");
    bench
}

fn json_of(bench: &Bench, words: &str) -> Value {
    let said = bench.does(&format!("--json {words}")).stdout;
    serde_json::from_str(&said).unwrap()
}

#[test]
fn an_order_is_text_that_says_what_was_asked_for() {
    let bench = with_keys();
    let made = json_of(&bench, CREATE);
    let image = json_of(&bench, "image show v2.slotimg");
    assert_eq!(made["release"], image["manifest"]);
    assert_eq!(made["controllers"], json!(["press-7", "press-8"]));
    assert_eq!(
        made["window"],
        json!({ "begin": "daily", "length_s": 10800 })
    );
    let text = String::from_utf8(bench.read("run.order")).unwrap();
    for line in [
        "counter = 7",
        "not_before = 2026-12-01T03:00:00Z",
        "window = \"daily\"",
        "spread = \"1h\"",
        "approval = true",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}: {text}");
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(blake3::hash(text.as_bytes()).to_hex().as_str(), id);
    bench.fails(CREATE, 3, "exists");
}

#[test]
fn it_counts_for_whom_it_is_signed_and_for_nobody_else() {
    let bench = with_keys();
    bench.does(CREATE);
    bench.fails(
        "order show run.order --trust order.pub",
        4,
        "order-not-trusted",
    );
    bench.does("order sign run.order --key order.key");
    let shown = json_of(&bench, "order show run.order --trust order.pub");
    assert_eq!(shown["verified"], true);
    bench.fails(
        "order show run.order --trust other.pub",
        4,
        "order-not-trusted",
    );
    // Another signature beside it changes neither what it says nor its name.
    bench.does("order sign run.order --key other.key");
    let again = json_of(&bench, "order sign run.order --key other.key");
    assert_eq!(again["changed"], false);
    let both = json_of(&bench, "order show run.order --trust other.pub");
    assert_eq!(both["id"], shown["id"]);
    assert_eq!(both["signatures"].as_array().unwrap().len(), 2);
}

#[test]
fn a_byte_that_is_another_is_noticed() {
    let bench = with_keys();
    bench.does(CREATE);
    bench.does("order sign run.order --key order.key");
    let text = String::from_utf8(bench.read("run.order")).unwrap();
    for (from, to) in [
        ("counter = 7", "counter = 9"),
        ("press-8", "press-9"),
        ("approval = true", "approval = false"),
        ("\n-----BEGIN", "\n\n-----BEGIN"),
    ] {
        assert!(text.contains(from));
        fs::write(bench.directory().join("bad.order"), text.replace(from, to)).unwrap();
        bench.fails(
            "order show bad.order --trust order.pub",
            4,
            "order-not-trusted",
        );
    }
    // Nor is it taken for signed already.
    let sign = "order sign bad.order --key order.key";
    bench.fails(sign, 4, "order-not-trusted");
    fs::write(bench.directory().join("cut.order"), &text[..text.len() - 9]).unwrap();
    bench.fails("order show cut.order", 4, "not-an-order");
    bench.fails("order sign cut.order --key order.key", 4, "not-an-order");
    bench.fails("order show v2.slotimg", 4, "not-an-order");
}

#[test]
fn an_order_can_be_taken_back_and_approved_by_its_file_or_its_id() {
    let bench = with_keys();
    let id = json_of(&bench, CREATE)["id"].clone();
    let id = id.as_str().unwrap();
    for (what, order) in [("revoke", "run.order"), ("approve", id)] {
        let words = format!(
            "order create --{what} {order} --counter 8 --controllers * --key order.key \
             --out {what}.order"
        );
        let made = json_of(&bench, &words);
        assert_eq!(
            (&made[what], &made["controllers"]),
            (&json!(id), &json!("*"))
        );
        bench.does(&format!("order show {what}.order --trust order.pub"));
    }
}

#[test]
fn what_makes_no_sense_is_not_made() {
    let bench = with_keys();
    let begin = "order create --release v2.slotimg --out x.order --controllers a --counter";
    for (words, code) in [
        ("0", "bad-order"),
        ("281474976710656", "bad-order"),
        ("1 --window daily", "usage"),
        ("1 --window 25:00 --window-length 1h", "usage"),
        (
            "1 --window daily --window-length 1h --spread 1h",
            "bad-order",
        ),
        ("1 --spread 1h", "bad-order"),
        ("1 --not-before 2026-12-01T03:00:00", "usage"),
        (
            "1 --not-before 2026-12-01T03:00:00Z --not-after 2026-11-01T03:00:00Z",
            "bad-order",
        ),
        ("1 --revoke v2.slotimg", "usage"),
        ("1 --after b b", "bad-order"),
    ] {
        bench.fails(&format!("{begin} {words}"), 2, code);
        assert!(!bench.file("x.order").exists(), "{words}");
    }
    let missing = begin.replace("v2.slotimg", "missing.slotimg");
    bench.fails(&format!("{missing} 1"), 2, "not-found");
}
