//! One file as it is written, and what it must be to make sense.

use super::{Declaration, Kept, Kind};
use controller::error::Result;
use controller::mistake::{Mistake, position};
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// The longest path that is accepted, in bytes.
const PATH_MAX: usize = 200;

/// What belongs to the image, the kernel or slotctl.
const NOT_KEPT: [&str; 16] = [
    "/bin",
    "/boot",
    "/dev",
    "/efi",
    "/etc/hostname",
    "/etc/machine-id",
    "/etc/slotctl",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/slotctl",
];

/// Where Debian's packages keep databases. One that lies elsewhere says so itself, by
/// `database = true`.
const DATABASES: [&str; 8] = [
    "/var/lib/couchdb",
    "/var/lib/etcd",
    "/var/lib/influxdb",
    "/var/lib/ldap",
    "/var/lib/mongodb",
    "/var/lib/mysql",
    "/var/lib/postgresql",
    "/var/lib/redis",
];

#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct File {
    #[serde(default)]
    path: Vec<PathTable>,
}

#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct PathTable {
    path: Spanned<String>,
    kind: Spanned<KindWord>,
    format: Option<Spanned<u32>>,
    database: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindWord {
    Shared,
    PerSlot,
    CopyForward,
    Reset,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Kind {
        match word {
            KindWord::Shared => Kind::Shared,
            KindWord::PerSlot => Kind::PerSlot,
            KindWord::CopyForward => Kind::CopyForward,
            KindWord::Reset => Kind::Reset,
        }
    }
}

/// What the file declares; keys that are unknown are noted with the file.
pub(super) fn read(
    text: &str,
    path: &Path,
    unknown_keys: &mut Vec<String>,
) -> Result<Vec<Declaration>> {
    parse(text, path, unknown_keys).map_err(|mistake| mistake.into_error(text, path))
}

fn parse(
    text: &str,
    path: &Path,
    unknown_keys: &mut Vec<String>,
) -> std::result::Result<Vec<Declaration>, Mistake> {
    let shown = path.display();
    let file: File = serde_ignored::deserialize(toml::Deserializer::parse(text)?, |key| {
        unknown_keys.push(format!("{key} in {shown}"));
    })?;
    let declare = |table: &PathTable| {
        let at = match position(text, table.path.span().start) {
            Some((line, column)) => format!("{shown}, line {line}, column {column}"),
            None => shown.to_string(),
        };
        table.read(at)
    };
    file.path.iter().map(declare).collect()
}

impl PathTable {
    fn read(&self, at: String) -> std::result::Result<Declaration, Mistake> {
        let path = kept(&self.path)?;
        let kind = Kind::from(*self.kind.get_ref());
        let is_database = self.database.unwrap_or_else(|| {
            let known = DATABASES.map(|known| Kept(known.to_owned()));
            known.iter().any(|known| known.overlaps(&path))
        });
        if kind == Kind::CopyForward && is_database {
            let found = format!("{path} is copied forward and is a database");
            let expected = "shared or per-slot: what is written after an update would be \
                            lost on a way back (`database = false` where it is none)";
            return Err(Mistake::new(Some(self.kind.span()), found, expected));
        }
        let format = match (&self.format, kind) {
            (None, _) => 0,
            (Some(format), Kind::Shared | Kind::CopyForward) if *format.get_ref() > 0 => {
                *format.get_ref()
            }
            (Some(format), _) => {
                let found = format!("format {} of {}", format.get_ref(), kind.word());
                let expected = "1 or more, of shared or copy-forward: no other program reads \
                                the rest";
                return Err(Mistake::new(Some(format.span()), found, expected));
            }
        };
        Ok(Declaration {
            path,
            kind,
            format,
            at,
        })
    }
}

fn kept(path: &Spanned<String>) -> std::result::Result<Kept, Mistake> {
    let text = path.get_ref();
    let wrong = |expected: &str| {
        let found = format!("path {text:?}");
        Mistake::new(Some(path.span()), found, expected)
    };
    let Some(names) = text.strip_prefix('/') else {
        return Err(wrong("an absolute path"));
    };
    let odd = |name: &str| ["", ".", ".."].contains(&name);
    if text.len() > PATH_MAX || names.split('/').any(odd) || text.chars().any(char::is_control) {
        return Err(wrong(
            "names with one slash before each, without `.`, `..` and control characters, \
             at most 200 bytes",
        ));
    }
    let kept = Kept(text.clone());
    let taken = NOT_KEPT.map(|taken| Kept(taken.to_owned()));
    match taken.iter().find(|taken| taken.overlaps(&kept)) {
        Some(taken) => Err(wrong(&format!(
            "a path beside {taken}, which is the image's, the kernel's or slotctl's own"
        ))),
        None => Ok(kept),
    }
}
