//! An image that takes several requests, and a disk with room for it.

use super::nginx::Nginx;
use super::rude::{Asked, Reply};
use crate::bench::Bench;
use crate::ran::Ran;
use crate::samples::{Samples, write_sparse};
use controller::disk::Disk;
use controller::error::Error;
use controller::progress::Quiet;
use controller::trust;
use fakedisk::noise;
use images::header::Header;
use install::source::{Patience, Settings, Source};
use install::{Compatible, Outcome, Request};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

/// What the first request asks for.
pub const FIRST: u64 = 256 << 10;
/// What any request asks for at most.
pub const SEGMENT: u64 = 1 << 20;

/// Length of the root filesystem of [`image`], with which its payload begins, as
/// it is.
pub const ROOT: usize = 6 << 20;

/// As a person's, but the tests have no time.
pub const HASTY: Patience = Patience {
    stall: Duration::from_millis(300),
    window: Duration::from_millis(300),
    attempts: 10,
    pause: Duration::from_millis(2),
};

/// A bench whose `disk.img` has room for [`image`].
pub struct Yard {
    pub bench: Bench,
}

struct Files {
    image: Vec<u8>,
    disk: Vec<u8>,
}

impl Files {
    fn get() -> &'static Files {
        static FILES: OnceLock<Files> = OnceLock::new();
        FILES.get_or_init(Files::make)
    }

    fn make() -> Files {
        let bench = Bench::new();
        let at = |name: &str| bench.directory().join(name);
        // Nothing of it lies in a slot already, so all of it is fetched.
        for (name, length) in [
            ("wide", ROOT),
            ("wide-kernel", 65536),
            ("wide-initrd", 8192),
        ] {
            fs::write(at(name), noise(name, length)).unwrap();
        }
        let build = "image build --rootfs wide --kernel wide-kernel --initrd wide-initrd --cmdline quiet \
                 --compatible plc-4 --version wide --security-version 1 --key ours.key \
                 --out wide.slotimg";
        bench.does(build);
        let create = "disk create wide.img --size 32MiB --bootshim BOOTX64.EFI --trust ours.pub \
                 --compatible plc-4 --slot-size 8MiB --esp-size 2MiB --data-size 1MiB \
                 --image v1.slotimg";
        bench.does(create);
        Files {
            image: fs::read(at("wide.slotimg")).unwrap(),
            disk: fs::read(at("wide.img")).unwrap(),
        }
    }
}

/// An image of 6 MiB that no compressor makes shorter.
pub fn image() -> &'static [u8] {
    &Files::get().image
}

/// The answer of an honest server that has [`image`].
pub fn honest(asked: &Asked) -> Reply {
    Reply::honest(asked, image())
}

/// nginx with these lines, that has [`image`] and a small one.
pub fn serving(lines: &str) -> Nginx {
    let nginx = Nginx::new(lines);
    Yard::serve(&nginx.files(), "wide.slotimg", image());
    Yard::serve(&nginx.files(), "small.slotimg", small("v2.slotimg"));
    nginx
}

/// The header of an image.
pub fn header(image: &[u8]) -> Header {
    Header::parse(&image[..64]).unwrap()
}

impl Yard {
    pub fn new() -> Yard {
        let bench = Bench::new();
        write_sparse(&bench.file("disk.img"), &Files::get().disk);
        Yard { bench }
    }

    /// Puts an image into a folder that a server serves.
    pub fn serve(folder: &Path, name: &str, bytes: &[u8]) {
        fs::write(folder.join(name), bytes).unwrap();
    }

    /// `slotctl --disk disk.img --json install ADDRESS …`, with variables.
    pub fn install_with(&self, words: &str, variables: &[(&str, &str)]) -> Ran {
        let words = format!("--disk disk.img --json install {words}");
        let mut command = self.bench.command(&words);
        command.envs(variables.iter().copied());
        Ran::new(&words, &command.stdin(Stdio::null()).output().unwrap())
    }

    pub fn install(&self, words: &str) -> Ran {
        self.install_with(words, &[])
    }

    /// The image is installed, and what is in the slot is what was built.
    #[track_caller]
    pub fn installs(&self, words: &str) -> Value {
        let done = self.install(words).ok().json();
        assert_eq!(done["state"], "trying", "{done}");
        self.bench.on_disk("verify b").ok();
        done
    }

    /// The install ends like this. Gives the error.
    #[track_caller]
    pub fn fails(&self, words: &str, exit: i32, code: &str) -> Value {
        self.install(words).error(exit, code)
    }

    /// As [`Yard::fails`], before anything is written.
    #[track_caller]
    pub fn refuses(&self, words: &str, exit: i32, code: &str) -> Value {
        let before = self.bench.read("disk.img");
        let error = self.fails(words, exit, code);
        assert_eq!(error["changed"], "nothing was written", "{error}");
        assert!(before == self.bench.read("disk.img"));
        error
    }

    /// An install with little patience, through the library: there is no option
    /// for it.
    pub fn install_hastily(&self, address: &str) -> Result<Outcome, Error> {
        let disk = Disk::open(&self.bench.file("disk.img"))?;
        let trusted = trust::keys(&disk)?;
        let mut source = Source::open_with(address, &Settings::default(), HASTY)?;
        let request = Request {
            activate: true,
            ..Request::default()
        };
        install::install(
            &disk,
            &trusted,
            &Compatible::AsTheDisk,
            &mut source,
            &request,
            &Quiet,
        )
    }
}

/// The address of a small sample image, where a server has it.
pub fn small(name: &str) -> &'static [u8] {
    Samples::get().file(name).unwrap()
}
