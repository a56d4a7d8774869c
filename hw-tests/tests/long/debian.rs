//! The product's promise on a Debian, in one piece.

use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};

#[test]
fn a_debian_is_updated_and_comes_back_by_itself_from_two_bad_updates_with_its_data() {
    let pipeline = Pipeline::of_debian("debian-long", 1..=4).unwrap();
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line).unwrap();
    story.whole().unwrap();
    story.end().unwrap();
}
