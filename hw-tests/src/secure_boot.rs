//! The owner of a machine with Secure Boot: the keys PK, KEK and db, programs
//! signed with them, and the settings of a firmware in which they are enrolled.
//! All of it by `openssl`, `sbsign` and `objcopy`, as docs/pipeline.md says.

use crate::machine::Error;
use crate::variables::{Store, Vendor};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's (package systemd-boot-efi).
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Where the parts of a UKI lie behind the stub: far enough from each other for
/// kernel and initrd of the demo OS.
const KERNEL_AT: &str = ".linux=0x2000000";
const INITRD_AT: &str = ".initrd=0x3000000";

/// Somebody with keys of their own, which lie in a folder.
#[derive(Debug)]
pub struct Owner {
    directory: PathBuf,
}

impl Owner {
    /// Makes `PK`, `KEK` and `db` in `directory`, each a `.key` and a
    /// certificate, `.crt`.
    pub fn new(directory: &Path) -> Result<Owner, Error> {
        let owner = Owner {
            directory: directory.to_path_buf(),
        };
        for name in ["PK", "KEK", "db"] {
            owner.make_key(name)?;
        }
        Ok(owner)
    }

    /// One more key, which no firmware knows.
    pub fn make_key(&self, name: &str) -> Result<(), Error> {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let subject = format!("/CN=Plant owner {name}");
        #[rustfmt::skip]
        let words = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650",
            "-subj", &subject, "-keyout", &key, "-out", &certificate,
        ];
        self.run("openssl", &words)
    }

    /// Signs the program `input` with the key `name`.
    pub fn sign(&self, name: &str, input: &str, output: &str) -> Result<(), Error> {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        #[rustfmt::skip]
        let words = ["--key", &key, "--cert", &certificate, "--output", output, input];
        self.run("sbsign", &words)
    }

    /// Whether the certificate `name` finds the signature of `program` right.
    pub fn verify(&self, name: &str, program: &str) -> Result<(), Error> {
        self.run("sbverify", &["--cert", &format!("{name}.crt"), program])
    }

    /// Kernel and initrd as one program with systemd's stub, without a command
    /// line of its own.
    pub fn unify(&self, kernel: &str, initrd: &str, output: &str) -> Result<(), Error> {
        #[rustfmt::skip]
        let words = [
            "--add-section", &format!(".linux={kernel}"), "--change-section-vma", KERNEL_AT,
            "--add-section", &format!(".initrd={initrd}"), "--change-section-vma", INITRD_AT,
            STUB, output,
        ];
        self.run("objcopy", &words)
    }

    /// The settings of a firmware in which the three keys are enrolled.
    pub fn settings(&self, name: &str) -> Result<PathBuf, Error> {
        self.write(name, &self.enrolled()?)
    }

    /// As [`Self::settings`], with what shim keeps of the generations that it no
    /// longer starts (rhboot/shim, `SBAT.md`): the last line of `SbatLevel`. Its
    /// date is later than that of any level which shim brings itself.
    pub fn settings_with_sbat_level(&self, name: &str, line: &str) -> Result<PathBuf, Error> {
        let mut store = self.enrolled()?;
        let level = format!("sbat,1,2099010100\n{line}\n");
        store.set_for_boot("SbatLevel", Vendor::SHIM, level.as_bytes())?;
        self.write(name, &store)
    }

    fn enrolled(&self) -> Result<Store, Error> {
        let mut store = Store::factory()?;
        for (variable, vendor) in [
            ("PK", Vendor::GLOBAL),
            ("KEK", Vendor::GLOBAL),
            ("db", Vendor::IMAGE_SECURITY),
        ] {
            store.enroll(variable, vendor, &self.certificate(variable)?)?;
        }
        Ok(store)
    }

    fn write(&self, name: &str, store: &Store) -> Result<PathBuf, Error> {
        let path = self.directory.join(name);
        store.write(&path)?;
        Ok(path)
    }

    /// A certificate as firmware keeps it.
    fn certificate(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (pem, der) = (format!("{name}.crt"), format!("{name}.der"));
        self.run(
            "openssl",
            &["x509", "-in", &pem, "-outform", "DER", "-out", &der],
        )?;
        let path = self.directory.join(der);
        std::fs::read(&path).map_err(Error::host(path.display().to_string()))
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<(), Error> {
        let ran = Command::new(program)
            .args(words)
            .current_dir(&self.directory)
            .output()
            .map_err(Error::host(format!("running {program} (make setup)")))?;
        if ran.status.success() {
            return Ok(());
        }
        Err(Error::Command {
            command: format!("{program} {}", words.join(" ")),
            said: String::from_utf8_lossy(&ran.stderr).into_owned(),
        })
    }
}
