//! What a code means, on the screen and in the reference.

use crate::bench::Bench;
use controller::code::Code;
use std::path::Path;

#[test]
fn a_code_is_explained_in_the_words_of_the_reference() {
    let bench = Bench::new();
    for code in Code::ALL {
        let said = bench.does(&format!("explain {code}")).stdout;
        for words in [code.word(), code.meaning(), code.advice()] {
            assert!(said.contains(words), "{said}");
        }
    }
    let said = bench.run("explain no-such-code").with_status(2);
    assert!(said.stderr.contains("`slotctl explain` lists them"));
}

#[test]
fn the_reference_has_every_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let row = |code: &Code| {
        let (exit, meaning, advice) = (code.exit().status(), code.meaning(), code.advice());
        format!("| `{code}` | {exit} | {meaning} | {advice} |\n")
    };
    let rows: String = Code::ALL.iter().map(row).collect();
    assert!(
        reference.contains(&rows),
        "its table of codes has to be:\n{rows}"
    );
}
