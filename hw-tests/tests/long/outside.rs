//! What comes from outside the signed image has no part in what starts.

use super::{PIPELINE, slot};
use bootshim::handover::Handover;
use controller::disk::Disk;
use controller::found::Found;
use hw_tests::machine::Machine;
use hw_tests::variables::{Store, Vendor};

/// A kernel would take all of it from its command line, an initrd on the ESP too.
const OPTIONS: &str = r"init=/bin/sh injected=1 initrd=\EFI\BOOT\BOOTX64.EFI";
const NUMBER: u16 = 0x99;

fn wide(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// `EFI_LOAD_OPTION` (UEFI specification, 3.1.3): starts the program of this name with
/// these options.
fn boot_entry(program: &str, options: &str) -> Vec<u8> {
    let name = wide(program);
    let name_len = u16::try_from(4 + name.len()).unwrap().to_le_bytes();
    // A file, and the end of its path.
    let path = [&[4, 4], &name_len[..], &name, &[0x7f, 0xff, 4, 0]].concat();
    let path_len = u16::try_from(path.len()).unwrap().to_le_bytes();
    let (active, words) = (1_u32.to_le_bytes(), wide("outside"));
    [&active[..], &path_len, &words, &path, &wide(options)].concat()
}

#[test]
fn the_options_of_a_boot_entry_do_not_reach_the_kernel() {
    let disk = PIPELINE.disk("outside.img", 512).unwrap();
    let entry = boot_entry(r"\EFI\BOOT\BOOTX64.EFI", OPTIONS);
    let mut store = Store::factory().unwrap();
    for (name, data) in [
        (format!("Boot{NUMBER:04X}"), entry.as_slice()),
        ("BootNext".into(), &NUMBER.to_le_bytes()),
    ] {
        store.set_at_runtime(&name, Vendor::GLOBAL, data).unwrap();
    }
    let settings = PIPELINE.directory().join("outside.fd");
    store.write(&settings).unwrap();
    let machine = Machine::new("outside").disk(&disk);
    let mut machine = machine.firmware_settings(settings).start().unwrap();
    let started = format!("BdsDxe: starting Boot{NUMBER:04X} \"outside\"");
    machine.says(&started);
    machine.says("starting slot a, version 1.0, as good");

    let line = machine.run("cat /proc/cmdline").unwrap().stdout;
    let opened = Disk::open(&disk).unwrap();
    let trust = controller::trust::keys(&opened).unwrap();
    let (record, _) = opened.read_record().unwrap();
    let found = Found::new(&opened, record, &trust);
    let signed = &found.manifest(slot("a")).unwrap().cmdline;
    let partition = opened.layout().slot(slot("a")).unwrap().id;
    let handover = Handover::parse(&line).unwrap();
    assert_eq!(line.trim_end(), handover.command_line(signed, partition));
}
