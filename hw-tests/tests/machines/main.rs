//! Scenarios on machines in QEMU: real firmware, bootshim, kernel and
//! production. Each start costs seconds; those of one run are counted in
//! `target/machines/starts`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod alone;
mod arm64;
mod choice;
mod debian;
mod memory;
mod power_cut;
mod secure_boot;
mod story;
mod verity;

use hw_tests::pipeline::Pipeline;
use std::sync::LazyLock;

/// One key and four images for all scenarios of a run.
static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| Pipeline::new("machines").unwrap());
