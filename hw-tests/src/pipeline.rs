//! An image pipeline as a customer has one: keys, images and disks, made by `slotctl`
//! before a machine is switched on.

use crate::machine::{Board, Builder, Error, Machine, target};
use crate::secure_boot::Owner;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel's command line in every image, but for its console.
const COMMAND_LINE: &str =
    "root=/dev/mapper/slotctl-root ro quiet panic=0 mitigations=off cryptomgr.notests";
/// bootshim as the owner signed it, in the pipeline's folder.
pub const SIGNED_BOOTSHIM: &str = "bootshim.signed.efi";

/// What is in the images: each has four versions, of which the third's production does
/// not start, and the fourth hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// The demo OS of `images/demo`.
    Demo,
    /// The Debian of `images/debian`, on a PC.
    Debian,
}

impl Os {
    /// For which machines it is.
    fn compatible(self) -> &'static str {
        match self {
            Os::Demo => "demo-plc",
            Os::Debian => "debian-plc",
        }
    }

    /// The check that fails in version 3.
    #[must_use]
    pub fn failing_check(self) -> &'static str {
        match self {
            Os::Demo => "health",
            Os::Debian => "database",
        }
    }

    /// How long the watchdog waits from before the kernel until something pets it: twice
    /// what that takes on a machine with other work, since a test of a hang waits for it.
    fn watchdog(self) -> &'static str {
        match self {
            Os::Demo => "1min",
            Os::Debian => "2min",
        }
    }

    fn disk_size(self) -> &'static str {
        match self {
            Os::Demo => "256MiB",
            Os::Debian => "4GiB",
        }
    }
}

/// Keys and four versions of an OS.
#[derive(Debug)]
pub struct Pipeline {
    directory: PathBuf,
    board: Board,
    os: Os,
    /// Where Secure Boot is on: whose it is, and the settings of the firmware.
    secure: Option<(Owner, PathBuf)>,
}

impl Pipeline {
    /// Makes a key, and signs the four versions with it, in a folder of its own
    /// under `target/pipelines`.
    pub fn new(name: &str) -> Result<Pipeline, Error> {
        Pipeline::of(name, Board::Pc)
    }

    /// As [`Self::new`], for machines with this board.
    pub fn of(name: &str, board: Board) -> Result<Pipeline, Error> {
        let pipeline = Pipeline::empty(name, board, Os::Demo)?;
        pipeline.build_versions(1..=4, "vmlinuz")?;
        Ok(pipeline)
    }

    /// As [`Self::new`], with these versions of Debian.
    pub fn of_debian(name: &str, versions: RangeInclusive<u32>) -> Result<Pipeline, Error> {
        let pipeline = Pipeline::empty(name, Board::Pc, Os::Debian)?;
        pipeline.build_versions(versions, "vmlinuz")?;
        Ok(pipeline)
    }

    /// As [`Self::new`], with these versions, for machines whose firmware starts
    /// only what the owner signed: the kernel is, and bootshim, once it had
    /// the trusted key in.
    pub fn with_secure_boot(name: &str, versions: RangeInclusive<u32>) -> Result<Pipeline, Error> {
        let mut pipeline = Pipeline::empty(name, Board::Pc, Os::Demo)?;
        let owner = Owner::new(&pipeline.directory)?;
        pipeline.bootshim_trusting(&["release"], "trusting.efi")?;
        owner.sign("db", "trusting.efi", SIGNED_BOOTSHIM)?;
        owner.sign("db", &pipeline.part("vmlinuz"), "vmlinuz.signed")?;
        pipeline.build_versions(versions, "vmlinuz.signed")?;
        let settings = owner.settings("settings.fd")?;
        pipeline.secure = Some((owner, settings));
        Ok(pipeline)
    }

    /// A folder with a key, and nothing made with it.
    fn empty(name: &str, board: Board, os: Os) -> Result<Pipeline, Error> {
        let directory = target().join("pipelines").join(name);
        let failed = || Error::host(format!("the folder {}", directory.display()));
        if directory.exists() {
            std::fs::remove_dir_all(&directory).map_err(failed())?;
        }
        std::fs::create_dir_all(&directory).map_err(failed())?;
        let pipeline = Pipeline {
            directory,
            board,
            os,
            secure: None,
        };
        pipeline.slotctl(&["key", "generate", "--out", "release"])?;
        Ok(pipeline)
    }

    /// Whose Secure Boot it is, where it has any.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        self.secure.as_ref().map(|(owner, _)| owner)
    }

    /// A machine with what it made, to be described.
    #[must_use]
    pub fn machine(&self, name: &str) -> Builder {
        let machine = Machine::new(name).board(self.board);
        let machine = match self.os {
            Os::Demo => machine,
            Os::Debian => machine.memory(self.memory()).slowness(5),
        };
        match &self.secure {
            Some((_, settings)) => machine.firmware_settings(settings),
            None => machine,
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The MiB of memory that a PC with its OS has.
    #[must_use]
    pub fn memory(&self) -> u32 {
        match self.os {
            Os::Demo => 256,
            Os::Debian => 1024,
        }
    }

    /// What is in its images.
    #[must_use]
    pub fn os(&self) -> Os {
        self.os
    }

    /// The file name of an image.
    #[must_use]
    pub fn image(version: u32) -> String {
        format!("v{version}.slotimg")
    }

    fn build_versions(&self, versions: RangeInclusive<u32>, kernel: &str) -> Result<(), Error> {
        // In the pipeline's folder where it was signed there.
        let signed = self.directory.join(kernel);
        let kernel = if signed.exists() {
            signed.display().to_string()
        } else {
            self.part(kernel)
        };
        for version in versions {
            let starts = ["--kernel", &kernel, "--initrd", &self.part("initrd.img")];
            self.build(version, &starts, "release.key", &Pipeline::image(version))?;
        }
        Ok(())
    }

    /// Builds `image` of a version's root, with what is started of it.
    pub fn build(
        &self,
        version: u32,
        starts: &[&str],
        key: &str,
        image: &str,
    ) -> Result<(), Error> {
        let root = self.part(&format!("root-v{version}.erofs"));
        let number = format!("{version}.0");
        let own = match self.os {
            Os::Demo => "",
            // Else systemd mounts the ESP, and a new bootshim cannot be put there.
            Os::Debian => " rootfstype=erofs systemd.gpt_auto=0",
        };
        let command_line = format!("{COMMAND_LINE}{own} console={}", self.board.console());
        #[rustfmt::skip]
        let words = [
            "image", "build",
            "--rootfs", &root,
            "--cmdline", &command_line,
            "--watchdog", self.os.watchdog(),
            "--compatible", self.os.compatible(),
            "--version", &number,
            "--key", key,
            "--out", image,
        ];
        self.slotctl(&[words.as_slice(), starts].concat()).map(drop)
    }

    /// A factory's disk with version 1 in slot a, good.
    pub fn disk(&self, name: &str, sector: u32) -> Result<PathBuf, Error> {
        let bootshim = self.bootshim();
        let program: &[&str] = match self.secure {
            Some(_) => &["--bootshim", SIGNED_BOOTSHIM],
            None => &["--bootshim", &bootshim, "--trust", "release.pub"],
        };
        self.disk_of(name, sector, program, &Pipeline::image(1))
    }

    /// A factory's disk with this program on its ESP and this image in slot a,
    /// good.
    pub fn disk_of(
        &self,
        name: &str,
        sector: u32,
        program: &[&str],
        image: &str,
    ) -> Result<PathBuf, Error> {
        let sector = sector.to_string();
        #[rustfmt::skip]
        let words = [
            "disk", "create", name,
            "--size", self.os.disk_size(),
            "--sector-size", &sector,
            "--image", image,
        ];
        self.slotctl(&[words.as_slice(), program].concat())?;
        Ok(self.directory.join(name))
    }

    /// A bootshim that trusts the keys of these names, in a file of the pipeline's folder.
    pub fn bootshim_trusting(&self, keys: &[&str], out: &str) -> Result<(), Error> {
        let built = self.bootshim();
        let public: Vec<String> = keys.iter().map(|key| format!("{key}.pub")).collect();
        let trusted = public.iter().flat_map(|key| ["--trust", key]);
        let mut words = vec!["bootshim", "trust", &built, "--out", out];
        words.extend(trusted);
        self.slotctl(&words).map(drop)
    }

    /// Builds version 2, `NAME.slotimg`, which brings another bootshim than the
    /// factory's, `NAME.efi`: it trusts one key more.
    pub fn build_renewing(&self, name: &str) -> Result<(), Error> {
        self.slotctl(&["key", "generate", "--out", name])?;
        let (program, image) = (format!("{name}.efi"), format!("{name}.slotimg"));
        self.bootshim_trusting(&["release", name], &program)?;
        self.build_bringing(&program, &self.part("vmlinuz"), &image)
    }

    /// Builds version 2 with this kernel, bringing this bootshim.
    pub fn build_bringing(&self, bootshim: &str, kernel: &str, image: &str) -> Result<(), Error> {
        let initrd = self.part("initrd.img");
        #[rustfmt::skip]
        let starts = ["--kernel", kernel, "--initrd", &initrd, "--bootshim", bootshim];
        self.build(2, &starts, "release.key", image)
    }

    /// Runs `slotctl` in the pipeline's folder, and gives what it printed.
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
        Err(Error::Command {
            command: format!("slotctl {}", words.join(" ")),
            said: String::from_utf8_lossy(&ran.stderr).into_owned(),
        })
    }

    /// As [`Self::slotctl`], on this disk.
    pub fn slotctl_on(&self, disk: &Path, words: &[&str]) -> Result<String, Error> {
        let disk = disk.display().to_string();
        self.slotctl(&[&["--disk", &disk], words].concat())
    }

    /// bootshim as it was built.
    fn bootshim(&self) -> String {
        let built = target().join("bootshim").join(self.board.bootshim());
        built.display().to_string()
    }

    /// A part of its OS.
    #[must_use]
    pub fn part(&self, name: &str) -> String {
        let folder = target().join(match self.os {
            Os::Demo => self.board.demo_os(),
            Os::Debian => "debian",
        });
        folder.join(name).display().to_string()
    }
}
