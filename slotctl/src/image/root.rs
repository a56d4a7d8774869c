//! A look into the root that an image is built of: whether it is the version that it is
//! called, and whether what it declares to keep can be kept.

use super::Build;
use controller::code::Code;
use controller::error::Result;
use images::rootfs::{self, Found, Root};
use slotctl_state::declared::Declared;
use std::io;
use std::path::Path;

/// By os-release(5) the first of these that is there counts. Where that is a link, it
/// leads to the other.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// More bytes than it needs.
const OS_RELEASE_MAX: u64 = 1 << 20;

/// What is probably a mistake in the root, or hides one.
///
/// # Errors
/// A mistake in what it declares to keep. What cannot be read is none.
pub fn look(build: &Build) -> Result<Vec<String>> {
    let root = match rootfs::open(&build.rootfs) {
        Ok(Some(root)) => root,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Ok(vec![unseen(build, &error)]),
    };
    let mut warnings = match os_release(&*root) {
        Ok(text) => differing(&text, build),
        Err(error) => vec![unseen(build, &error)],
    };
    match Declared::look(&*root) {
        Ok(declared) => {
            let unknown = declared.unwrap_or_default().unknown_keys.into_iter();
            warnings.extend(unknown.map(|key| format!("unknown key {key} of the root is ignored")));
        }
        Err(error) if error.code == Code::BadConfig => {
            return Err(error.changed("no image was written"));
        }
        Err(error) => warnings.push(unseen(build, &error)),
    }
    Ok(warnings)
}

fn unseen(build: &Build, why: &dyn std::fmt::Display) -> String {
    let root = build.rootfs.display();
    format!("could not look into root filesystem {root}: {why}")
}

/// The text of os-release; empty where there is none.
fn os_release(root: &dyn Root) -> io::Result<String> {
    for path in OS_RELEASE.map(Path::new) {
        let named = |error| io::Error::other(format!("{}: {error}", path.display()));
        match root.find(path).map_err(named)? {
            Some(Found::File(length)) if length <= OS_RELEASE_MAX => {
                let bytes = root.read(path).map_err(named)?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            _ => {}
        }
    }
    Ok(String::new())
}

/// What the root calls itself, where that is something else than what the image is
/// called.
fn differing(os_release: &str, build: &Build) -> Vec<String> {
    let names = [
        ("IMAGE_ID", "--compatible", &build.compatible),
        ("IMAGE_VERSION", "--version", &build.version),
    ];
    let differs = |(name, option, given): (&str, &str, &String)| {
        let found = value(os_release, name).filter(|found| found != given)?;
        Some(format!(
            "the root's os-release says {name}={found:?}, and {option} is {given:?}: is it the \
             root that was meant?"
        ))
    };
    names.into_iter().filter_map(differs).collect()
}

/// The value of a variable: the last counts, as for a shell. `None` where it is not set,
/// or to nothing.
fn value(os_release: &str, name: &str) -> Option<String> {
    let lines = os_release.lines().rev();
    let mut values = lines.filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    let value = unquoted(values.next()?);
    (!value.is_empty()).then_some(value)
}

/// As a shell reads it: quotes around it are taken off, and a backslash before a
/// character, except in single quotes.
fn unquoted(value: &str) -> String {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(plain) = within('\'') {
        return plain.into();
    }
    let mut text = String::new();
    let mut characters = within('"').unwrap_or(value).chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_value_of_os_release_is_what_a_shell_makes_of_it() {
        for (text, expected) in [
            ("IMAGE_ID=plc-4", Some("plc-4")),
            ("NAME=x\nIMAGE_ID=\"plc-4\"\nID=y\n", Some("plc-4")),
            ("IMAGE_ID='plc-4'", Some("plc-4")),
            ("IMAGE_ID=\"a \\\"b\\\" \\$c\"", Some("a \"b\" $c")),
            ("IMAGE_ID='a \\b'", Some("a \\b")),
            ("IMAGE_ID=old\nIMAGE_ID=new", Some("new")),
            ("IMAGE_ID=plc-4\r\n", Some("plc-4")),
            ("IMAGE_ID=", None),
            ("IMAGE_ID=\"\"", None),
            ("#IMAGE_ID=plc-4", None),
            ("MY_IMAGE_ID=plc-4\nIMAGE_IDS=plc-4\nIMAGE_ID plc-4", None),
            ("IMAGE_ID=\"", Some("\"")),
            ("IMAGE_ID=\\", None),
            ("", None),
        ] {
            assert_eq!(value(text, "IMAGE_ID").as_deref(), expected, "{text:?}");
        }
    }
}
