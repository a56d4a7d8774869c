//! The systems that everything is measured with: a Debian of some 200 packages as
//! it was released, and the same with its updates of today.

use super::{Error, Workdir};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// What the systems are made of.
const PACKAGES: &str = "linux-image-amd64,systemd,systemd-sysv,dbus,udev,openssh-server,\
    postgresql,nginx-light,python3,curl,ca-certificates,iproute2,chrony,less,vim-tiny,man-db";
const RELEASE: &str = "bookworm";
/// The time of every file that says none of its own.
const EPOCH: &str = "1700000000";
/// The UUID of the root filesystems.
const UUID: &str = "00000000-0000-0000-0000-000000000001";
/// Where parts begin when they follow each other.
const ALIGN: u64 = 4096;
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";

/// Files of a small system.
const FILES: u64 = 40;

/// One of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// As released.
    Old,
    /// With all updates.
    New,
}

impl System {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// A file of it, in the workdir.
    #[must_use]
    pub fn file(self, ending: &str) -> String {
        format!("pair/{}.{ending}", self.name())
    }

    /// Root filesystem, kernel and initrd, in the order of a slot.
    #[must_use]
    pub fn parts(self) -> [String; 3] {
        ["erofs", "kernel", "initrd"].map(|ending| self.file(ending))
    }

    /// All parts in one, as they lie in a slot.
    #[must_use]
    pub fn whole(self) -> String {
        self.file("bin")
    }

    /// The initrd as `slotctl` has it in a slot: unpacked.
    #[must_use]
    pub fn unpacked(self) -> String {
        self.file("cpio")
    }

    /// The image of `slotctl`.
    #[must_use]
    pub fn image(self) -> String {
        self.file("slotimg")
    }

    /// The unpacked root, without kernel and initrd, which travel beside it.
    #[must_use]
    pub fn tree(self) -> String {
        format!("pair/{}", self.name())
    }
}

/// Makes what is missing of both systems.
pub fn make(workdir: &Workdir) -> Result<(), Error> {
    fs::create_dir_all(workdir.path("pair")).map_err(Error::host("pair"))?;
    if workdir.is_smoke() {
        return [System::Old, System::New]
            .into_iter()
            .try_for_each(|system| small(workdir, system));
    }
    for system in [System::Old, System::New] {
        if workdir.path(&system.whole()).exists() && workdir.path(&system.unpacked()).exists() {
            continue;
        }
        if !workdir.path(&system.file("tar")).exists() {
            eprintln!("bench: installing the {} system", system.name());
            install(workdir, system)?;
        }
        eprintln!("bench: packing the {} system", system.name());
        unpack(workdir, system)?;
        join(workdir, system)?;
    }
    Ok(())
}

/// A system of a few files, with the kernel and the initrd of the demo OS: what is
/// measured with it means nothing.
fn small(workdir: &Workdir, system: System) -> Result<(), Error> {
    let tree = system.tree();
    workdir.empty(&tree)?;
    let modules = workdir
        .path(&tree)
        .join(format!("usr/lib/modules/{}", system.name()));
    fs::create_dir_all(&modules).map_err(Error::host(tree.clone()))?;
    for number in 0..FILES {
        // Half of them are of both systems.
        let seed = match system {
            System::New if number % 2 == 0 => number + FILES,
            _ => number,
        };
        let mut bytes = vec![0; 1 << 16];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        let file = modules.join(format!("{number}.ko"));
        fs::write(file, bytes).map_err(Error::host(tree.clone()))?;
    }
    pack(workdir, system, &tree)?;
    let demo = crate::machine::target().join("demo-os");
    let from = |name: &str| demo.join(name).display().to_string();
    let [_, kernel, initrd] = &system.parts();
    workdir.run(&["cp", &from("vmlinuz"), kernel])?;
    let (words, packed) = ("gzip -nc -- \"$1\" > \"$2\"", from("initrd.img"));
    workdir.run(&["sh", "-c", words, "sh", &packed, initrd])?;
    join(workdir, system)
}

fn install(workdir: &Workdir, system: System) -> Result<(), Error> {
    let text = fs::read_to_string(SOURCES).map_err(Error::host(SOURCES))?;
    let lines = sources(&text, system);
    if lines.is_empty() {
        let expected = format!("a source with the suite {RELEASE}");
        return Err(Error::otherwise(SOURCES, expected, "none"));
    }
    let (include, half) = (
        format!("--include={PACKAGES}"),
        format!("{}.half", system.file("tar")),
    );
    let epoch = format!("SOURCE_DATE_EPOCH={EPOCH}");
    let mut words = vec!["env", &epoch, "mmdebstrap", "--variant=minbase"];
    words.extend(["--format=tar", &include, RELEASE, &half]);
    words.extend(lines.iter().map(String::as_str));
    workdir.run(&words)?;
    let tar = workdir.path(&system.file("tar"));
    fs::rename(workdir.path(&half), tar).map_err(Error::host(half))
}

/// The sources of this machine for a system, as lines of apt.
fn sources(text: &str, system: System) -> Vec<String> {
    let field = |stanza: &str, name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let mut lines = Vec::new();
    for stanza in text.split("\n\n") {
        let signed = field(stanza, "Signed-By:");
        let option = match signed.as_str() {
            "" => String::new(),
            key => format!("[signed-by={key}] "),
        };
        for suite in field(stanza, "Suites:").split_whitespace() {
            let wanted = match system {
                System::Old => suite == RELEASE,
                System::New => suite.starts_with(RELEASE),
            };
            for place in field(stanza, "URIs:").split_whitespace() {
                if wanted {
                    lines.push(format!("deb {option}{place} {suite} main"));
                }
            }
        }
    }
    lines
}

fn unpack(workdir: &Workdir, system: System) -> Result<(), Error> {
    let (tree, tar) = (system.tree(), system.file("tar"));
    workdir.empty(&tree)?;
    workdir.run(&["tar", "-C", &tree, "-xf", &tar])?;
    let boot = workdir.path(&tree).join("boot");
    for (prefix, ending) in [("vmlinuz-", "kernel"), ("initrd.img-", "initrd")] {
        let name = only(&boot, prefix)?;
        let failed = Error::host(name.clone());
        let to = workdir.path(&system.file(ending));
        fs::rename(boot.join(name), to).map_err(failed)?;
    }
    strip(workdir, &tree)?;
    pack(workdir, system, &tree)
}

/// Makes the root filesystem of a tree.
fn pack(workdir: &Workdir, system: System, tree: &str) -> Result<(), Error> {
    let half = format!("{}.half", system.file("erofs"));
    let time = format!("-T{EPOCH}");
    workdir.run(&["mkfs.erofs", &time, "-U", UUID, &half, tree])?;
    let root = workdir.path(&system.file("erofs"));
    fs::rename(workdir.path(&half), root).map_err(Error::host(half))
}

/// Removes what every installation makes anew: keys and certificates of the one
/// machine, and its database, which belongs to the data partition. What is left
/// is the same each time.
fn strip(workdir: &Workdir, tree: &str) -> Result<(), Error> {
    let within = |folder: &str| format!("{tree}/{folder}");
    let (ssh, ssl) = (within("etc/ssh"), within("etc/ssl"));
    let database = within("var/lib/postgresql");
    let (keys, sample) = ("ssh_host_*", "*snakeoil*");
    workdir.run(&["find", &ssh, "-name", keys, "-delete"])?;
    // Links to it first, which are named by a hash.
    workdir.run(&["find", &ssl, "-lname", sample, "-delete"])?;
    workdir.run(&["find", &ssl, "-name", sample, "-delete"])?;
    workdir.run(&["find", &database, "-mindepth", "1", "-delete"])?;
    Ok(())
}

/// The name of the one file in `folder` that begins with `prefix`.
fn only(folder: &Path, prefix: &str) -> Result<String, Error> {
    let entries = fs::read_dir(folder).map_err(Error::host(folder.display().to_string()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    match (found.pop(), found.len()) {
        (Some(name), 0) => Ok(name),
        (_, others) => Err(Error::otherwise(
            folder.display().to_string(),
            format!("one {prefix}*"),
            format!("{others} more or none"),
        )),
    }
}

/// Puts all parts into one file, as others install them, and unpacks the initrd.
fn join(workdir: &Workdir, system: System) -> Result<(), Error> {
    let parts = system.parts();
    let [_, _, initrd] = &parts;
    let (words, unpacked) = ("gzip -dc -- \"$1\" > \"$2\"", system.unpacked());
    workdir.run(&["sh", "-c", words, "sh", initrd, &unpacked])?;
    let name = system.whole();
    let half = workdir.path(&format!("{name}.half"));
    let failed = || Error::host(name.clone());
    let mut out = File::create(&half).map_err(failed())?;
    for part in &parts {
        let mut from = File::open(workdir.path(part)).map_err(Error::host(part.clone()))?;
        std::io::copy(&mut from, &mut out).map_err(failed())?;
        let length = out.stream_position().map_err(failed())?;
        let padded = length.next_multiple_of(ALIGN);
        out.set_len(padded)
            .and_then(|()| out.seek(SeekFrom::Start(padded)))
            .map_err(failed())?;
    }
    out.flush().map_err(failed())?;
    fs::rename(&half, workdir.path(&name)).map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_system_has_no_updates_and_the_new_one_has_all() {
        let text = "Types: deb\nURIs: http://one/debian\nSuites: bookworm bookworm-updates\n\
                    Signed-By: /key\n\nURIs: http://two/\nSuites: bookworm-security\n";
        let old = ["deb [signed-by=/key] http://one/debian bookworm main"];
        assert_eq!(sources(text, System::Old), old);
        let new = [
            old[0],
            "deb [signed-by=/key] http://one/debian bookworm-updates main",
            "deb http://two/ bookworm-security main",
        ];
        assert_eq!(sources(text, System::New), new);
    }
}
