//! The initrd: stored unpacked, and made of the files of the root beside it.

use std::fs;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use images::build::{Boot, BuildError, Warning, build};
use images::manifest::Kind;
use images::table::Packing;

use crate::sample::{Sample, archive, noise, verify_file};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A sample with this initrd.
fn with(initrd: &[u8]) -> Sample {
    let mut sample = Sample::small();
    let path = sample.path("initrd.img");
    fs::write(&path, initrd).unwrap();
    let Boot::Kernel { kernel, .. } = sample.inputs.boot.clone() else {
        panic!("not a kernel");
    };
    let initrd = Some(path);
    sample.inputs.boot = Boot::Kernel { kernel, initrd };
    sample
}

/// What an image with this initrd has of it.
fn stored(initrd: &[u8]) -> (u64, images::Digest) {
    let sample = with(initrd);
    let before = sample.names().len();
    let (path, built) = sample.build();
    assert_eq!(
        sample.names().len(),
        before + 1,
        "nothing but the image is left"
    );
    verify_file(&path).unwrap();
    let payload = built.manifest.payload(Kind::Initrd).unwrap();
    (payload.length, payload.hash)
}

/// What is said of this initrd, where it is taken.
fn warned(initrd: &[u8]) -> Option<Warning> {
    let mut warnings = with(initrd).build().1.warnings;
    warnings.retain(|warning| !matches!(warning, Warning::KernelNoPe(_)));
    assert!(warnings.len() <= 1, "{warnings:?}");
    warnings.pop()
}

#[track_caller]
fn refused(initrd: &[u8]) {
    let sample = with(initrd);
    let before = sample.names();
    let error = build(&sample.inputs, &sample.path("out.slotimg"), &|_, _| {}).unwrap_err();
    assert!(matches!(error, BuildError::InitrdDamaged { .. }), "{error}");
    assert!(error.to_string().contains("initrd.img is cut or damaged"));
    assert_eq!(sample.names(), before, "something was left behind");
}

/// What a tool makes of these bytes.
fn through(tool: &str, words: &[&str], bytes: &[u8]) -> Vec<u8> {
    let sample = Sample::small();
    let file = sample.path("packed.d");
    fs::write(&file, bytes).unwrap();
    let done = Command::new(tool).args(words).arg(&file).output();
    let done = done.unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(done.status.success(), "{tool}: {done:?}");
    done.stdout
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    through("xz", &["-c", "--check=crc32"], bytes)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    through("lz4", &["-lc"], bytes)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

/// Every compression that is unpacked here.
const PACKERS: [Pack; 4] = [gzip, zstd, xz, lz4];

fn as_it_is(bytes: &[u8]) -> (u64, images::Digest) {
    (bytes.len() as u64, images::digest(bytes))
}

#[test]
fn a_compressed_initrd_is_stored_unpacked_with_what_lies_before_it() {
    let files = archive("init", &noise("init", 50_000));
    assert_eq!(stored(&gzip(&files)), as_it_is(&files));
    let zstd = zstd::bulk::compress(&files, 3).unwrap();
    assert_eq!(stored(&zstd), as_it_is(&files));
    let early = archive(
        "kernel/x86/microcode/GenuineIntel.bin",
        &noise("code", 3001),
    );
    let both = [early.as_slice(), &gzip(&files)].concat();
    assert_eq!(
        stored(&both),
        as_it_is(&[early.as_slice(), &files].concat())
    );
}

#[test]
fn whatever_packed_it_the_archive_is_stored_unpacked() {
    let files = archive("init", &noise("init", 50_000));
    let early = archive("kernel/x86/microcode/GenuineIntel.bin", &[7; 3001]);
    for pack in PACKERS {
        assert_eq!(stored(&pack(&files)), as_it_is(&files));
        let both = [early.as_slice(), &pack(&files)].concat();
        let unpacked = [early.as_slice(), &files].concat();
        assert_eq!(stored(&both), as_it_is(&unpacked));
        assert_eq!(warned(&both), None);
    }
}

#[test]
fn parts_that_are_joined_begin_where_linux_looks_for_an_archive() {
    // The first part ends one byte behind a multiple of 4: compressed Linux takes it,
    // since it counts from the start of each part.
    let first = [archive("first", &noise("1", 5000)), vec![0]].concat();
    let second = archive("second", &noise("2", 5000));
    let unpacked = [first.as_slice(), &[0; 3], &second].concat();
    for one in [gzip, zstd, xz] {
        for other in PACKERS {
            let joined = [one(&first), other(&second)].concat();
            assert_eq!(stored(&joined), as_it_is(&unpacked));
        }
    }
    // And so where what follows is not compressed.
    let mut packed = gzip(&first);
    packed.resize(packed.len().next_multiple_of(4), 0);
    let joined = [packed, second.clone()].concat();
    let (length, _) = stored(&joined);
    assert_eq!(length % 4, 0);
}

#[test]
fn what_linux_unpacks_in_another_way_or_not_at_all_is_stored_as_it_is_and_said() {
    let files = archive("init", &noise("init", 50_000));
    assert_eq!((stored(&files), warned(&files)), (as_it_is(&files), None));
    let bzip2 = [b"BZh9".as_slice(), &noise("?", 100)].concat();
    let junk = [files.as_slice(), b"junk"].concat();
    let packed_junk = [gzip(&files).as_slice(), b"junk"].concat();
    let no_archive = gzip(&noise("ext2", 9000));
    type Expected = fn(&Warning) -> bool;
    let table: [(&[u8], Expected); 7] = [
        (b"initrd", |w| matches!(w, Warning::InitrdUnknown(_))),
        (&[0; 9000], |w| matches!(w, Warning::InitrdUnknown(_))),
        (&no_archive, |w| matches!(w, Warning::InitrdUnknown(_))),
        (&bzip2, |w| {
            matches!(w, Warning::InitrdUnchecked(_, "bzip2"))
        }),
        (&junk, |w| matches!(w, Warning::InitrdJunk(..))),
        (&packed_junk, |w| matches!(w, Warning::InitrdJunk(..))),
        (&files[..50_116], |w| matches!(w, Warning::InitrdEndless(_))),
    ];
    for (initrd, expected) in table {
        assert_eq!(stored(initrd), as_it_is(initrd));
        let warning = warned(initrd).unwrap();
        assert!(expected(&warning), "{warning}");
    }
}

#[test]
fn an_initrd_that_is_cut_or_damaged_is_refused() {
    let files = archive("init", &noise("init", 50_000));
    for pack in PACKERS {
        let packed = pack(&files);
        for cut in [12, packed.len() / 2, packed.len() - 1] {
            refused(&packed[..cut]);
            refused(&[gzip(&files).as_slice(), &packed[..cut]].concat());
        }
    }
    // LZ4 as Linux reads it has no checksum.
    for pack in [gzip, zstd_with_checksum, xz] {
        let mut packed = pack(&files);
        let middle = packed.len() / 2;
        packed[middle] ^= 0x10;
        refused(&packed);
    }
    for cut in [100, 200, 40_000] {
        refused(&files[..cut]);
        for pack in PACKERS {
            refused(&pack(&files[..cut]));
        }
    }
    refused(b"070701 no archive");
    refused(b"\x1f\x8b");
}

fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
    through("zstd", &["-qc"], bytes)
}

#[test]
fn an_initrd_of_the_roots_files_costs_next_to_nothing_and_verifies() {
    let mut sample = Sample::small();
    let root = noise("root", 3 << 20);
    fs::write(sample.path("rootfs"), &root).unwrap();
    fs::write(sample.path("kernel"), noise("kernel", 1 << 20)).unwrap();
    let files = archive("module.ko", &root[1_000_000..2_500_000]);
    fs::write(sample.path("initrd.img"), gzip(&files)).unwrap();
    sample.inputs.rootfs = sample.path("rootfs");
    sample.inputs.boot = Boot::Kernel {
        kernel: sample.path("kernel"),
        initrd: Some(sample.path("initrd.img")),
    };
    let (path, built) = sample.build();
    let head = verify_file(&path).unwrap();
    let initrd = built.manifest.payload(Kind::Initrd).unwrap();
    assert_eq!(head.table.self_limit(), initrd.offset);
    let own = head
        .chunks()
        .filter(|chunk| chunk.offset() >= initrd.offset);
    let own: Vec<_> = own.map(|chunk| chunk.entry).collect();
    assert!(own.iter().all(|entry| entry.packing == Packing::Patch));
    let length: u32 = own.iter().map(|entry| entry.length).sum();
    assert!(length < 2000, "{length} bytes");
    // A bit of what it is made of is found out, in the root and in the initrd.
    let mut image = fs::read(&path).unwrap();
    let at = image.len() - 20;
    image[at] ^= 1;
    fs::write(&path, &image).unwrap();
    assert!(verify_file(&path).is_err());
}
