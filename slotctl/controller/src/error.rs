//! The one error of the tool: what was found, what was expected, what to do,
//! and what was changed; with the exit status that scripts rely on.

use bootshim::medium::{Access, Cause, Fault};
use images::new_file::NewFileError;
use nix::libc::EPERM;
use std::fmt;

/// Exit status of a command that failed, as documented in the manual; stable.
/// (One that a signal ended has 128 and the signal: that is the shell's doing.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something that should not happen.
    Unexpected = 1,
    /// Wrong use, an unknown slot or file.
    Usage = 2,
    /// Refused: unsafe, wrong machine.
    Refused = 3,
    /// Not authentic, not intact, not an image, unknown format.
    NotAuthentic = 4,
    /// Input or output failed, no permission, no space.
    Io = 5,
    /// The network failed.
    Network = 6,
    /// Somebody else is at it; try again.
    Busy = 7,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// A failure that a person or a script can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Exit status.
    pub exit: Exit,
    /// A stable word for scripts, such as `wrong-compatible`.
    pub code: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected instead; may be empty.
    pub expected: String,
    /// What to do; may be empty.
    pub advice: String,
    /// What was or was not changed; may be empty.
    pub changed: String,
}

/// What a function of this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with what was found; the rest is added by the methods below.
    #[must_use]
    pub fn new(exit: Exit, code: &'static str, found: impl Into<String>) -> Error {
        let none = String::new;
        let found = found.into();
        Error {
            exit,
            code,
            found,
            expected: none(),
            advice: none(),
            changed: none(),
        }
    }

    /// Says what was expected instead.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Error {
        self.expected = expected.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Error {
        self.advice = advice.into();
        self
    }

    /// Says what was or was not changed, unless something deeper down knew
    /// better.
    #[must_use]
    pub fn changed(mut self, changed: impl Into<String>) -> Error {
        if self.changed.is_empty() {
            self.changed = changed.into();
        }
        self
    }

    /// An error of the operating system while `doing` something.
    #[must_use]
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Error {
        use std::io::ErrorKind;
        let found = format!("{doing}: {error}");
        match error.kind() {
            ErrorKind::NotFound => Error::new(Exit::Usage, "not-found", found),
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
                Error::new(Exit::Usage, "not-a-file", found)
            }
            ErrorKind::PermissionDenied => Error::new(Exit::Io, "no-permission", found)
                .advice("run it as root, or with the rights to this file"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Error::new(Exit::Io, "no-space", found).advice("make room and try again")
            }
            ErrorKind::FileTooLarge => Error::new(Exit::Io, "file-too-large", found)
                .advice("raise the limit of the size of files (`ulimit -f`), or use a filesystem that takes such files"),
            ErrorKind::ReadOnlyFilesystem => Error::new(Exit::Io, "read-only", found),
            ErrorKind::ResourceBusy => Error::new(Exit::Refused, "in-use", found),
            _ => Error::new(Exit::Io, "io", found),
        }
    }

    /// A device that failed while `doing` something.
    #[must_use]
    pub fn fault(doing: impl fmt::Display, fault: Fault) -> Error {
        match fault.cause {
            // What could be opened for writing, and then must not be written.
            Cause::Device(errno) if errno == EPERM && fault.access == Access::Write => {
                Error::new(Exit::Io, "read-only", format!("{doing}: {fault}"))
                    .advice("the device is write-protected")
            }
            Cause::Device(errno) => {
                let system = std::io::Error::from_raw_os_error(errno);
                Error::io(format_args!("{doing}: {fault}"), &system)
            }
            Cause::Differs => {
                Error::new(Exit::Io, "read-back-differs", format!("{doing}: {fault}"))
                    .advice("the device does not keep what is written to it; replace it")
            }
            _ => Error::new(Exit::Io, "io", format!("{doing}: {fault}")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)?;
        if !self.expected.is_empty() {
            write!(f, ", {}", self.expected)?;
        }
        for part in [&self.advice, &self.changed] {
            if !part.is_empty() {
                write!(f, "; {part}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A refusal by the state machine of the record.
impl From<bootshim::state::Refusal> for Error {
    fn from(refusal: bootshim::state::Refusal) -> Error {
        use bootshim::state::Refusal;
        let found = refusal.to_string();
        match refusal {
            Refusal::NoSuchSlot(_) => Error::new(Exit::Usage, "unknown-slot", found)
                .advice("`slotctl status` lists the slots"),
            Refusal::WrongState(..) => Error::new(Exit::Refused, "wrong-state", found),
            Refusal::NoTarget(_) => Error::new(Exit::Refused, "no-free-slot", found)
                .advice("confirm or reject the trial first"),
            Refusal::Protected(..) => Error::new(Exit::Refused, "protected-slot", found),
            Refusal::NotArmed(_) => Error::new(Exit::Refused, "not-on-trial", found),
            Refusal::OtherImage(_) => Error::new(Exit::Refused, "other-image", found),
            Refusal::NoOtherGood => Error::new(Exit::Refused, "no-other-good", found),
            Refusal::Rejected(_) => Error::new(Exit::Refused, "rejected", found)
                .advice("`slotctl confirm` by a person takes that back"),
        }
    }
}

/// A commit of the record that failed.
impl From<bootshim::copies::CommitError> for Error {
    fn from(error: bootshim::copies::CommitError) -> Error {
        use bootshim::copies::CommitError;
        match error {
            CommitError::NotDurable([first, _]) => Error::fault("writing the boot record", first),
            CommitError::UnknownMajor(_) => {
                Error::new(Exit::NotAuthentic, "unknown-format", error.to_string())
                    .advice("use the slotctl that wrote it, or a newer one")
            }
            CommitError::NoRecord => Error::new(Exit::NotAuthentic, "record-lost", error.to_string())
                .advice("bootshim makes it anew at the next start; `slotctl next-boot --arm` does the same on an image"),
            CommitError::NoNumberLeft => Error::new(Exit::NotAuthentic, "record-worn-out", error.to_string())
                .advice("fill the partition bootrecord with zeros; bootshim makes the record anew at the next start"),
            CommitError::Invalid(_) => Error::new(Exit::Unexpected, "internal", error.to_string()),
        }
    }
}

/// A file that was not made.
impl From<NewFileError> for Error {
    fn from(error: NewFileError) -> Error {
        let found = error.to_string();
        let error = match error {
            NewFileError::Exists(_) => Error::new(Exit::Refused, "exists", found)
                .advice("remove it first, or choose another name"),
            NewFileError::NoFile(_) | NewFileError::LinkToNothing(_) => {
                Error::new(Exit::Usage, "not-a-file", found).advice("choose another name")
            }
            NewFileError::Write { source, .. } => Error {
                found,
                ..Error::io("", &source)
            },
        };
        error.changed("nothing was written")
    }
}

/// An image that is not what it should be.
impl From<images::Refused> for Error {
    fn from(refused: images::Refused) -> Error {
        let code = match &refused {
            images::Refused::Unsigned => "unsigned",
            images::Refused::NoTrustedSignature { .. } => "not-trusted",
            images::Refused::TooFewSignatures { .. } => "too-few-signatures",
            images::Refused::NoKeySet => "no-key-set",
            images::Refused::KeySetUnproven(_) => "key-set-not-trusted",
            images::Refused::KeySetBelowFloor { .. } => "below-floor",
            images::Refused::NotAnImage => "not-an-image",
            images::Refused::UnknownFormat { .. } => "unknown-format",
            images::Refused::Truncated { .. } => "truncated",
            _ => "not-intact",
        };
        let exit = match &refused {
            images::Refused::KeySetBelowFloor { .. } => Exit::Refused,
            _ => Exit::NotAuthentic,
        };
        Error::new(exit, code, refused.to_string())
    }
}
