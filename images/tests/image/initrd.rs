//! The initrd: stored unpacked, and made of the files of the root beside it.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use images::build::Boot;
use images::manifest::Kind;
use images::table::Packing;

use crate::sample::{Sample, noise, verify_file};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive in the format newc with one file, padded to 512 bytes.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in [(name, content), ("TRAILER!!!", &[])] {
        let mut fields = [0; 13];
        (fields[6], fields[11]) = (content.len(), name.len() + 1);
        let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        archive.extend(format!("070701{fields}{name}\0").bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

/// What an image with this initrd has of it.
fn stored(initrd: &[u8]) -> (u64, images::Digest) {
    let mut sample = Sample::small();
    let path = sample.path("initrd.img");
    fs::write(&path, initrd).unwrap();
    let Boot::Kernel { kernel, .. } = sample.inputs.boot.clone() else {
        panic!("not a kernel");
    };
    let initrd = Some(path);
    sample.inputs.boot = Boot::Kernel { kernel, initrd };
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
fn what_does_not_unpack_is_stored_as_it_is() {
    let files = archive("init", &noise("init", 50_000));
    let packed = gzip(&files);
    for odd in [
        &packed[..packed.len() - 9],
        &packed[..12],
        &files,
        &files[..100],
        b"070701 no archive",
        b"\x1f\x8b",
    ] {
        assert_eq!(stored(odd), as_it_is(odd));
    }
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
