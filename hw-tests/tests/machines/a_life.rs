//! The product's promise, in one piece.

use super::PIPELINE;
use hw_tests::story::{Seen, Story};

#[test]
fn a_controller_is_updated_and_comes_back_by_itself_from_two_bad_updates() {
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&PIPELINE, &mut line).unwrap();
    story.good_update().unwrap();
    story.production_does_not_start(2).unwrap();
    story.system_hangs().unwrap();
    story.end().unwrap();
}
