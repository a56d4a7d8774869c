//! What an image declares: `/usr/lib/slotctl/state.d/*.toml`, from the image alone,
//! since nobody has signed what lies on the data partition.

mod file;
mod place;
#[cfg(test)]
mod tests;

use controller::code::Code;
use controller::error::{Error, Result};
use images::rootfs::{Folder, Found, Root};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the declarations lie, below the root of an image.
pub const FOLDER: &str = "usr/lib/slotctl/state.d";

/// More bytes than a declaration needs.
const FILE_MAX: u64 = 1 << 20;

/// What becomes of a path when another slot starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One for all slots.
    Shared,
    /// Each image in a slot has its own, which begins as the image has it.
    PerSlot,
    /// As per slot, but it begins as the last good slot left it.
    CopyForward,
    /// As the image has it, at each start.
    Reset,
}

impl Kind {
    /// Its word, as in the file.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Shared => "shared",
            Kind::PerSlot => "per-slot",
            Kind::CopyForward => "copy-forward",
            Kind::Reset => "reset",
        }
    }
}

/// A path of the root that can be kept: absolute, in one way of writing it, and none of
/// those that belong to the image or the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kept(String);

impl Kept {
    /// As it is written, with the slash at its begin.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that we wrote ourselves; `None` where the text is no absolute path.
    pub(crate) fn from_known(text: &str) -> Option<Kept> {
        text.starts_with('/').then(|| Kept(text.to_owned()))
    }

    /// Where it lies below a root.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(self.0.trim_start_matches('/'))
    }

    /// Its name on the data partition, as `systemd-escape --path` makes it:
    /// `/var/lib/app` is `var-lib-app`.
    pub fn file_name(&self) -> String {
        let mut name = String::new();
        for byte in self.0.trim_start_matches('/').bytes() {
            match byte {
                b'/' => name.push('-'),
                b'.' if name.is_empty() => name.push_str("\\x2e"),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                    name.push(char::from(byte));
                }
                _ => name.push_str(&format!("\\x{byte:02x}")),
            }
        }
        name
    }

    /// Whether one lies in the other, or they are the same.
    fn overlaps(&self, other: &Kept) -> bool {
        let within = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        within(&self.0, &other.0) || within(&other.0, &self.0)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One path, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The path.
    pub path: Kept,
    /// What becomes of it.
    pub kind: Kind,
    /// The format that the program in the image reads and writes; 0 where it does not
    /// say. It reads every lower one.
    pub format: u32,
    /// Where that stands, for messages.
    at: String,
}

/// The formats of paths, by path; one that is not there is 0.
pub type Formats = BTreeMap<Kept, u32>;

/// All that an image declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Its paths, in their order; none lies in another.
    pub paths: Vec<Declaration>,
    /// Keys that this version does not know, each with its file: a warning.
    pub unknown_keys: Vec<String>,
}

impl Declared {
    /// What the image below `root` declares; `None` where it has no such folder, and sees
    /// to what it keeps itself.
    ///
    /// # Errors
    /// A mistake in a file, with line and column; a path that the image does not have, or
    /// that leads elsewhere; the operating system's.
    pub fn read(root: &Path) -> Result<Option<Declared>> {
        Declared::look(&Folder(root))
    }

    /// What the image with this root declares, mounted or not.
    ///
    /// # Errors
    /// As [`Declared::read`] has them.
    pub fn look(root: &dyn Root) -> Result<Option<Declared>> {
        let Some(files) = files(root)? else {
            return Ok(None);
        };
        let mut declared = Declared::default();
        for path in files {
            let text = text(root, &path)?;
            declared.add(&text, &path)?;
        }
        for declaration in &declared.paths {
            place::check(root, &declaration.path).map_err(|error| error.at(&declaration.at))?;
        }
        Ok(Some(declared))
    }

    /// What a file declares besides; `path` is for messages.
    ///
    /// # Errors
    /// A mistake, with line and column; a path that overlaps another one, both named.
    pub fn add(&mut self, text: &str, path: &Path) -> Result<()> {
        let read = file::read(text, path, &mut self.unknown_keys)?;
        for declaration in read {
            if let Some(other) = self
                .paths
                .iter()
                .find(|other| other.path.overlaps(&declaration.path))
            {
                return Err(overlap(&declaration, other));
            }
            self.paths.push(declaration);
        }
        self.paths.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(())
    }

    /// The paths of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Declaration> {
        self.paths.iter().filter(move |path| path.kind == kind)
    }

    /// The formats of its shared paths and of those that are copied forward.
    pub fn formats(&self) -> Formats {
        let known = self.of(Kind::Shared).chain(self.of(Kind::CopyForward));
        known
            .map(|declaration| (declaration.path.clone(), declaration.format))
            .collect()
    }
}

fn overlap(one: &Declaration, other: &Declaration) -> Error {
    let found = if one.path == other.path {
        format!(
            "{}: {} is {} here and {} in {}",
            one.at,
            one.path,
            one.kind.word(),
            other.kind.word(),
            other.at
        )
    } else {
        format!(
            "{}: {} and {} in {} lie one in the other",
            one.at, one.path, other.path, other.at
        )
    };
    Error::new(Code::BadConfig, found)
        .expected("expected each path once, and none in another")
        .advice("correct one of the files")
}

/// The files in the order of their names. Links are not followed: they could lead out
/// of the image.
fn files(root: &dyn Root) -> Result<Option<Vec<PathBuf>>> {
    let folder = Path::new("/").join(FOLDER);
    let unread = |error| unread(&folder, &error);
    if root.find(&folder).map_err(unread)?.is_none() {
        return Ok(None);
    }
    let names = root.names(&folder).map_err(unread)?;
    let paths = names.iter().map(|name| folder.join(name));
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|end| end == "toml");
    let mut files: Vec<PathBuf> = paths.filter(is_ours).collect();
    files.sort();
    Ok(Some(files))
}

fn text(root: &dyn Root, path: &Path) -> Result<String> {
    let wrong = |what: String, expected: &str| {
        let found = format!("{} {what}", path.display());
        Error::new(Code::BadConfig, found).expected(expected)
    };
    match root.find(path).map_err(|error| unread(path, &error))? {
        Some(Found::File(length)) if length > FILE_MAX => Err(wrong(
            format!("has {length} bytes"),
            "expected at most 1 MiB",
        )),
        Some(Found::File(_)) => {
            let bytes = root.read(path).map_err(|error| unread(path, &error))?;
            String::from_utf8(bytes).map_err(|error| wrong(error.to_string(), "expected UTF-8"))
        }
        _ => Err(wrong(
            "is not a file".into(),
            "expected a file of the image itself, not a link",
        )),
    }
}

fn unread(path: &Path, error: &std::io::Error) -> Error {
    Error::io(format_args!("reading {}", path.display()), error)
}
