//! Building: what comes out, and what is refused.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use images::build::{Boot, BuildError, Inputs, Warning, build};
use images::manifest::Kind;
use images::{ALIGN, PIECE_MAX};

use crate::sample::{Sample, archive, head_of, key, noise, verify_file};

fn refusal(inputs: &Inputs, sample: &Sample) -> BuildError {
    let before = sample.names();
    let error = build(inputs, &sample.path("out.slotimg"), &|_, _| {}).unwrap_err();
    assert_eq!(sample.names(), before, "something was left behind");
    error
}

#[test]
fn what_was_built_verifies_and_says_what_was_asked_for() {
    let sample = Sample::new();
    let (path, built) = sample.build();
    let head = verify_file(&path).unwrap();
    assert_eq!(head.manifest, built.manifest);
    assert_eq!(head.digest, built.digest);
    assert_eq!(head.signed_by, [key().public().id()]);
    assert_eq!(fs::metadata(&path).unwrap().len(), built.file_length);
    let manifest = head.manifest;
    assert_eq!(manifest.compatible, "plc-4");
    assert_eq!(manifest.version, "1.2.3-1");
    assert_eq!(manifest.security_version, 4);
    assert_eq!((manifest.record_major, manifest.record_minor), (1, 0));
    assert_eq!(manifest.payload(Kind::Kernel).unwrap().length, 9000);
}

#[test]
fn payloads_lie_one_behind_the_other_at_4_kib_and_begin_a_piece_each() {
    let sample = Sample::new();
    let head = head_of(&sample.bytes());
    let offsets = head.manifest.payloads.iter().map(|payload| payload.offset);
    let pieces = head.index.pieces();
    for offset in offsets {
        assert!(offset.is_multiple_of(ALIGN));
        assert!(pieces.iter().any(|piece| piece.offset == offset));
    }
    let lengths: Vec<u32> = pieces.iter().map(|piece| piece.length).collect();
    let rest = 2_300_000_u32.next_multiple_of(4096) - 2 * PIECE_MAX;
    // Of the tree: superblock, root, and the hashes of 562 blocks.
    let tree = (1 + 1 + 5) * 4096;
    assert_eq!(lengths, [PIECE_MAX, PIECE_MAX, rest, tree, 12288, 4096]);
}

#[test]
fn the_same_inputs_give_the_same_bytes_on_one_core_and_on_many() {
    let sample = Sample::new();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| sample.bytes())
    };
    assert!(on(1) == on(7));
}

#[test]
fn progress_counts_up_to_the_length_of_the_content() {
    let sample = Sample::new();
    let seen = Mutex::new(Vec::new());
    let note = |done, total| seen.lock().unwrap().push((done, total));
    let built = build(&sample.inputs, &sample.path("out.slotimg"), &note).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted());
    let total = built.manifest.content_len;
    assert_eq!(*seen.last().unwrap(), (total, total));
}

#[test]
fn a_build_takes_the_place_of_the_image_before_it() {
    let sample = Sample::small();
    fs::write(sample.path("out.slotimg"), "old").unwrap();
    let (path, _) = sample.build();
    verify_file(&path).unwrap();
}

#[test]
fn a_missing_an_empty_and_an_irregular_input_are_refused_by_name() {
    let sample = Sample::small();
    let mut inputs = sample.inputs.clone();
    inputs.rootfs = sample.path("missing");
    let error = refusal(&inputs, &sample).to_string();
    assert!(error.contains("missing"), "{error}");
    fs::write(sample.path("empty"), "").unwrap();
    inputs.rootfs = sample.path("empty");
    assert!(matches!(refusal(&inputs, &sample), BuildError::Empty(_)));
    inputs.rootfs = PathBuf::from("/dev/zero");
    assert!(matches!(refusal(&inputs, &sample), BuildError::NotAFile(_)));
}

#[test]
fn an_image_never_takes_the_place_of_its_input() {
    let sample = Sample::small();
    let error = build(&sample.inputs, &sample.inputs.rootfs, &|_, _| {}).unwrap_err();
    assert!(matches!(error, BuildError::OutputIsInput(_)));
    assert_eq!(fs::metadata(&sample.inputs.rootfs).unwrap().len(), 5000);
}

#[test]
fn an_image_never_takes_the_place_of_a_directory_or_a_device() {
    let sample = Sample::small();
    std::os::unix::fs::symlink("/dev/null", sample.path("device")).unwrap();
    for place in [sample.directory.path(), &sample.path("device")] {
        let error = build(&sample.inputs, place, &|_, _| {}).unwrap_err();
        assert!(matches!(error, BuildError::NotMade(_)), "{error}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_output() {
    let sample = Sample::small();
    let error = build(&sample.inputs, &sample.path("no/out"), &|_, _| {}).unwrap_err();
    assert!(matches!(error, BuildError::NotMade(_)));
}

#[test]
fn words_that_a_manifest_may_not_say_are_refused() {
    let sample = Sample::small();
    let change: [fn(&mut Inputs); 5] = [
        |inputs| inputs.version = "1 2".into(),
        |inputs| inputs.version = String::new(),
        |inputs| inputs.compatible = "a\nb".into(),
        |inputs| inputs.compatible = "x".repeat(129),
        |inputs| inputs.cmdline = "ro\0".into(),
    ];
    for change in change {
        let mut inputs = sample.inputs.clone();
        change(&mut inputs);
        assert!(matches!(refusal(&inputs, &sample), BuildError::Manifest(_)));
    }
}

#[test]
fn a_petted_watchdog_and_a_restart_on_panic_do_not_go_together() {
    let sample = Sample::small();
    let mut inputs = sample.inputs.clone();
    inputs.watchdog_seconds = 60;
    for word in ["panic=1", "panic=-1", "panic="] {
        inputs.cmdline = format!("ro {word} quiet");
        let error = refusal(&inputs, &sample);
        assert!(matches!(error, BuildError::PanicWithWatchdog(found) if found == word));
    }
    for fine in ["ro panic=0", "ro", "ro softlockup_panic=1"] {
        inputs.cmdline = fine.into();
        build(&inputs, &sample.path("out.slotimg"), &|_, _| {}).unwrap();
    }
    inputs.watchdog_seconds = 0;
    inputs.cmdline = "panic=1".into();
    build(&inputs, &sample.path("out.slotimg"), &|_, _| {}).unwrap();
}

#[test]
fn a_watchdog_that_would_end_every_start_is_refused() {
    let sample = Sample::small();
    let mut inputs = sample.inputs.clone();
    for seconds in [1, 29] {
        inputs.watchdog_seconds = seconds;
        let error = refusal(&inputs, &sample);
        assert!(matches!(error, BuildError::ShortWatchdog(found) if found == seconds));
        let words = format!("a watchdog period of {seconds} s; at least 30 s are needed");
        assert!(error.to_string().starts_with(&words), "{error}");
    }
    inputs.watchdog_seconds = 30;
    build(&inputs, &sample.path("out.slotimg"), &|_, _| {}).unwrap();
}

#[test]
fn the_same_key_twice_is_refused() {
    let sample = Sample::small();
    let mut inputs = sample.inputs.clone();
    inputs.keys.push(key());
    assert!(matches!(
        refusal(&inputs, &sample),
        BuildError::Signature(_)
    ));
}

#[test]
fn a_kernel_that_is_no_pe_file_is_a_warning() {
    let (_, built) = Sample::small().build();
    assert!(matches!(built.warnings[..], [Warning::KernelNoPe(_)]));
}

#[test]
fn a_root_of_unknown_kind_and_one_with_a_journal_are_warnings() {
    let sample = Sample::small();
    let warnings = |root: &[u8]| {
        fs::write(&sample.inputs.rootfs, root).unwrap();
        let mut warnings = sample.build().1.warnings;
        warnings.retain(|warning| !matches!(warning, Warning::KernelNoPe(_)));
        warnings
    };
    assert!(matches!(
        warnings(&noise("?", 5000))[..],
        [Warning::RootUnknown(_)]
    ));
    assert!(matches!(warnings(b"?")[..], [Warning::RootUnknown(_)]));
    let mut squashfs = vec![0; 5000];
    squashfs[..4].copy_from_slice(b"hsqs");
    squashfs[28] = 4;
    assert_eq!(warnings(&squashfs), []);
    let mut ext4 = vec![0; 5000];
    ext4[1080..1082].copy_from_slice(&[0x53, 0xef]);
    assert_eq!(warnings(&ext4), []);
    ext4[1116] = 0x3c;
    assert!(matches!(warnings(&ext4)[..], [Warning::RootJournal(_)]));
}

/// The root of a sample becomes this one.
fn with_root(root: &[u8]) -> Sample {
    let sample = Sample::small();
    fs::write(&sample.inputs.rootfs, root).unwrap();
    sample
}

#[test]
fn a_root_that_is_shorter_than_its_superblock_says_is_refused() {
    let mut erofs = vec![0; 3 * 4096];
    erofs[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
    erofs[1024 + 12] = 12;
    erofs[1024 + 36] = 3;
    let mut squashfs = vec![0; 5000];
    squashfs[..4].copy_from_slice(b"hsqs");
    squashfs[28] = 4;
    squashfs[40..42].copy_from_slice(&5000_u16.to_le_bytes());
    let mut ext4 = vec![0; 8 * 1024];
    ext4[1080..1082].copy_from_slice(&[0x53, 0xef]);
    ext4[1024 + 4] = 8;
    let mut large = ext4.clone();
    // Blocks of 64 bits, and 2^32 of them besides.
    (large[1024 + 0x60], large[1024 + 0x150]) = (0x80, 1);
    for whole in [&erofs, &squashfs, &ext4] {
        with_root(whole).build();
        let cut = with_root(&whole[..whole.len() - 1]);
        let error = refusal(&cut.inputs, &cut);
        assert!(
            matches!(&error, BuildError::RootCut { needed, found, .. }
                if *needed == whole.len() as u64 && *found == whole.len() as u64 - 1),
            "{error}"
        );
    }
    let sample = with_root(&large);
    assert!(matches!(
        refusal(&sample.inputs, &sample),
        BuildError::RootCut { .. }
    ));
}

#[test]
fn filesystems_of_their_own_tools_are_whole_and_cut_they_are_refused() {
    let sample = Sample::small();
    let tree = sample.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), noise("file", 300_000)).unwrap();
    let name = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let made = sample.path("made");
    let (image, tree) = (name(&made), name(&tree));
    let tools: [&[&str]; 2] = [
        &["mkfs.erofs", &image, &tree],
        &[
            "mkfs.ext4",
            "-qO",
            "^has_journal",
            "-d",
            &tree,
            &image,
            "4M",
        ],
    ];
    for words in tools {
        let _ = fs::remove_file(&made);
        let mut tool = std::process::Command::new(words[0]);
        tool.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        let done = tool.args(&words[1..]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let whole = fs::read(&made).unwrap();
        let warnings = with_root(&whole).build().1.warnings;
        assert!(matches!(warnings[..], [Warning::KernelNoPe(_)]));
        let cut = with_root(&whole[..whole.len() - 4096]);
        assert!(matches!(
            refusal(&cut.inputs, &cut),
            BuildError::RootCut { .. }
        ));
    }
}

#[test]
fn a_squashfs_that_no_linux_of_today_mounts_is_refused() {
    for (magic, major) in [(b"hsqs", [3, 0]), (b"hsqs", [1, 0]), (b"sqsh", [0, 3])] {
        let mut old = vec![0; 5000];
        old[..4].copy_from_slice(magic);
        old[28..30].copy_from_slice(&major);
        let sample = with_root(&old);
        assert!(matches!(
            refusal(&sample.inputs, &sample),
            BuildError::OldSquashfs(..)
        ));
    }
}

/// The warnings about a command line.
fn said_of(cmdline: &str) -> Vec<Warning> {
    let mut sample = Sample::small();
    sample.inputs.cmdline = cmdline.into();
    let mut warnings = sample.build().1.warnings;
    warnings.retain(|warning| !matches!(warning, Warning::KernelNoPe(_)));
    warnings
}

#[test]
fn a_command_line_under_which_every_slot_has_the_same_root_or_none_is_a_warning() {
    for fine in [
        "root=PARTUUID={slot} ro",
        "ro root=/dev/disk/by-partuuid/{slot}",
        "root=/dev/mapper/slotctl-root ro",
        "root=\"PARTUUID={slot}\"",
        "root=/dev/sda2 root=PARTUUID={slot}",
        "our.root={slot} quiet",
    ] {
        assert_eq!(said_of(fine), [], "{fine}");
    }
    for (wrong, root) in [
        ("root=/dev/sda2 ro", "/dev/sda2"),
        ("root=LABEL=rootfs", "LABEL=rootfs"),
        ("root=PARTUUID={slot} root=/dev/sda2", "/dev/sda2"),
        ("root=PARTUUID=${slot} ro", "PARTUUID=${slot}"),
        ("root=UUID={slot}", "UUID={slot}"),
        ("root={slot}", "{slot}"),
        (
            "root=PARTUUID={slot}/PARTNROFF=1",
            "PARTUUID={slot}/PARTNROFF=1",
        ),
        ("root=PARTUUID={slot", "PARTUUID={slot"),
        ("root=/dev/mapper/slotctl_root", "/dev/mapper/slotctl_root"),
        ("root= ro", ""),
    ] {
        assert_eq!(
            said_of(wrong),
            [Warning::RootOfNoSlot(root.into())],
            "{wrong}"
        );
    }
    for none in ["", "console=ttyS0 ro", "xroot=PARTUUID=1"] {
        assert_eq!(said_of(none), [Warning::NoRootNamed], "{none}");
    }
}

#[test]
fn a_word_in_braces_that_nothing_replaces_is_a_warning() {
    for word in [
        "{SLOT}",
        "{slot_uuid}",
        "{ slot",
        "{}",
        "{Slot}",
        "{partuuid}",
    ] {
        let line = format!("root=/dev/mapper/slotctl-root x={word}");
        let expected: &[Warning] = match word.ends_with('}') {
            true => &[Warning::UnknownWord(word.into())],
            false => &[],
        };
        assert_eq!(said_of(&line), expected, "{word}");
    }
    let both = said_of("root=PARTUUID={SLOT}");
    assert!(
        matches!(
            &both[..],
            [Warning::UnknownWord(_), Warning::RootOfNoSlot(_)]
        ),
        "{both:?}"
    );
}

#[test]
fn a_command_line_that_outgrows_what_linux_keeps_is_refused() {
    let mut sample = Sample::small();
    let mut build_with = |slots: usize, more: usize| {
        sample.inputs.cmdline = format!("{}{}", "{slot}".repeat(slots), "x".repeat(more));
        build(&sample.inputs, &sample.path("out.slotimg"), &|_, _| {}).map(drop)
    };
    // 36 for each, a space, and 180 of bootshim's.
    build_with(51, 30).unwrap();
    for (slots, more) in [(51, 31), (52, 0), (60, 0), (200, 0)] {
        let error = build_with(slots, more).unwrap_err();
        let length = 36 * slots + more + 181;
        assert!(
            matches!(error, BuildError::CommandLineGrows { length: found, .. } if found == length),
            "{error}"
        );
    }
}

#[test]
fn a_version_that_dpkg_complains_of_is_a_warning() {
    for (version, odd) in [
        ("v1.2", true),
        ("1:rc", true),
        ("1.2", false),
        ("1:2~rc", false),
    ] {
        let mut sample = Sample::small();
        sample.inputs.version = version.into();
        let warnings = sample.build().1.warnings;
        let said = warnings.contains(&Warning::VersionWithoutDigit(version.into()));
        assert_eq!(said, odd, "{version}");
    }
}

/// A PE file with one section of that name, of no bytes.
fn pe(section: &[u8; 8]) -> Vec<u8> {
    program(0x8664, section, 0)
}

/// A PE file for this machine with one section, which has so many bytes behind the
/// headers.
fn program(machine: u16, section: &[u8; 8], length: usize) -> Vec<u8> {
    let mut pe = vec![0; 0x40];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x40;
    pe.extend(b"PE\0\0");
    pe.extend(machine.to_le_bytes());
    // One section, and an optional header of 240 bytes.
    pe.extend([1, 0]);
    pe.extend([0; 12]);
    pe.extend([240, 0, 2, 0]);
    let mut optional = vec![0; 240];
    optional[..2].copy_from_slice(&[0x0b, 0x02]);
    optional[108] = 16;
    pe.extend(optional);
    pe.extend(section);
    let start = pe.len() + 32;
    pe.extend([0; 8]);
    pe.extend((length as u32).to_le_bytes());
    pe.extend((start as u32).to_le_bytes());
    pe.extend([0; 16]);
    pe.extend(noise("section", length));
    pe
}

/// A sample that starts this program.
fn starting(program: &[u8], uki: bool) -> Sample {
    let mut sample = Sample::small();
    let path = sample.path("program.efi");
    fs::write(&path, program).unwrap();
    sample.inputs.boot = match uki {
        true => Boot::Uki(path),
        false => Boot::Kernel {
            kernel: path,
            initrd: None,
        },
    };
    sample
}

#[test]
fn a_kernel_that_is_cut_short_is_refused() {
    for uki in [false, true] {
        let whole = program(0x8664, b".linux\0\0", 5000);
        starting(&whole, uki).build();
        for length in [whole.len() - 1, whole.len() - 4999] {
            let sample = starting(&whole[..length], uki);
            let error = refusal(&sample.inputs, &sample);
            assert!(
                matches!(error, BuildError::KernelCut { needed, .. } if needed == whole.len() as u64),
                "{error}"
            );
        }
    }
}

#[test]
fn a_kernel_that_no_bootshim_starts_is_refused() {
    for uki in [false, true] {
        for machine in [0x014c, 0x01c2, 0x5064] {
            let mut program = program(machine, b".linux\0\0", 100);
            if machine == 0x014c {
                // The header of a 32-bit program.
                program[0x40 + 24..0x40 + 26].copy_from_slice(&[0x0b, 0x01]);
            }
            let sample = starting(&program, uki);
            let error = refusal(&sample.inputs, &sample);
            assert!(
                matches!(error, BuildError::OtherProcessor { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn a_kernel_and_the_bootshim_beside_it_are_for_the_same_processor() {
    for (kernel, bootshim) in [(0x8664, 0xaa64), (0xaa64, 0x8664), (0xaa64, 0xaa64)] {
        let mut sample = starting(&program(kernel, b".linux\0\0", 100), false);
        let beside = sample.path("bootshim.efi");
        fs::write(&beside, program(bootshim, b".text\0\0\0", 100)).unwrap();
        sample.inputs.bootshim = Some(beside);
        let built = build(&sample.inputs, &sample.path("out.slotimg"), &|_, _| {});
        match kernel == bootshim {
            true => assert!(built.is_ok()),
            false => assert!(matches!(built, Err(BuildError::OtherProcessor { .. }))),
        }
    }
}

#[test]
fn a_unified_kernel_image_without_a_kernel_is_refused() {
    let sample = starting(&pe(b".text\0\0\0"), true);
    assert!(matches!(
        refusal(&sample.inputs, &sample),
        BuildError::UkiNoLinux(_)
    ));
}

#[test]
fn a_kernel_that_is_a_pe_file_is_no_warning() {
    let mut sample = Sample::small();
    let kernel = sample.path("kernel.efi");
    let whole = pe(b".text\0\0\0");
    fs::write(&kernel, &whole).unwrap();
    sample.inputs.boot = Boot::Kernel {
        kernel: kernel.clone(),
        initrd: None,
    };
    assert_eq!(sample.build().1.warnings, []);
    // Cut off within its headers it is none.
    fs::write(&kernel, &whole[..0xa0]).unwrap();
    assert_eq!(sample.build().1.warnings, [Warning::KernelNoPe(kernel)]);
}

#[test]
fn a_kernel_that_never_asks_for_its_initrd_is_refused_with_one() {
    let mut sample = Sample::small();
    let kernel = sample.path("kernel.efi");
    let initrd = sample.path("initrd.img");
    fs::write(&initrd, archive("init", b"#!/bin/sh")).unwrap();
    let mut image = pe(b".text\0\0\0");
    fs::write(&kernel, &image).unwrap();
    sample.inputs.boot = Boot::Kernel {
        kernel: kernel.clone(),
        initrd: Some(initrd),
    };
    assert!(matches!(
        refusal(&sample.inputs, &sample),
        BuildError::NoInitrdAsked(_)
    ));
    // The image version, from Linux 5.8 on.
    image[0x40 + 24 + 44] = 1;
    fs::write(&kernel, &image).unwrap();
    assert_eq!(sample.build().1.warnings, []);
}

#[test]
fn a_unified_kernel_image_with_a_command_line_of_its_own_is_refused() {
    let mut sample = Sample::small();
    let uki = sample.path("uki.efi");
    sample.inputs.boot = Boot::Uki(uki.clone());
    fs::write(&uki, "no PE").unwrap();
    assert!(matches!(
        refusal(&sample.inputs, &sample),
        BuildError::UkiNoPe(_)
    ));
    fs::write(&uki, pe(b".cmdline")).unwrap();
    assert!(matches!(
        refusal(&sample.inputs, &sample),
        BuildError::UkiCmdline(_)
    ));
    fs::write(&uki, pe(b".linux\0\0")).unwrap();
    let (path, _) = sample.build();
    let manifest = verify_file(&path).unwrap().manifest;
    assert!(manifest.payload(Kind::Uki).is_some());
}
