//! What `slotctl` promises, tried through its front door on disk image files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a test, each of them is a failure that is seen"
)]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of one range is what is meant"
)]

mod bench;
mod black_box;
mod block_device;
mod booted;
mod command_line;
mod creating;
mod disks_refused;
mod ending;
mod environment;
mod explaining;
mod failing_device;
mod following;
mod full_log;
mod golden;
mod halfway;
mod images_refused;
mod initramfs;
mod installing;
mod interrupted;
mod key_sets;
mod killed;
mod last_resort;
mod next_boot_table;
mod older;
mod orders;
mod outside;
mod ran;
mod record_copies;
mod renewing;
mod restarting;
mod revoking;
mod roots;
mod samples;
mod sequences;
mod shim_first;
mod siblings;
mod signing;
mod small_updates;
mod system;
mod tables;
mod talking;
mod together;
mod walks;
mod web;
