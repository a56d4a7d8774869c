//! `slotctl` as a contender: images, disks, installs.

use super::block::{self, Backing, Loop, Place};
use super::contender::{Contender, with_counters};
use super::{Error, Limit, System, Usage, Workdir};
use images::manifest::Kind;
use serde_json::Value;

/// For which machines the images are.
const COMPATIBLE: &str = "bench";
const COMMAND_LINE: &str = "root=PARTUUID={slot} ro";
/// The partition of the boot record, and that of slot a.
const RECORD: u32 = 2;
const SLOT_A: u32 = 3;
/// What a disk needs beside its slots: ESP, record, data, tables.
const BESIDE: u64 = 64;
/// What a slot needs beside its content: index and manifest.
const SPARE: u64 = 8;

/// The program that is measured; in a smoke run that of the demo OS, which `make
/// test` has built.
#[must_use]
pub fn program(workdir: &Workdir) -> String {
    let built = if workdir.is_smoke() {
        "demo/slotctl"
    } else {
        "release/slotctl"
    };
    crate::machine::target().join(built).display().to_string()
}

/// Makes the key, if there is none.
pub fn key(workdir: &Workdir) -> Result<(), Error> {
    if !workdir.path("bench.key").exists() {
        workdir.run(&[&program(workdir), "key", "generate", "--out", "bench"])?;
    }
    Ok(())
}

/// Builds an image of `[root, kernel, initrd]`.
pub fn build(
    workdir: &Workdir,
    parts: &[String; 3],
    version: &str,
    out: &str,
) -> Result<Usage, Error> {
    let [root, kernel, initrd] = parts;
    #[rustfmt::skip]
    let words = [
        &program(workdir), "image", "build",
        "--rootfs", root,
        "--kernel", kernel,
        "--initrd", initrd,
        "--cmdline", COMMAND_LINE,
        "--compatible", COMPATIBLE,
        "--version", version,
        "--key", "bench.key",
        "--quiet",
        "--out", out,
    ];
    Ok(workdir.measure(&words)?.0)
}

/// Builds the image of a system.
pub fn build_system(workdir: &Workdir, system: System) -> Result<Usage, Error> {
    let version = match system {
        System::Old => "1",
        System::New => "2",
    };
    build(workdir, &system.parts(), version, &system.image())
}

/// Makes the delta from old to new.
pub fn delta(workdir: &Workdir, out: &str) -> Result<Usage, Error> {
    let (old, new) = (System::Old.image(), System::New.image());
    #[rustfmt::skip]
    let words = [
        &program(workdir), "image", "delta",
        "--from", &old,
        "--to", &new,
        "--key", "bench.key",
        "--quiet",
        "--out", out,
    ];
    Ok(workdir.measure(&words)?.0)
}

/// A controller's disk file with two slots of `content` bytes and a little;
/// with an image, it is in slot a and good.
pub fn create_disk(
    workdir: &Workdir,
    file: &str,
    content: u64,
    image: Option<&str>,
) -> Result<u64, Error> {
    let slot = content.div_ceil(1 << 20).saturating_add(SPARE);
    let (size, slot_size) = (
        format!("{}MiB", slot.saturating_mul(2).saturating_add(BESIDE)),
        format!("{slot}MiB"),
    );
    let bootshim = crate::machine::target().join("bootshim/BOOTX64.EFI");
    let bootshim = bootshim.display().to_string();
    let program = program(workdir);
    let mut words = vec![&*program, "disk", "create", file, "--slots", "2"];
    words.extend(["--size", &size, "--slot-size", &slot_size]);
    words.extend(["--data-size", "16MiB", "--bootshim", &bootshim]);
    words.extend(["--trust", "bench.pub", "--compatible", COMPATIBLE]);
    words.extend(image.iter().flat_map(|image| ["--image", image]));
    workdir.run(&words)?;
    Ok(slot << 20)
}

/// What has to lie in a slot.
#[derive(Clone, Debug)]
pub struct Content {
    /// How long it is.
    length: u64,
    /// Files, and where each begins.
    files: Vec<(String, u64)>,
}

impl Content {
    /// That of an image which is only installed for its size.
    #[must_use]
    pub fn of_length(length: u64) -> Self {
        let files = Vec::new();
        Self { length, files }
    }

    /// That of a system's image: its parts, where the manifest says that they lie.
    pub fn of(workdir: &Workdir, system: System) -> Result<Self, Error> {
        let said = workdir.run(&[
            &program(workdir),
            "image",
            "show",
            &system.image(),
            "--json",
        ])?;
        let other = || Error::otherwise("slotctl image show", "three payloads", said.clone());
        let shown: Value = serde_json::from_str(&said).map_err(|_| other())?;
        let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
        let [root, kernel, _] = system.parts();
        let parts = [
            (Kind::Rootfs, root),
            (Kind::Kernel, kernel),
            (Kind::Initrd, system.unpacked()),
        ];
        let payloads = shown.get("payloads").and_then(Value::as_array);
        let mut files = Vec::new();
        for (kind, file) in parts {
            let is_it = |payload: &&Value| payload["kind"] == kind.to_string().as_str();
            let payload = payloads.into_iter().flatten().find(is_it);
            let payload = payload.ok_or_else(other)?;
            if number(payload, "length") != Some(workdir.length(&file)?) {
                return Err(other());
            }
            files.push((file, number(payload, "offset").ok_or_else(other)?));
        }
        let length = number(&shown, "content_length").ok_or_else(other)?;
        Ok(Self { length, files })
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Installs onto a controller's disk, each round as onto a slot that never held
/// anything of it.
#[derive(Debug)]
pub struct Ours {
    workdir: Workdir,
    source: String,
    expected: Content,
    device: Loop,
    slot: char,
    slot_size: u64,
    record: Vec<u8>,
    limit: Option<Limit>,
    /// What the last install said.
    pub said: Value,
}

impl Ours {
    /// Installs `source`, which gives `expected`, on a disk with nothing but
    /// bootshim; with `beside`, that image is in the other slot.
    pub fn new(
        workdir: &Workdir,
        place: Place,
        source: &str,
        expected: Content,
        beside: Option<&str>,
    ) -> Result<Self, Error> {
        let backing = Backing::new(workdir, place, "ours.disk")?;
        let slot_size = create_disk(workdir, &backing.word(), expected.length, beside)?;
        let device = Loop::attach(workdir, backing)?.with_partitions()?;
        let record = block::read(&device.partition(RECORD))?;
        Ok(Self {
            workdir: workdir.clone(),
            source: source.into(),
            expected,
            slot: if beside.is_some() { 'b' } else { 'a' },
            device,
            slot_size,
            record,
            limit: None,
            said: Value::Null,
        })
    }

    /// Slows its device down.
    pub fn limit(&mut self, rate: u64) -> Result<(), Error> {
        self.limit = Some(Limit::new(&self.device, rate)?);
        Ok(())
    }

    /// Installs something else from now on, with the same content.
    pub fn set_source(&mut self, source: &str) {
        self.source = source.into();
    }

    /// Sets the record back: nothing was ever installed by it.
    pub fn forget(&self) -> Result<(), Error> {
        block::write(&self.device.partition(RECORD), 0, &self.record)
    }

    /// The partition that is installed to.
    #[must_use]
    pub fn target(&self) -> String {
        let number = if self.slot == 'a' { SLOT_A } else { SLOT_A + 1 };
        self.device.partition(number)
    }

    /// A number of what the last install said.
    pub fn number(&self, field: &str) -> Result<u64, Error> {
        self.said
            .get(field)
            .and_then(Value::as_u64)
            .ok_or_else(|| Error::otherwise("slotctl install --json", field, self.said.to_string()))
    }
}

impl Contender for Ours {
    fn name(&self) -> &str {
        "slotctl"
    }

    fn prepare(&mut self) -> Result<(), Error> {
        self.forget()?;
        block::scrub(&self.target(), self.slot_size)
    }

    fn run(&mut self) -> Result<Usage, Error> {
        let (program, slot) = (program(&self.workdir), self.slot.to_string());
        #[rustfmt::skip]
        let words = [
            &program, "install", &self.source,
            "--disk", self.device.node(),
            "--slot", &slot,
            "--json",
        ];
        let before = self.device.counters()?;
        let (usage, said) = match &self.limit {
            None => self.workdir.measure(&words)?,
            Some(limit) => {
                let words = limit.around(&words);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.workdir.measure(&words)?
            }
        };
        let last = said.lines().last().unwrap_or_default();
        self.said = serde_json::from_str(last)
            .map_err(|error| Error::otherwise("slotctl install", error.to_string(), last))?;
        Ok(with_counters(usage, before, self.device.counters()?))
    }

    fn check(&mut self) -> Result<(), Error> {
        let target = self.target();
        for (file, at) in &self.expected.files {
            same(&self.workdir, file, &target, *at)?;
        }
        Ok(())
    }
}

/// Whether the bytes of a file lie on a device from `at` on.
pub fn same(workdir: &Workdir, file: &str, node: &str, at: u64) -> Result<(), Error> {
    let length = workdir.length(file)?.to_string();
    let skip = format!("--ignore-initial=0:{at}");
    workdir
        .run(&["cmp", &skip, "--bytes", &length, file, node])
        .map(drop)
}
