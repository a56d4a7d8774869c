//! In what machines differ: processor, chipset, firmware.

use std::path::Path;

/// A machine's board and the firmware on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// A PC (q35) with OVMF and a [`super::Watchdog`].
    Pc,
    /// An arm64 board (virt) with U-Boot, which keeps no variables, and an i6300esb.
    Uboot,
    /// An arm64 board (virt) with EDK2 (AAVMF), its variable store, and an i6300esb.
    Aavmf,
}

/// The words that a 64-bit Arm machine begins with. The oldest model that QEMU
/// has is the fastest to emulate.
const VIRT: &[&str] = &[
    "-machine",
    "virt,accel=tcg",
    "-cpu",
    "cortex-a57",
    "-m",
    "512",
    "-device",
    "i6300esb",
    "-action",
    "watchdog=reset",
    "-serial",
    "chardev:console",
    "-device",
    "pci-serial,chardev=shell",
];

impl Board {
    /// The emulator.
    pub(super) fn program(self) -> &'static str {
        match self {
            Board::Pc => "qemu-system-x86_64",
            Board::Uboot | Board::Aavmf => "qemu-system-aarch64",
        }
    }

    /// Processor, chipset and serial ports. A virt board has only one
    /// port of its own: the root shell's is a PCI card.
    pub(super) fn hardware(self) -> Vec<&'static str> {
        match self {
            // Emulated on purpose: nested KVM often cannot run this firmware, and
            // the same machine everywhere takes the same time everywhere. A newer
            // model than Nehalem starts a second later. With much more room for
            // translated code than that a warm reset takes the firmware half a minute.
            #[rustfmt::skip]
            Board::Pc => vec![
                "-machine", "q35", "-accel", "tcg,tb-size=192", "-cpu", "Nehalem", "-m", "256",
                "-action", "watchdog=reset",
                "-serial", "chardev:console", "-serial", "chardev:shell",
            ],
            Board::Uboot | Board::Aavmf => VIRT.to_vec(),
        }
    }

    /// The firmware's program, as QEMU is told of it.
    pub(super) fn firmware(self) -> [&'static str; 2] {
        match self {
            Board::Pc => [
                "-drive",
                "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
            ],
            Board::Uboot => ["-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"],
            Board::Aavmf => [
                "-drive",
                "if=pflash,format=raw,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd",
            ],
        }
    }

    /// The factory's state of its variable store, and the package that has it;
    /// nothing where it keeps none.
    pub(super) fn variables(self) -> Option<(&'static Path, &'static str)> {
        match self {
            Board::Pc => Some((Path::new("/usr/share/OVMF/OVMF_VARS_4M.fd"), "ovmf")),
            Board::Uboot => None,
            Board::Aavmf => Some((
                Path::new("/usr/share/AAVMF/AAVMF_VARS.fd"),
                "qemu-efi-aarch64",
            )),
        }
    }

    /// The folder of the demo OS that it starts, under `target`.
    #[must_use]
    pub fn demo_os(self) -> &'static str {
        match self {
            Board::Pc => "demo-os",
            Board::Uboot | Board::Aavmf => "demo-os-arm64",
        }
    }

    /// The file name of bootshim for it.
    #[must_use]
    pub fn bootshim(self) -> &'static str {
        match self {
            Board::Pc => "BOOTX64.EFI",
            Board::Uboot | Board::Aavmf => "BOOTAA64.EFI",
        }
    }

    /// What the kernel calls its first serial port.
    #[must_use]
    pub fn console(self) -> &'static str {
        match self {
            Board::Pc => "ttyS0",
            Board::Uboot | Board::Aavmf => "ttyAMA0",
        }
    }
}
