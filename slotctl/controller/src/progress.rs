//! How far a long command has come.

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what lies in the slot already.
    Comparing,
    /// Writing pieces into the slot.
    Writing,
    /// Reading them back.
    ReadingBack,
    /// Reading a slot or an image to check it.
    Verifying,
    /// Building an image.
    Building,
}

impl Phase {
    /// Its words.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Comparing => "comparing",
            Phase::Writing => "writing",
            Phase::ReadingBack => "reading back",
            Phase::Verifying => "verifying",
            Phase::Building => "building",
        }
    }
}

/// Told how far it is; called from several threads.
pub trait Progress: Sync {
    /// A phase begins that will come to `total` bytes.
    fn begin(&self, phase: Phase, total: u64);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
    /// The phase is over.
    fn end(&self);
    /// Something that a person should know: before a phase, or in the middle of one.
    fn say(&self, words: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: Phase, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn say(&self, _: &str) {}
}
