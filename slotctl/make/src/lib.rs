//! `disk create`: a complete, bootable disk as a file, without root, loop
//! devices or mounts.

#![forbid(unsafe_code)]

mod geometry;
mod identity;
mod table;

use bootshim::copies::{Note, Store};
use bootshim::gpt;
use bootshim::guid::Guid;
use bootshim::layout::Layout;
use bootshim::medium::{Medium, Window};
use bootshim::record::Record;
use bootshim::state::Next;
use controller::code::Code;
use controller::date::Date;
use controller::disk::Disk;
use controller::efi_program::Program;
use controller::error::{Error, Result};
use controller::esp::{self, Contents};
use controller::medium::FileMedium;
use geometry::Planned;
pub use geometry::Sizes;
use identity::Identity;
use images::manifest::NAME_MAX;
use images::new_file::{NewFile, ORDINARY, refuse_existing};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// What a disk is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How large it and its parts are.
    pub sizes: Sizes,
    /// What lies on its ESP, with the keys that it trusts.
    pub bootshim: Program,
    /// For which controllers it is.
    pub compatible: Option<String>,
    /// What all its GUIDs derive from; where there is none, they are random.
    pub seed: Option<Guid>,
    /// The time that its files bear.
    pub date: Date,
}

/// A disk that is whole but does not yet have its name, so that a first image
/// can be installed on it. Dropped without getting it, it is removed.
#[derive(Debug)]
pub struct Draft {
    file: NewFile,
    medium: Arc<FileMedium>,
    /// Its partitions, as every reader will see them.
    pub layout: Layout,
}

impl Draft {
    /// The disk, for its first image.
    pub fn disk(&self) -> Result<Disk> {
        Disk::on(self.medium.clone(), None)
    }

    /// Makes it durable and gives it its name, unless somebody else has taken that.
    pub fn publish(self) -> Result<()> {
        Ok(self.file.publish()?)
    }
}

/// Creates the disk that is to become the file `path`, which must not exist: sparse,
/// with partition table, ESP and boot record, and nothing in its slots.
pub fn create(path: &Path, options: &Options) -> Result<Draft> {
    draft(path, options).map_err(|error| error.changed("no disk was made"))
}

fn draft(path: &Path, options: &Options) -> Result<Draft> {
    refuse_existing(path)?;
    check_compatible(options.compatible.as_deref())?;
    let plan = geometry::plan(&options.sizes)?;
    let file = NewFile::create(path, ORDINARY)?;
    let length = options.sizes.disk;
    let medium = file.file().set_len(length).and_then(|()| {
        let again = file.file().try_clone()?;
        FileMedium::over(again)
    });
    let medium = Arc::new(medium.map_err(|error| {
        let making = format_args!("making {} {length} bytes long", path.display());
        Error::io(making, &error)
    })?);
    let layout = fill(&medium, &plan, options)?;
    Ok(Draft {
        file,
        medium,
        layout,
    })
}

/// Writes everything that a disk has before its first image.
fn fill<M: Medium>(disk: &M, plan: &[Planned], options: &Options) -> Result<Layout> {
    let seed = options
        .seed
        .unwrap_or_else(|| Guid::from_written(Uuid::new_v4().into_bytes()));
    let identity = Identity(seed);
    let sector = options.sizes.sector;
    table::write(disk, sector, plan, &identity)?;
    // From here on through the reader that everybody else uses.
    let table = gpt::read(disk, u32::from(sector)).map_err(|error| table::internal(&error))?;
    let layout = Layout::find(&table).map_err(|error| table::internal(&error))?;
    if let Some(partition) = &layout.esp {
        let contents = Contents {
            program: &options.bootshim,
            compatible: options.compatible.as_deref(),
            volume_id: identity.volume_id(),
            date: options.date,
        };
        esp::write(Window::new(disk, partition.extent), sector, &contents)?;
    }
    let record = Record::new(layout.record.id, layout.slots.len());
    Store::open(Window::new(disk, layout.record.extent), layout.record.id)
        .commit_everywhere(Next::by_hand(record), Note::default())?;
    Ok(layout)
}

/// The rule of the manifest, with which it will be compared.
fn check_compatible(compatible: Option<&str>) -> Result<()> {
    match compatible {
        Some(name)
            if name.is_empty() || name.len() > NAME_MAX || name.contains(char::is_control) =>
        {
            let found = format!("compatible is {name:?}");
            Err(Error::new(Code::BadCompatible, found)
                .expected("expected 1 to 128 bytes without control characters"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
