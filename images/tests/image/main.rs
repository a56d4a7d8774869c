//! What a signed image promises, tried on small ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in a test, each of them is a failure that is seen"
)]

mod building;
mod erofs;
mod golden;
mod head;
mod initrd;
mod openssl;
mod rootfs;
mod sample;
mod signing;
mod slot_area;
mod verifying;
mod verity;
