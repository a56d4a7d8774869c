//! The data partition, changed one durable step after the other. Everything is made beside
//! what is there, flushed, and put into its place by one rename, which is its mark: what
//! has its name is whole. So a cut leaves a step done or not done.
//!
//! ```text
//! state/shared/var-lib-postgresql      one for all slots
//! state/formats.toml                   what they have, for no program to be too old
//! state/slots/b-DIGEST-7/              what the flip chooses: slot, manifest, number
//!     declared.toml                    what its image reads
//!     per-slot/  copy-forward/  reset/
//! state/new/                           being made
//! state/old/                           being taken away
//! host/machine-id                      what is of this controller, whatever starts
//! slotctl/                             the event log
//! ```

use crate::activation::Activation;
use crate::copy;
use crate::declared::{Declared, Formats, Kept, Kind};
use crate::plan::{self, Directory, Found, NoRoom, NotReady, Source, Steps};
use bootshim::copies::Durable;
use controller::code::Code;
use controller::error::{Error, Result};
use nix::sys::statvfs::statvfs;
use nix::unistd::syncfs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the data partition is mounted from the initramfs on: `/run` is the one thing that
/// it and the system have in common.
pub const DATA: &str = "/run/slotctl/data";

/// A change that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something is made or written.
    Write(PathBuf),
    /// What has the first name gets the second.
    Rename(PathBuf, PathBuf),
    /// Something is removed, with all that is in it.
    Remove(PathBuf),
    /// All that was written before is on the medium.
    Flush,
}

/// The data partition, where it is mounted.
pub struct Partition {
    root: PathBuf,
    /// Asked before each change: where a test cuts the power.
    before: Box<dyn Fn(Change) -> io::Result<()>>,
}

/// What is mounted over a path of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The path.
    pub path: Kept,
    /// What covers it; `None` where the image is too old for what there is.
    pub with: Option<PathBuf>,
}

#[derive(Default, Deserialize, Serialize)]
struct FormatsFile {
    #[serde(default)]
    formats: BTreeMap<String, u32>,
}

impl Partition {
    /// The partition that is mounted at `root`.
    pub fn at(root: &Path) -> Partition {
        Partition::watched(root, |_| Ok(()))
    }

    /// The same; `before` is asked before each change, and stops it by an error.
    pub fn watched(root: &Path, before: impl Fn(Change) -> io::Result<()> + 'static) -> Partition {
        Partition {
            root: root.to_owned(),
            before: Box::new(before),
        }
    }

    /// Whether an activation has a directory; one that cannot be looked at may be there.
    pub fn has(&self, activation: &Activation) -> bool {
        exists(&self.slots().join(activation.to_string())).unwrap_or(true)
    }

    /// What lies there that matters to an image.
    ///
    /// # Errors
    /// The operating system's; a file of ours that cannot be understood.
    pub fn found(&self, declared: &Declared) -> Result<Found> {
        let mut found = Found::default();
        for name in self.names(&self.slots())? {
            let Ok(activation) = name.parse::<Activation>() else {
                continue;
            };
            let folder = self.slots().join(&name);
            found.directories.push(Directory {
                activation,
                forwarded: exists(&folder.join(Kind::CopyForward.word()))?,
                formats: self.formats(&folder.join("declared.toml"))?,
            });
        }
        found
            .directories
            .sort_by_key(|directory| directory.activation);
        let formats = self.formats(&self.state().join("formats.toml"))?;
        for declaration in declared.of(Kind::Shared) {
            let path = &declaration.path;
            if exists(&self.shared(path))? {
                let format = formats.get(path).copied().unwrap_or(0);
                found.shared.insert(path.clone(), format);
            }
        }
        Ok(found)
    }

    /// Does what is to be done before the units of a slot start. `image` is its root, with
    /// nothing mounted over it.
    ///
    /// # Errors
    /// The operating system's, no room among them. What was there before is as it was.
    pub fn apply(
        &self,
        declared: &Declared,
        steps: &Steps,
        now: &Activation,
        image: &Path,
    ) -> Result<()> {
        let _locked = self.begin()?;
        if let Some(source) = steps.make {
            self.make(declared, now, source, image)?;
        }
        if let Some(source) = steps.forward {
            let left = |path: &Kept| steps.left_behind.iter().any(|left| left.path == *path);
            let from = |path: &Kept| match source {
                Source::Of(_) if left(path) => Source::Image,
                source => source,
            };
            let made = self.copies(declared, Kind::CopyForward, from, image, &self.new_place())?;
            self.put(&made, &self.place(now, Kind::CopyForward))?;
        }
        self.put_formats(&steps.shared)?;
        for declaration in declared.of(Kind::Shared) {
            let path = &declaration.path;
            if !exists(&self.shared(path))? {
                let made = self.new_place().join(path.file_name());
                self.copy(&path.below(image), &made)?;
                self.put(&made, &self.shared(path))?;
            }
        }
        self.reset(declared, now, image)
    }

    /// What is mounted over the paths of the root then.
    pub fn bindings(&self, declared: &Declared, steps: &Steps, now: &Activation) -> Vec<Binding> {
        let withheld = |path: &Kept| steps.withheld.iter().any(|other| other.path == *path);
        let bind = |path: &Kept, kind| match kind {
            Kind::Shared if withheld(path) => None,
            Kind::Shared => Some(self.shared(path)),
            kind => Some(self.place(now, kind).join(path.file_name())),
        };
        let all = declared.paths.iter();
        all.map(|declaration| Binding {
            path: declaration.path.clone(),
            with: bind(&declaration.path, declaration.kind),
        })
        .collect()
    }

    /// Makes ready what the next flip of a slot chooses, and gives its number. `now` is the
    /// slot as the record has it, with the image that is to start, whose root is `image`;
    /// `last_good` is the slot that the start will copy from.
    ///
    /// # Errors
    /// Refused where the image is too old for what is shared; no room, with how much is
    /// missing; the operating system's. What was there before is as it was.
    pub fn prepare(
        &self,
        declared: &Declared,
        now: &Activation,
        last_good: Option<&Activation>,
        image: &Path,
    ) -> Result<Activation> {
        let _locked = self.begin()?;
        let found = self.found(declared)?;
        let (next, source) = plan::prepare(declared, &found, now).map_err(not_ready)?;
        let forward = last_good.map_or(Source::Image, |last_good| Source::Of(*last_good));
        let mut copies = 0_u64;
        for declaration in &declared.paths {
            let from = match declaration.kind {
                Kind::PerSlot => source,
                Kind::CopyForward => forward,
                Kind::Shared if exists(&self.shared(&declaration.path))? => continue,
                Kind::Shared | Kind::Reset => Source::Image,
            };
            let from = self.origin(declaration.kind, &declaration.path, from, image)?;
            let size = copy::size(&from).map_err(|error| failed("reading", &from, &error))?;
            copies = copies.saturating_add(size);
        }
        self.check_room(copies)?;
        self.make(declared, &next, source, image)?;
        Ok(next)
    }

    /// Takes away what no slot needs, by a record that is durable: one that is not may still
    /// give way to the one before.
    ///
    /// # Errors
    /// The operating system's.
    pub fn collect(&self, declared: &Declared, durable: &Durable) -> Result<Vec<Activation>> {
        let _locked = self.begin()?;
        let gone = plan::collect(&self.found(declared)?, durable.record());
        for activation in &gone {
            let name = activation.to_string();
            self.rename(&self.slots().join(&name), &self.old().join(&name))?;
        }
        // Durable before anything in them goes: no directory is there in part.
        self.flush()?;
        self.empty(&self.old())?;
        Ok(gone)
    }

    /// The id of this machine, made at its first start and kept.
    ///
    /// # Errors
    /// The operating system's.
    pub fn machine_id(&self) -> Result<PathBuf> {
        let place = self.root.join("host/machine-id");
        if exists(&place)? {
            return Ok(place);
        }
        let _locked = self.begin()?;
        self.folder(&self.root.join("host"))?;
        let random = Path::new("/proc/sys/kernel/random/uuid");
        let uuid = fs::read_to_string(random).map_err(|error| failed("reading", random, &error))?;
        let id = uuid.replace('-', "");
        let made = self.new_place().join("machine-id");
        self.write(&made, id.as_bytes())?;
        self.put(&made, &place)?;
        Ok(place)
    }

    /// The folder of the event log.
    ///
    /// # Errors
    /// The operating system's.
    pub fn log(&self) -> Result<PathBuf> {
        let place = self.root.join("slotctl");
        self.folder(&place)?;
        Ok(place)
    }

    /// The name of this machine, where a person has left one there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn hostname(&self) -> Result<Option<PathBuf>> {
        let place = self.root.join("host/hostname");
        Ok(exists(&place)?.then_some(place))
    }

    fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    fn slots(&self) -> PathBuf {
        self.state().join("slots")
    }

    fn shared(&self, path: &Kept) -> PathBuf {
        self.state().join("shared").join(path.file_name())
    }

    fn new_place(&self) -> PathBuf {
        self.state().join("new")
    }

    fn old(&self) -> PathBuf {
        self.state().join("old")
    }

    fn place(&self, of: &Activation, kind: Kind) -> PathBuf {
        self.slots().join(of.to_string()).join(kind.word())
    }

    /// What a path of a kind is made of.
    fn origin(&self, kind: Kind, path: &Kept, source: Source, image: &Path) -> Result<PathBuf> {
        if let Source::Of(activation) = source {
            let left = self.place(&activation, kind).join(path.file_name());
            if exists(&left)? {
                return Ok(left);
            }
        }
        Ok(path.below(image))
    }

    /// The folders of ours are there, and what a cut left half done is not. For as long as
    /// the answer lives nobody else makes anything here: an `activate` beside an `install`
    /// waits.
    fn begin(&self) -> Result<File> {
        self.folder(&self.state())?;
        let locked = File::open(self.state()).and_then(|folder| {
            folder.lock()?;
            Ok(folder)
        });
        let locked = locked.map_err(|error| failed("locking", &self.state(), &error))?;
        for place in [
            self.slots(),
            self.state().join("shared"),
            self.new_place(),
            self.old(),
        ] {
            self.folder(&place)?;
        }
        self.empty(&self.new_place())?;
        self.empty(&self.old())?;
        Ok(locked)
    }

    fn make(
        &self,
        declared: &Declared,
        now: &Activation,
        source: Source,
        image: &Path,
    ) -> Result<()> {
        let made = self.new_place().join(now.to_string());
        self.folder(&made)?;
        self.copies(declared, Kind::PerSlot, |_| source, image, &made)?;
        self.write(&made.join("declared.toml"), &text(&declared.formats())?)?;
        self.put(&made, &self.slots().join(now.to_string()))
    }

    /// The paths of a kind, copied into a folder of its name in `to`.
    fn copies(
        &self,
        declared: &Declared,
        kind: Kind,
        source: impl Fn(&Kept) -> Source,
        image: &Path,
        to: &Path,
    ) -> Result<PathBuf> {
        let made = to.join(kind.word());
        self.folder(&made)?;
        for declaration in declared.of(kind) {
            let path = &declaration.path;
            let from = self.origin(kind, path, source(path), image)?;
            self.copy(&from, &made.join(path.file_name()))?;
        }
        Ok(made)
    }

    /// Made anew at each start: nothing of it is flushed.
    fn reset(&self, declared: &Declared, now: &Activation, image: &Path) -> Result<()> {
        let place = self.place(now, Kind::Reset);
        if exists(&place)? {
            self.rename(&place, &self.old().join("reset"))?;
        }
        let made = self.copies(
            declared,
            Kind::Reset,
            |_| Source::Image,
            image,
            &self.new_place(),
        )?;
        self.rename(&made, &place)
    }

    fn put_formats(&self, shared: &Formats) -> Result<()> {
        let place = self.state().join("formats.toml");
        let before = self.formats(&place)?;
        let mut after = before.clone();
        after.extend(shared.clone());
        if after == before {
            return Ok(());
        }
        let made = self.new_place().join("formats.toml");
        self.write(&made, &text(&after)?)?;
        self.put(&made, &place)
    }

    fn formats(&self, file: &Path) -> Result<Formats> {
        let bytes = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Formats::new()),
            read => read.map_err(|error| failed("reading", file, &error))?,
        };
        let read: FormatsFile = toml::from_str(&bytes).map_err(|error| {
            let found = format!("{}: {}", file.display(), error.message());
            Error::new(Code::BadState, found).expected("expected formats of paths")
        })?;
        let known = read.formats.into_iter();
        Ok(known
            .filter_map(|(path, format)| Some((Kept::from_known(&path)?, format)))
            .collect())
    }

    fn check_room(&self, copies: u64) -> Result<()> {
        let about = statvfs(&self.root)
            .map_err(|errno| failed("reading", &self.root, &io::Error::from(errno)))?;
        let bytes = |blocks: u64| blocks.saturating_mul(about.fragment_size());
        let (free, size) = (bytes(about.blocks_available()), bytes(about.blocks()));
        plan::check_room(copies, free, size).map_err(|NoRoom { needed, free }| {
            let found = format!("{} has {free} bytes left", self.root.display());
            Error::new(Code::NoSpace, found)
                .expected(format!("{needed} are needed for what the next slot keeps"))
                .advice("make room on the data partition")
        })
    }

    /// What lies in a folder, by name; nothing where there is none.
    fn names(&self, folder: &Path) -> Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| failed("reading", folder, &error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed("reading", folder, &error))?;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn folder(&self, place: &Path) -> Result<()> {
        if exists(place)? {
            return Ok(());
        }
        self.change(Change::Write(place.into()), "making", place, || {
            fs::create_dir(place)
        })
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> Result<()> {
        self.change(Change::Write(place.into()), "writing", place, || {
            File::create(place)?.write_all(bytes)
        })
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let before = |path: &Path| (self.before)(Change::Write(path.into()));
        copy::tree(from, to, &before).map_err(|error| failed("copying", from, &error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let change = Change::Rename(from.into(), to.into());
        self.change(change, "renaming", from, || fs::rename(from, to))
    }

    /// Puts what was made into its place: it is durable before it has its name, and its
    /// name is durable before anything follows.
    fn put(&self, made: &Path, place: &Path) -> Result<()> {
        self.flush()?;
        self.rename(made, place)?;
        self.flush()
    }

    fn empty(&self, folder: &Path) -> Result<()> {
        for name in self.names(folder)? {
            let place = folder.join(name);
            let about = fs::symlink_metadata(&place);
            let is_dir = about.is_ok_and(|about| about.is_dir());
            self.change(
                Change::Remove(place.clone()),
                "removing",
                &place,
                || match is_dir {
                    true => fs::remove_dir_all(&place),
                    false => fs::remove_file(&place),
                },
            )?;
        }
        Ok(())
    }

    /// Everything on the partition, directories among it.
    fn flush(&self) -> Result<()> {
        self.change(Change::Flush, "flushing", &self.root, || {
            syncfs(File::open(&self.root)?).map_err(io::Error::from)
        })
    }

    fn change(
        &self,
        change: Change,
        doing: &str,
        place: &Path,
        make: impl FnOnce() -> io::Result<()>,
    ) -> Result<()> {
        let made = (self.before)(change).and_then(|()| make());
        made.map_err(|error| failed(doing, place, &error))
    }
}

fn text(formats: &Formats) -> Result<Vec<u8>> {
    let formats = formats.iter();
    let file = FormatsFile {
        formats: formats
            .map(|(path, format)| (path.to_string(), *format))
            .collect(),
    };
    let text = toml::to_string(&file)
        .map_err(|error| Error::new(Code::Internal, format!("formats: {error}")))?;
    Ok(text.into_bytes())
}

fn exists(place: &Path) -> Result<bool> {
    match fs::symlink_metadata(place) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("reading", place, &error)),
    }
}

fn failed(doing: &str, place: &Path, error: &io::Error) -> Error {
    Error::io(format_args!("{doing} {}", place.display()), error)
}

fn not_ready(why: NotReady) -> Error {
    match why {
        NotReady::TooNew(paths) => {
            let words: Vec<String> = paths.iter().map(ToString::to_string).collect();
            Error::new(Code::StateTooNew, words.join("; ")).advice("install an image that reads it")
        }
        NotReady::NoNumber => {
            let found = "every number of this slot and image has a directory";
            Error::new(Code::Internal, found)
        }
    }
}
