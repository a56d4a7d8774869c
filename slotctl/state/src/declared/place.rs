//! The place of a path in the image: what is mounted there must cover exactly that.

use super::Kept;
use std::fmt;
use std::io;
use std::path::PathBuf;

use controller::code::Code;
use controller::error::Error;
use images::rootfs::{Found, Root};

/// Why nothing can be mounted there.
#[derive(Debug)]
pub(super) enum NoPlace {
    Missing(Kept),
    Link(PathBuf, PathBuf),
    Odd(Kept),
    Unread(PathBuf, io::Error),
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPlace::Missing(path) => write!(f, "the image has no {path}"),
            NoPlace::Link(link, to) => {
                write!(f, "{} is a link to {}", link.display(), to.display())
            }
            NoPlace::Odd(path) => write!(f, "{path} is neither a folder nor a file"),
            NoPlace::Unread(path, error) => write!(f, "reading {}: {error}", path.display()),
        }
    }
}

impl NoPlace {
    /// The error, with where the path was declared.
    pub(super) fn at(&self, declared: &str) -> Error {
        if let NoPlace::Unread(path, error) = self {
            return Error::io(format_args!("reading {}", path.display()), error);
        }
        Error::new(Code::BadConfig, format!("{declared}: {self}"))
            .expected("expected a folder or a file of the image, and no link on the way to it")
            .advice("correct the file, or the image")
    }
}

/// Whether the image has the path, by no link: one could lead out of what is mounted
/// there, into another path, or round in a circle.
pub(super) fn check(root: &dyn Root, path: &Kept) -> Result<(), NoPlace> {
    let mut here = PathBuf::from("/");
    let mut names = path.as_str().split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        here.push(name);
        let last = names.peek().is_none();
        match root.find(&here) {
            Ok(None) => return Err(NoPlace::Missing(path.clone())),
            Ok(Some(Found::Folder)) => {}
            Ok(Some(Found::File(_))) if last => {}
            Ok(Some(Found::Link(to))) => return Err(NoPlace::Link(here, to)),
            Ok(Some(_)) => return Err(NoPlace::Odd(path.clone())),
            Err(error) => return Err(NoPlace::Unread(here, error)),
        }
    }
    Ok(())
}
