//! What an install spends its time with: hashing a piece, unpacking a chunk,
//! reading the index.

use criterion::{Criterion, Throughput};
use images::build::{Boot, Inputs, build};
use images::chunk::{NoGround, Unpacker};
use images::head::Head;
use images::index::Index;
use images::key::SecretKey;
use images::table::Packing;
use images::trust::Trust;
use std::hint::black_box;
use std::path::Path;

/// An image with many pieces that a compressor makes half as long.
fn image(folder: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut rootfs = vec![0; 64 << 20];
    let mut noise = blake3::Hasher::new().finalize_xof();
    for line in rootfs.chunks_mut(64) {
        if let Some(half) = line.get_mut(..32) {
            noise.fill(half);
        }
    }
    let [root, kernel, out] = ["root", "kernel", "image"].map(|name| folder.join(name));
    std::fs::write(&root, &rootfs)?;
    std::fs::write(&kernel, [0; 4096])?;
    let inputs = Inputs {
        rootfs: root,
        boot: Boot::Kernel {
            kernel,
            initrd: None,
        },
        cmdline: String::new(),
        compatible: "bench".into(),
        version: "1".into(),
        security_version: 0,
        revoke_below: 0,
        watchdog_seconds: 0,
        keys: vec![SecretKey::from_seed(&[7; 32])],
        key_set: None,
        bootshim: None,
    };
    build(&inputs, &out, &|_, _| {})?;
    Ok(std::fs::read(&out)?)
}

fn measure(criterion: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let bytes = image(folder.path())?;
    let mut reader = bytes.as_slice();
    let (header, rest) = images::read::head(&mut reader)?;
    let trusted = Trust::direct([SecretKey::from_seed(&[7; 32]).public()]);
    let head = Head::open(&header, &rest, &trusted)?;

    let mut packed = reader;
    let mut found = None;
    for chunk in head.chunks() {
        let (this, after) = packed.split_at(usize::try_from(chunk.entry.length)?);
        packed = after;
        if chunk.entry.packing == Packing::Zstd
            && chunk.content_len() == u64::from(images::PIECE_MAX)
        {
            found = Some((chunk, this));
            break;
        }
    }
    let (chunk, packed) = found.ok_or("no packed chunk of a whole piece")?;
    let mut out = vec![0; usize::try_from(images::PIECE_MAX)?];
    let mut unpacker = Unpacker::new()?;
    let unpacked = unpacker.unpack(&chunk, packed, &mut out, 0, &mut NoGround);
    unpacked.map_err(|error| format!("{error:?}"))?;
    let content = out
        .get(..images::group::GROUP_MAX)
        .unwrap_or_default()
        .to_vec();

    let mut group = criterion.benchmark_group("piece of 1 MiB");
    group.throughput(Throughput::Bytes(u64::from(images::PIECE_MAX)));
    group.bench_function("hash", |bench| {
        bench.iter(|| chunk.check_content(black_box(&content)).is_ok());
    });
    group.bench_function("check, unpack, check", |bench| {
        bench.iter(|| {
            unpacker
                .unpack(&chunk, black_box(packed), &mut out, 0, &mut NoGround)
                .is_ok()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(head.index.pieces().len() as u64));
    group.bench_function("index", |bench| {
        bench.iter(|| Index::parse(black_box(&head.index_bytes), &head.manifest).is_ok());
    });
    group.bench_function("signature, manifest, index, table", |bench| {
        bench.iter(|| Head::open(&header, black_box(&rest), &trusted).is_ok());
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
