//! A Debian with systemd, nginx and PostgreSQL, from our own packages.

use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};

#[test]
fn a_debian_is_updated_and_keeps_the_rows_of_its_database() {
    let pipeline = Pipeline::of_debian("debian", 1..=2).unwrap();
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line).unwrap();
    story.production_writes().unwrap();
    story.good_update().unwrap();
    story.rows_are_kept().unwrap();
    story.end().unwrap();
}
