//! RAUC, SWUpdate, and what a shell does, as contenders: the same bytes onto a
//! device of the same kind, each with the settings that serve it best.

use super::block::{self, Backing, Loop, Place};
use super::contender::{Contender, with_counters, with_service};
use super::ours::same;
use super::workdir::{Service, wait_until};
use super::{Error, System, Usage, Workdir};
use std::fs;

/// The folder of what the peers install.
const FOLDER: &str = "peers";
/// RAUC's bundle.
const BUNDLE: &str = "peers/new.raucb";
const UPDATE: &str = "peers/new.swu";
const PACKED: &str = "peers/new.bin.zst";
/// How RAUC's bundles are packed by default: gzip.
const DEFAULT: &str = "";
/// How RAUC installs fastest.
const FAST: &str = "-comp zstd -Xcompression-level 3 -b 1M";
/// The version that SWUpdate takes for its hardware.
const HARDWARE: &str = "bench:1.0";

/// Makes key, certificate, and what each peer installs.
pub fn make(workdir: &Workdir) -> Result<(), Error> {
    workdir.empty(FOLDER)?;
    #[rustfmt::skip]
    workdir.run(&[
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
        "-subj", "/O=bench/CN=bench", "-keyout", "peers/key.pem", "-out", "peers/cert.pem",
    ])?;
    let whole = System::New.whole();
    workdir.run(&["zstd", "-q", "-3", "-T0", "-f", &whole, "-o", PACKED])?;
    workdir.empty("peers/bundle")?;
    let linked = workdir.path("peers/bundle/system.img");
    fs::hard_link(workdir.path(&whole), linked).map_err(Error::host("peers/bundle"))?;
    let manifest = "[update]\ncompatible=bench\nversion=2\n[bundle]\nformat=plain\n\
                    [image.rootfs]\nfilename=system.img\n";
    workdir.write("peers/bundle/manifest.raucm", manifest)?;
    bundle(workdir, FAST, BUNDLE).map(drop)
}

/// Builds RAUC's bundle as it does by default, or as it installs fastest.
pub fn build(workdir: &Workdir, fast: bool) -> Result<Usage, Error> {
    let settings = if fast { FAST } else { DEFAULT };
    bundle(workdir, settings, "peers/built.raucb")
}

fn bundle(workdir: &Workdir, settings: &str, out: &str) -> Result<Usage, Error> {
    workdir.remove(out)?;
    let arguments = format!("--mksquashfs-args={settings}");
    let mut words = vec!["rauc", "--cert=peers/cert.pem", "--key=peers/key.pem"];
    words.extend(["bundle", "peers/bundle", out]);
    if !settings.is_empty() {
        words.push(&arguments);
    }
    Ok(workdir.measure(&words)?.0)
}

/// A device for one who writes raw bytes to it.
fn device(workdir: &Workdir, place: Place, name: &str) -> Result<(Loop, u64), Error> {
    let length = workdir.length(&System::New.whole())?;
    let size = length.next_multiple_of(1 << 20);
    let backing = Backing::new(workdir, place, name)?;
    backing.create(size)?;
    Ok((Loop::attach(workdir, backing)?, size))
}

/// RAUC, with a D-Bus of its own.
#[derive(Debug)]
pub struct Rauc {
    workdir: Workdir,
    device: Loop,
    size: u64,
    /// Where its D-Bus is, as a variable of the environment.
    bus: String,
    _running: Loop,
    _daemon: Service,
    service: Option<Service>,
}

impl Rauc {
    /// It, with a slot on a device of `place`.
    pub fn new(workdir: &Workdir, place: Place) -> Result<Self, Error> {
        let (device, size) = device(workdir, place, "rauc.slot")?;
        let backing = Backing::new(workdir, place, "rauc.running")?;
        backing.create(1 << 20)?;
        let running = Loop::attach(workdir, backing)?;
        let socket = workdir.path("peers/bus");
        workdir.remove("peers/bus")?;
        let bus = format!("unix:path={}", socket.display());
        workdir.write("peers/bus.conf", &bus_settings(&bus))?;
        workdir.empty("peers/mounts")?;
        let (cert, mounts) = (workdir.word("peers/cert.pem"), workdir.word("peers/mounts"));
        let system = format!(
            "[system]\ncompatible=bench\nbootloader=noop\nbundle-formats=plain\n\
             mountprefix={mounts}\n[keyring]\npath={cert}\n\
             [slot.rootfs.0]\ndevice={}\ntype=raw\nbootname=A\n\
             [slot.rootfs.1]\ndevice={}\ntype=raw\nbootname=B\n",
            running.node(),
            device.node()
        );
        workdir.write("peers/system.conf", &system)?;
        let words = ["dbus-daemon", "--config-file=peers/bus.conf", "--nofork"];
        let daemon = workdir.start(&words, "peers/bus.log")?;
        wait_until("dbus-daemon", || socket.exists())?;
        Ok(Self {
            workdir: workdir.clone(),
            device,
            size,
            bus: format!("DBUS_SYSTEM_BUS_ADDRESS={bus}"),
            _running: running,
            _daemon: daemon,
            service: None,
        })
    }
}

impl Contender for Rauc {
    fn name(&self) -> &str {
        "RAUC"
    }

    fn prepare(&mut self) -> Result<(), Error> {
        block::scrub(self.device.node(), self.size)?;
        self.service = None;
        let mut ask = vec!["env", &self.bus, "dbus-send", "--system", "--print-reply"];
        ask.extend(["--dest=org.freedesktop.DBus", "/"]);
        ask.push("org.freedesktop.DBus.GetNameOwner");
        ask.push("string:de.pengutronix.rauc");
        // The last one has to be gone, or it would be taken for this one.
        wait_until("dbus-daemon", || self.workdir.run(&ask).is_err())?;
        let mut words = vec![
            "env",
            &self.bus,
            "rauc",
            "--conf=peers/system.conf",
            "service",
        ];
        words.push("--override-boot-slot=A");
        let service = self.workdir.start(&words, "peers/service.log")?;
        wait_until("rauc service", || self.workdir.run(&ask).is_ok())?;
        self.service = Some(service);
        Ok(())
    }

    fn run(&mut self) -> Result<Usage, Error> {
        let service = self
            .service
            .as_ref()
            .ok_or_else(|| Error::otherwise("RAUC", "a service", "none"))?;
        let bundle = self.workdir.word(BUNDLE);
        let (cpu, _) = service.usage()?;
        let before = self.device.counters()?;
        let words = ["env", &self.bus, "rauc", "install", &bundle];
        let (usage, _) = self.workdir.measure(&words)?;
        let (after, peak) = service.usage()?;
        let usage = with_service(usage, after.saturating_sub(cpu), peak);
        Ok(with_counters(usage, before, self.device.counters()?))
    }

    fn check(&mut self) -> Result<(), Error> {
        same(&self.workdir, &System::New.whole(), self.device.node(), 0)
    }
}

fn bus_settings(address: &str) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>\n\
         <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\n\
         <allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>\n"
    )
}

/// A command that writes raw bytes to a device of its own.
#[derive(Debug)]
pub struct Writer {
    name: &'static str,
    workdir: Workdir,
    device: Loop,
    size: u64,
    words: Vec<String>,
}

impl Writer {
    /// SWUpdate, with a device of `place`; its update names the device.
    pub fn swupdate(workdir: &Workdir, place: Place) -> Result<Self, Error> {
        let (device, size) = device(workdir, place, "swupdate.slot")?;
        let said = workdir.run(&["sha256sum", PACKED])?;
        let hash = said.split_whitespace().next().unwrap_or_default();
        let description = format!(
            "software = {{ version = \"2\"; hardware-compatibility: [\"1.0\"];\n\
             images: ({{ filename = \"new.bin.zst\"; type = \"raw\"; device = \"{}\";\n\
             compressed = \"zstd\"; installed-directly = true; sha256 = \"{hash}\"; }}); }};\n",
            device.node()
        );
        workdir.write("peers/sw-description", &description)?;
        #[rustfmt::skip]
        workdir.run(&[
            "openssl", "cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER",
            "-signer", "peers/cert.pem", "-inkey", "peers/key.pem",
            "-in", "peers/sw-description", "-out", "peers/sw-description.sig",
        ])?;
        let names = "printf 'sw-description\\nsw-description.sig\\nnew.bin.zst\\n'";
        let pack = format!("cd {FOLDER} && {names} | cpio --quiet -o -H crc >new.swu");
        workdir.run(&["sh", "-c", &pack])?;
        let words = [
            "swupdate",
            "-H",
            HARDWARE,
            "-k",
            "peers/cert.pem",
            "-i",
            UPDATE,
        ];
        Ok(Self {
            name: "SWUpdate",
            workdir: workdir.clone(),
            device,
            size,
            words: words.map(String::from).to_vec(),
        })
    }

    /// `zstd | dd`, and `dd` to read back: no check of any kind.
    ///
    /// # Errors
    /// Without root.
    pub fn zstd_dd(workdir: &Workdir, place: Place) -> Result<Self, Error> {
        let (device, size) = device(workdir, place, "shell.slot")?;
        let node = device.node();
        let length = workdir.length(&System::New.whole())?;
        let script = format!(
            "zstd -dcq {PACKED} | dd of={node} oflag=direct iflag=fullblock bs=1M status=none && \
             dd if={node} iflag=direct,count_bytes bs=1M count={length} of=/dev/null status=none"
        );
        Ok(Self {
            name: "zstd | dd, dd",
            workdir: workdir.clone(),
            words: vec!["sh".into(), "-c".into(), script],
            device,
            size,
        })
    }
}

impl Contender for Writer {
    fn name(&self) -> &str {
        self.name
    }

    fn prepare(&mut self) -> Result<(), Error> {
        block::scrub(self.device.node(), self.size)
    }

    fn run(&mut self) -> Result<Usage, Error> {
        let before = self.device.counters()?;
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let (usage, _) = self.workdir.measure(&words)?;
        Ok(with_counters(usage, before, self.device.counters()?))
    }

    fn check(&mut self) -> Result<(), Error> {
        same(&self.workdir, &System::New.whole(), self.device.node(), 0)
    }
}
