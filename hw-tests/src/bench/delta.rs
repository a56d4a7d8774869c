//! How small others make the same update.

use super::{Error, System, Usage, Workdir};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};

/// A delta, and what is made of it.
const PATCH: &str = "patch";
const PATCHED: &str = "patched";
/// The blocks of RAUC's index.
const BLOCK: usize = 4096;
/// What RAUC's index holds for each block.
const HASH: u64 = 32;
/// Where the chunks of casync lie.
const STORE: &str = "casync/store.castr";
/// casync's index of the new system.
const INDEX: &str = "casync/new.caibx";

/// An update, in bytes, and what making it took.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its size.
    pub bytes: u64,
    /// What making it took.
    pub usage: Usage,
}

/// The sum over root, kernel and initrd of what `make` makes of each; `apply`
/// has to make the new one of it again, which is not measured.
fn by_part(
    workdir: &Workdir,
    make: impl Fn(&str, &str) -> Vec<String>,
    apply: impl Fn(&str) -> Vec<String>,
) -> Result<Made, Error> {
    let mut sum = Made {
        bytes: 0,
        usage: Usage::default(),
    };
    for (old, new) in System::Old.parts().iter().zip(System::New.parts().iter()) {
        workdir.remove(PATCH)?;
        let words = make(old, new);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (usage, _) = workdir.measure(&words)?;
        sum.bytes = sum.bytes.saturating_add(workdir.length(PATCH)?);
        sum.usage.wall += usage.wall;
        sum.usage.cpu += usage.cpu;
        sum.usage.peak = sum.usage.peak.max(usage.peak);
        workdir.remove(PATCHED)?;
        let words = apply(old);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        workdir.run(&words)?;
        workdir.run(&["cmp", PATCHED, new])?;
    }
    workdir.remove(PATCHED)?;
    workdir.remove(PATCH)?;
    Ok(sum)
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

/// `zstd --patch-from`.
pub fn patch_from(workdir: &Workdir) -> Result<Made, Error> {
    let from = |old: &str| format!("--patch-from={old}");
    let zstd = ["zstd", "-q", "--long=31"];
    by_part(
        workdir,
        |old, new| words(&[&zstd[..], &["-12", &from(old), new, "-o", PATCH]].concat()),
        |old| words(&[&zstd[..], &["-d", &from(old), PATCH, "-o", PATCHED]].concat()),
    )
}

/// xdelta3.
pub fn xdelta3(workdir: &Workdir) -> Result<Made, Error> {
    let window = "-B2147483648";
    by_part(
        workdir,
        |old, new| words(&["xdelta3", "-e", "-9", window, "-s", old, new, PATCH]),
        |old| words(&["xdelta3", "-d", window, "-s", old, PATCH, PATCHED]),
    )
}

/// casync: the chunks of the new system that the old one does not have.
pub fn casync(workdir: &Workdir) -> Result<Made, Error> {
    workdir.empty("casync")?;
    let make = |system: System, index: &str| {
        let (whole, store) = (system.whole(), format!("--store={STORE}"));
        let mut words = vec!["casync", "make", &store, "--compression=zstd"];
        words.extend(["--what=blob-index", index, &whole]);
        Ok::<_, Error>(workdir.measure(&words)?.0)
    };
    make(System::Old, "casync/old.caibx")?;
    let before = stored(workdir)?;
    let usage = make(System::New, INDEX)?;
    let bytes = stored(workdir)?
        .saturating_sub(before)
        .saturating_add(workdir.length(INDEX)?);
    Ok(Made { bytes, usage })
}

/// The bytes of all chunks.
fn stored(workdir: &Workdir) -> Result<u64, Error> {
    let failed = || Error::host(STORE);
    let mut sum = 0u64;
    for folder in fs::read_dir(workdir.path(STORE)).map_err(failed())? {
        for chunk in fs::read_dir(folder.map_err(failed())?.path()).map_err(failed())? {
            let chunk = chunk.and_then(|chunk| chunk.metadata()).map_err(failed())?;
            sum = sum.saturating_add(chunk.len());
        }
    }
    Ok(sum)
}

/// casync, from a web server, with the old system as its seed.
pub fn casync_extract(workdir: &Workdir, url: impl Fn(&str) -> String) -> Result<Usage, Error> {
    workdir.remove("casync/out")?;
    let store = format!("--store={}", url(STORE));
    let seed = format!("--seed={}", System::Old.whole());
    let index = url(INDEX);
    let mut words = vec!["casync", "extract", "--what=blob-index", &store, &seed];
    words.extend(["--seed-output=no", &index, "casync/out"]);
    let (usage, _) = workdir.measure(&words)?;
    workdir.run(&["cmp", "casync/out", &System::New.whole()])?;
    workdir.remove("casync/out")?;
    Ok(usage)
}

/// What RAUC fetches at least with `adaptive=block-hash-index`.
pub fn adaptive(workdir: &Workdir) -> Result<u64, Error> {
    let mut known = HashSet::new();
    let (old, new) = (System::Old.whole(), System::New.whole());
    blocks(workdir, &old, |block| {
        known.insert(*blake3::hash(block).as_bytes());
        Ok(())
    })?;
    let failed = || Error::host("missing");
    let file = File::create(workdir.path("missing")).map_err(failed())?;
    let mut missing = std::io::BufWriter::with_capacity(1 << 20, file);
    blocks(workdir, &new, |block| {
        if known.insert(*blake3::hash(block).as_bytes()) {
            missing.write_all(block)?;
        }
        Ok(())
    })?;
    missing.flush().map_err(failed())?;
    workdir.run(&["gzip", "-9", "-f", "missing"])?;
    let blocks = workdir.length(&new)?.div_ceil(BLOCK as u64);
    let sum = workdir.length("missing.gz")?;
    Ok(sum.saturating_add(blocks.saturating_mul(HASH)))
}

fn blocks(
    workdir: &Workdir,
    name: &str,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), Error> {
    let failed = || Error::host(name);
    let mut file = File::open(workdir.path(name)).map_err(failed())?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(failed())?;
        if read == 0 {
            return Ok(());
        }
        // The whole is made of whole blocks, and so is what is read of it.
        for block in buffer.get(..read).unwrap_or_default().chunks(BLOCK) {
            each(block).map_err(failed())?;
        }
    }
}
