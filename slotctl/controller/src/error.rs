//! The one error of the tool: what was found, what was expected, what to do,
//! and what was changed; with the code and the exit status that scripts rely on, which
//! [`crate::code`] lists.

use crate::code::{Code, Exit};
use bootshim::medium::{Access, Cause, Fault};
use images::new_file::NewFileError;
use nix::libc::EPERM;
use std::fmt;

/// A failure that a person or a script can act on.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What scripts go by.
    pub code: Code,
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
    pub fn new(code: Code, found: impl Into<String>) -> Error {
        let none = String::new;
        let found = found.into();
        Error {
            code,
            found,
            expected: none(),
            advice: none(),
            changed: none(),
        }
    }

    /// The status that a command ends with.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// Says what was expected instead.
    pub fn expected(mut self, expected: impl Into<String>) -> Error {
        self.expected = expected.into();
        self
    }

    /// Says what to do.
    pub fn advice(mut self, advice: impl Into<String>) -> Error {
        self.advice = advice.into();
        self
    }

    /// Says what was or was not changed, unless something deeper down knew
    /// better.
    pub fn changed(mut self, changed: impl Into<String>) -> Error {
        if self.changed.is_empty() {
            self.changed = changed.into();
        }
        self
    }

    /// An error of the operating system while `doing` something.
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Error {
        use std::io::ErrorKind;
        let found = format!("{doing}: {error}");
        match error.kind() {
            ErrorKind::NotFound => Error::new(Code::NotFound, found),
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
                Error::new(Code::NotAFile, found)
            }
            ErrorKind::PermissionDenied => Error::new(Code::NoPermission, found)
                .advice("run it as root, or with the rights to this file"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Error::new(Code::NoSpace, found).advice("make room and try again")
            }
            ErrorKind::FileTooLarge => Error::new(Code::FileTooLarge, found)
                .advice("raise the limit of the size of files (`ulimit -f`), or use a filesystem that takes such files"),
            ErrorKind::ReadOnlyFilesystem => Error::new(Code::ReadOnly, found),
            ErrorKind::ResourceBusy => Error::new(Code::InUse, found),
            _ => Error::new(Code::Io, found),
        }
    }

    /// A device that failed while `doing` something.
    pub fn fault(doing: impl fmt::Display, fault: Fault) -> Error {
        match fault.cause {
            // What could be opened for writing, and then must not be written.
            Cause::Device(errno) if errno == EPERM && fault.access == Access::Write => {
                Error::new(Code::ReadOnly, format!("{doing}: {fault}"))
                    .advice("the device is write-protected")
            }
            Cause::Device(errno) => {
                let system = std::io::Error::from_raw_os_error(errno);
                Error::io(format_args!("{doing}: {fault}"), &system)
            }
            Cause::Differs => Error::new(Code::ReadBackDiffers, format!("{doing}: {fault}"))
                .advice("the device does not keep what is written to it; replace it"),
            _ => Error::new(Code::Io, format!("{doing}: {fault}")),
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
            Refusal::NoSuchSlot(_) => {
                Error::new(Code::UnknownSlot, found).advice("`slotctl status` lists the slots")
            }
            Refusal::WrongState(..) => Error::new(Code::WrongState, found),
            Refusal::NoTarget(_) => {
                Error::new(Code::NoFreeSlot, found).advice("confirm or reject the trial first")
            }
            Refusal::Protected(..) => Error::new(Code::ProtectedSlot, found),
            Refusal::NotArmed(_) => Error::new(Code::NotOnTrial, found),
            Refusal::OtherImage(_) => Error::new(Code::OtherImage, found),
            Refusal::NoOtherGood => Error::new(Code::NoOtherGood, found),
            Refusal::Rejected(_) => Error::new(Code::Rejected, found)
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
                Error::new(Code::UnknownFormat, error.to_string())
                    .advice("use the slotctl that wrote it, or a newer one")
            }
            CommitError::NoRecord => Error::new(Code::RecordLost, error.to_string())
                .advice("bootshim makes it anew at the next start; `slotctl next-boot --arm` does the same on an image"),
            CommitError::NoNumberLeft => Error::new(Code::RecordWornOut, error.to_string())
                .advice("fill the partition bootrecord with zeros; bootshim makes the record anew at the next start"),
            CommitError::Invalid(_) => Error::new(Code::Internal, error.to_string()),
        }
    }
}

/// A file that was not made.
impl From<NewFileError> for Error {
    fn from(error: NewFileError) -> Error {
        let found = error.to_string();
        let error = match error {
            NewFileError::Exists(_) => {
                Error::new(Code::Exists, found).advice("remove it first, or choose another name")
            }
            NewFileError::NoFile(_) | NewFileError::LinkToNothing(_) => {
                Error::new(Code::NotAFile, found).advice("choose another name")
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
            images::Refused::Unsigned => Code::Unsigned,
            images::Refused::NoTrustedSignature { .. } => Code::NotTrusted,
            images::Refused::TooFewSignatures { .. } => Code::TooFewSignatures,
            images::Refused::NoKeySet => Code::NoKeySet,
            images::Refused::KeySetUnproven(_) => Code::KeySetNotTrusted,
            images::Refused::KeySetBelowFloor { .. } => Code::BelowFloor,
            images::Refused::NotAnImage => Code::NotAnImage,
            images::Refused::UnknownFormat { .. } => Code::UnknownFormat,
            images::Refused::Truncated { .. } => Code::Truncated,
            _ => Code::NotIntact,
        };
        Error::new(code, refused.to_string())
    }
}
