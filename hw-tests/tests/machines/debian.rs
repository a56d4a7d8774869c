//! A controller with Debian: systemd, and production of nginx and PostgreSQL.

use hw_tests::pipeline::Pipeline;
use hw_tests::story::{Seen, Story};

#[test]
fn a_debian_with_a_database_is_updated_and_keeps_its_rows() {
    let pipeline = Pipeline::of_debian("debian", 1..=2).unwrap();
    let mut line = |seen: &Seen| println!("{:7.1} s  {}", seen.at.as_secs_f64(), seen.what);
    let mut story = Story::begin(&pipeline, &mut line).unwrap();
    story.production_writes().unwrap();
    story.good_update().unwrap();
    story.rows_are_kept().unwrap();
    story.end().unwrap();
}
