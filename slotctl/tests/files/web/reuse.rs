//! A full image over a line: what another slot holds is copied from there.

use super::nginx::Nginx;
use crate::small_updates::{PIECE, TREE, bench};
use std::fs;

#[test]
fn pieces_that_another_slot_holds_are_not_fetched() {
    let (bench, nginx) = (bench(), Nginx::new(""));
    bench.ask("install old.slotimg --slot b --no-activate");
    fs::copy(bench.file("new.slotimg"), nginx.files().join("new.slotimg")).unwrap();
    let address = nginx.url("new.slotimg");
    let done = bench.ask(&format!("install {address} --slot c --no-activate"));
    let length = done["written"].as_u64().unwrap();
    assert!(done["reused"].as_u64().unwrap() + (2 * PIECE + TREE) as u64 >= length);
    let sent: u64 = nginx.log().iter().map(|one| one.sent).sum();
    assert_eq!(done["fetched"], sent, "what is said is what was sent");
    // Two pieces of noise, and what the first request asks for besides.
    assert!(sent < 5 * PIECE as u64 / 2, "{sent}");
    bench.ask("verify c");
}

#[test]
fn a_piece_that_is_damaged_in_the_other_slot_is_fetched_after_all() {
    let (bench, nginx) = (bench(), Nginx::new(""));
    bench.ask("install old.slotimg --slot b --no-activate");
    let at = bench.slot(1).start + PIECE + 7;
    bench.change("disk.img", |disk| disk[at] ^= 1);
    fs::copy(bench.file("new.slotimg"), nginx.files().join("new.slotimg")).unwrap();
    let address = nginx.url("new.slotimg");
    let done = bench.ask(&format!("install {address} --slot c --no-activate"));
    let sent: u64 = nginx.log().iter().map(|one| one.sent).sum();
    assert!(sent > 3 * PIECE as u64, "{sent}");
    let reused = done["reused"].as_u64().unwrap();
    assert!(reused > 0 && reused < 2 * PIECE as u64, "{done}");
    bench.ask("verify c");
}
