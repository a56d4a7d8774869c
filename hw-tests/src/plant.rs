//! What a plant has before a machine is switched on: keys, images and disks,
//! made by `slotctl` as an image pipeline makes them.

use crate::machine::{Error, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel's command line in every image of the demo OS.
const COMMAND_LINE: &str = "root=/dev/mapper/slotctl-root ro console=ttyS0 quiet panic=0 mitigations=off cryptomgr.notests";
/// For which machines the demo OS is.
const COMPATIBLE: &str = "demo-plc";

/// Keys and four versions of the demo OS.
#[derive(Debug)]
pub struct Plant {
    directory: PathBuf,
}

impl Plant {
    /// Makes a key, and signs the four versions with it, in a folder of its own
    /// under `target/plants`.
    ///
    /// # Errors
    /// What `slotctl` said; also when `make demo-os bootshim` did not run.
    pub fn new(name: &str) -> Result<Plant, Error> {
        let directory = target().join("plants").join(name);
        let failed = || Error::host(format!("the folder {}", directory.display()));
        if directory.exists() {
            std::fs::remove_dir_all(&directory).map_err(failed())?;
        }
        std::fs::create_dir_all(&directory).map_err(failed())?;
        let plant = Plant { directory };
        plant.slotctl(&["key", "generate", "--out", "release"])?;
        for version in 1..=4 {
            plant.build(version)?;
        }
        Ok(plant)
    }

    /// Where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file name of an image.
    #[must_use]
    pub fn image(version: u32) -> String {
        format!("v{version}.slotimg")
    }

    fn build(&self, version: u32) -> Result<(), Error> {
        let os = target().join("demo-os");
        let part = |name: &str| os.join(name).display().to_string();
        let root = part(&format!("root-v{version}.erofs"));
        let (kernel, initrd) = (part("vmlinuz"), part("initrd.img"));
        let (number, image) = (format!("{version}.0"), Plant::image(version));
        #[rustfmt::skip]
        let words = [
            "image", "build",
            "--rootfs", &root,
            "--kernel", &kernel,
            "--initrd", &initrd,
            "--cmdline", COMMAND_LINE,
            "--watchdog", "2min",
            "--compatible", COMPATIBLE,
            "--version", &number,
            "--key", "release.key",
            "--out", &image,
        ];
        self.slotctl(&words).map(drop)
    }

    /// A factory's disk with version 1 in slot a, good.
    ///
    /// # Errors
    /// What `slotctl` said.
    pub fn disk(&self, name: &str, sector: u32) -> Result<PathBuf, Error> {
        let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
        let (sector, image) = (sector.to_string(), Plant::image(1));
        #[rustfmt::skip]
        let words = [
            "disk", "create", name,
            "--size", "256MiB",
            "--bootshim", &bootshim,
            "--trust", "release.pub",
            "--sector-size", &sector,
            "--image", &image,
        ];
        self.slotctl(&words)?;
        Ok(self.directory.join(name))
    }

    /// Runs `slotctl` in the plant's folder, and gives what it printed.
    ///
    /// # Errors
    /// When it fails: its words.
    pub fn slotctl(&self, words: &[&str]) -> Result<String, Error> {
        let program = target().join("demo/slotctl");
        let ran = Command::new(&program)
            .args(words)
            .current_dir(&self.directory)
            .output()
            .map_err(Error::host(format!(
                "running {} (make demo-os)",
                program.display()
            )))?;
        if ran.status.success() {
            return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
        }
        Err(Error::Refused {
            command: format!("slotctl {}", words.join(" ")),
            answer: String::from_utf8_lossy(&ran.stderr).into_owned(),
        })
    }
}
