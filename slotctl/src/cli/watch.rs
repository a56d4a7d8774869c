//! `slotctl watch`.

use super::args::Args;
use super::output::{Answer, Voice};
use slotctl::error::{Error, Exit, Result};

pub fn run(_: &Args, _: Voice) -> Result<Answer> {
    Err(Error::new(Exit::Unexpected, "internal", "not wired"))
}
