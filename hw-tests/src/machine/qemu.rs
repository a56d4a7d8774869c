//! How a machine is described to QEMU.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Board;

/// The descriptors at which QEMU finds its lines to this program.
pub(super) const CONSOLE_FD: i32 = 10;
pub(super) const SHELL_FD: i32 = 11;
pub(super) const QMP_FD: i32 = 12;
/// The descriptor of its line to a [`super::VolatileDisk`] or a
/// [`super::CountedDisk`].
pub(super) const DISK_FD: i32 = 13;
/// The descriptor of its line to a [`super::Tpm`].
pub(super) const TPM_FD: i32 = 14;

/// What is behind the disk.
#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// A disk image.
    Image(PathBuf),
    /// A disk image that stands still after so many bytes were read.
    Stalling { image: PathBuf, after: u64 },
    /// A disk image, and a file with a log of all writes to it.
    Logged { image: PathBuf, log: PathBuf },
    /// A disk image, and a byte in the one sector that cannot be read.
    Failing { image: PathBuf, at: u64 },
    /// The server at the other end of [`DISK_FD`].
    Served(Arc<OwnedFd>),
}

/// How the disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk.
    Virtio,
    /// NVMe.
    Nvme,
    /// SATA at the chipset's AHCI controller (512-byte sectors only).
    Ahci,
}

/// What makes of the line at [`TPM_FD`] a TPM of the machine.
pub(super) fn tpm() -> [String; 6] {
    [
        "-chardev".into(),
        format!("socket,id=tpm,fd={TPM_FD}"),
        "-tpmdev".into(),
        "emulator,id=tpm0,chardev=tpm".into(),
        "-device".into(),
        "tpm-tis,tpmdev=tpm0".into(),
    ]
}

/// The arguments for a machine with the disk `disk`, and before it `twin`, from which
/// it does not start; whose firmware keeps its settings in `variables` (if it keeps
/// any), and whose port `production` is forwarded.
pub(super) fn arguments(
    board: Board,
    (disk, twin): (Option<&Backend>, Option<&Path>),
    bus: Bus,
    sector_size: u32,
    variables: Option<&Path>,
    production: u16,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    add(&["-nodefaults", "-display", "none", "-no-user-config"]);
    add(&board.firmware());
    for (name, fd) in [
        ("console", CONSOLE_FD),
        ("shell", SHELL_FD),
        ("qmp", QMP_FD),
    ] {
        add(&["-chardev", &format!("socket,id={name},fd={fd}")]);
    }
    add(&board.hardware());
    add(&["-mon", "chardev=qmp,mode=control"]);
    // The emulated processor has no source of randomness, and the kernel would
    // wait for seconds until it has gathered some.
    add(&["-device", "virtio-rng-pci"]);
    // Any free port of the host. No option ROM, so that the firmware does not
    // try to start from the network.
    add(&[
        "-netdev",
        &format!("user,id=net,hostfwd=tcp:127.0.0.1:0-10.0.2.15:{production}"),
    ]);
    add(&["-device", "virtio-net-pci,netdev=net,romfile="]);
    if twin.is_some() {
        add(&["-device", "virtio-blk-pci,drive=twin"]);
    }
    if disk.is_some() {
        let device = match bus {
            Bus::Virtio => "virtio-blk-pci",
            Bus::Nvme => "nvme,serial=slotctl",
            Bus::Ahci => "ide-hd,bus=ide.0",
        };
        let sizes = format!("logical_block_size={sector_size},physical_block_size={sector_size}");
        add(&[
            "-device",
            &format!("{device},drive=disk,bootindex=0,{sizes}"),
        ]);
    }
    if let Some(variables) = variables {
        arguments.push("-drive".into());
        arguments.push(drive("if=pflash,format=raw,file=", variables));
    }
    if let Some(twin) = twin {
        arguments.push("-drive".into());
        arguments.push(drive("if=none,id=twin,format=raw,cache=unsafe,file=", twin));
    }
    arguments.extend(disk.map(disk_arguments).unwrap_or_default());
    arguments
}

fn disk_arguments(disk: &Backend) -> Vec<OsString> {
    // Ending QEMU loses nothing in any cache mode, so that the host's flushes
    // would only cost time.
    let file =
        |options: &str, path| drive(&format!("driver=file,cache.no-flush=on,{options}"), path);
    let image_with = |options: &str, path| {
        let options = format!("if=none,id=disk,format=raw,cache=unsafe,{options}file=");
        vec!["-drive".into(), drive(&options, path)]
    };
    match disk {
        Backend::Image(image) => image_with("", image),
        // So many bytes at once, and then one each second.
        Backend::Stalling { image, after } => {
            let slow = format!("throttling.bps-read=1,throttling.bps-read-max={after},");
            image_with(&slow, image)
        }
        Backend::Logged { image, log } => vec![
            "-blockdev".into(),
            file("node-name=image,filename=", image),
            "-blockdev".into(),
            file("node-name=log,filename=", log),
            "-blockdev".into(),
            "driver=blklogwrites,node-name=disk,file=image,log=log,log-sector-size=512".into(),
        ],
        Backend::Failing { image, at } => vec![
            "-blockdev".into(),
            file("node-name=image,filename=", image),
            "-blockdev".into(),
            format!(
                "driver=blkdebug,node-name=disk,image=image,inject-error.0.event=none,\
                 inject-error.0.iotype=read,inject-error.0.sector={}",
                at / 512
            )
            .into(),
        ],
        Backend::Served(_) => vec![
            "-blockdev".into(),
            format!("driver=nbd,node-name=disk,server.type=fd,server.str={DISK_FD}").into(),
        ],
    }
}

/// An option that ends in a path, in which QEMU wants commas doubled.
pub(super) fn drive(options: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(options);
    argument.push(path.to_string_lossy().replace(',', ",,"));
    argument
}
