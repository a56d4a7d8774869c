//! The black box: what is known of a failed start, kept outside the slots.
//!
//! `slotctl watch` writes one before it gives a start up, and the next start, whichever
//! slot runs, adds what the kernel left in pstore, or makes one for a start that died
//! without a word. The last five are kept. Nothing is decided by them.
//!
//! | module | holds |
//! |---|---|
//! | `failure` | what is known of one failed start, and how much of it is kept |
//! | `ring` | the files, and what a person has acknowledged |
//! | `account` | which failure a start belongs to that has ended: pure |
//! | `kernel`, `systemd`, `pstore` | who is asked what happened |
//! | `words`, `motd` | what a person is told |

#![forbid(unsafe_code)]

pub mod account;
pub mod failure;
pub mod kernel;
pub mod motd;
pub mod pstore;
pub mod ring;
pub mod systemd;
pub mod words;
