//! Scenarios on machines in QEMU: real firmware, bootshim, kernel and
//! production. Each start costs seconds; those of one run are counted in
//! `target/machines/starts`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

// Those that take longest have names that come first: they are begun first.
mod a_debian;
mod a_life;
mod alone;
mod arm64;
mod choice;
mod memory;
mod power_cut;
mod secure_boot;
mod verity;

use hw_tests::pipeline::Pipeline;
use std::sync::LazyLock;

/// One key and four images for all scenarios of a run.
static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| Pipeline::new("machines").unwrap());
