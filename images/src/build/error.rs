//! Why an image was not built.

use std::io;
use std::path::{Path, PathBuf};
use std::string::String;

use crate::kernel::Processor;
use crate::manifest::WATCHDOG_MIN;
use crate::new_file::NewFileError;
use crate::signature::NotAdded;
use crate::{Malformed, Refused};

/// Why an image was not built. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An input cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Input {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An input is a directory, a device, a pipe.
    #[error("{} is not a regular file; its length must be known first", .0.display())]
    NotAFile(PathBuf),
    /// An input has no bytes.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// An input was written to meanwhile.
    #[error("{} changed while it was read; build again when nothing writes to it", .0.display())]
    Changed(PathBuf),
    /// The image cannot be written.
    #[error("writing {}: {source}", path.display())]
    Output {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image would take the place of one of its inputs.
    #[error("{} is an input of this image; give the image another name", .0.display())]
    OutputIsInput(PathBuf),
    /// There can be no file of that name.
    #[error(transparent)]
    NotMade(#[from] NewFileError),
    /// The manifest may not say this.
    #[error("{}", .0.what)]
    Manifest(#[from] Malformed),
    /// The watchdog would end every start.
    #[error(
        "a watchdog period of {0} s; at least {min} s are needed, since it runs from before the \
         kernel until the image pets it: give a longer --watchdog",
        min = WATCHDOG_MIN
    )]
    ShortWatchdog(u32),
    /// A panic would restart the machine before the watchdog does.
    #[error(
        "command line has {0:?}, and the image pets the watchdog: a panic must end in the \
         watchdog, or its cause is lost (leave it out, or say panic=0)"
    )]
    PanicWithWatchdog(String),
    /// The kernel would start without its initrd.
    #[error(
        "kernel {} is older than Linux 5.8 and never asks the firmware for its initrd; take a \
         newer one, or a unified kernel image",
        .0.display()
    )]
    NoInitrdAsked(PathBuf),
    /// Linux would start without what is in it.
    #[error(
        "initrd {} is cut or damaged: {what} at byte {at}; make it again (Linux would start \
         without its files)",
        path.display()
    )]
    InitrdDamaged {
        /// Which file.
        path: PathBuf,
        /// Where in it the part begins that is damaged.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
    /// More would be revoked than the image itself is.
    #[error(
        "the image would revoke what is below security version {revoke_below}, and its own is \
         {own}; raise its security version, or revoke less"
    )]
    RevokesItself {
        /// What it would revoke.
        revoke_below: u64,
        /// Its own security version.
        own: u64,
    },
    /// The stub in the UKI would ignore the signed command line.
    #[error(
        "{} has a command line of its own (section .cmdline), and would ignore the signed one; \
         build it without",
        .0.display()
    )]
    UkiCmdline(PathBuf),
    /// It starts nothing.
    #[error("{} is no unified kernel image: no kernel in it (section .linux)", .0.display())]
    UkiNoLinux(PathBuf),
    /// Firmware would refuse it.
    #[error(
        "kernel {} is cut short: its header says {needed} bytes, {found} are there; copy it again",
        path.display()
    )]
    KernelCut {
        /// Which file.
        path: PathBuf,
        /// How long it has to be.
        needed: u64,
        /// How long it is.
        found: u64,
    },
    /// It starts on no machine that has a bootshim, or not on those of the one beside it.
    #[error(
        "kernel {} is for {found}, {}",
        path.display(),
        wanted.map_or("and there is no bootshim for it: expected x86-64 or arm64".into(),
            |wanted| std::format!("and the bootshim beside it for {wanted}"))
    )]
    OtherProcessor {
        /// Which file.
        path: PathBuf,
        /// Which processor it is for.
        found: Processor,
        /// Which the bootshim in the image is for.
        wanted: Option<Processor>,
    },
    /// Linux would keep a part of it, and bootshim's words come last.
    #[error(
        "the command line becomes {length} bytes long, with {{slot}} replaced and bootshim's \
         words behind it; Linux keeps {kept}"
    )]
    CommandLineGrows {
        /// The longest that it gets.
        length: usize,
        /// What Linux keeps.
        kept: usize,
    },
    /// What is missing would be read errors in production.
    #[error(
        "root filesystem {} is cut short: its superblock says {needed} bytes, {found} are there; \
         copy it again",
        path.display()
    )]
    RootCut {
        /// Which file.
        path: PathBuf,
        /// How long it has to be.
        needed: u64,
        /// How long it is.
        found: u64,
    },
    /// Linux mounts 4.0 alone.
    #[error("root filesystem {} is squashfs {_1}; Linux mounts squashfs 4 alone", .0.display())]
    OldSquashfs(PathBuf, u16),
    /// Firmware cannot start this.
    #[error("{} is no unified kernel image: not a PE file", .0.display())]
    UkiNoPe(PathBuf),
    /// More than fits into an image.
    #[error(transparent)]
    TooLarge(#[from] Refused),
    /// The same key twice, or too many keys.
    #[error(transparent)]
    Signature(#[from] NotAdded),
    /// Nobody would take it, and it cannot be signed any more once it is in the
    /// image.
    #[error("the key set is not signed; root keys sign it with `slotctl key set sign`")]
    UnsignedKeySet,
    /// The compressor failed.
    #[error("cannot compress: {0}")]
    Compress(io::Error),
}

impl BuildError {
    /// An input that cannot be read.
    pub(super) fn input(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Input {
            path: path.into(),
            source,
        }
    }

    /// An output that cannot be written.
    pub(super) fn output(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Output {
            path: path.into(),
            source,
        }
    }
}
