//! Where the bytes of an update are: files that changed, by what they are.

use super::{Error, System, Workdir};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How hard it is tried.
const LEVEL: i32 = 19;
/// What the kernel's modules lie in, before the name of its version.
const MODULES: &str = "usr/lib/modules";

/// One file of the new system that the old one has not.
struct Changed {
    kind: &'static str,
    new: PathBuf,
    old: PathBuf,
}

/// For each kind: bytes of the files that changed, and of their deltas.
pub fn breakdown(workdir: &Workdir) -> Result<Vec<(String, u64, u64)>, Error> {
    let mut changed = changed(workdir)?;
    // The longest first, or the last worker is left alone with one.
    let length = |file: &Changed| fs::metadata(&file.new).map_or(0, |data| data.len());
    changed.sort_by_key(|file| std::cmp::Reverse(length(file)));
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    // Whoever is free takes the next file.
    let work = || {
        let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        while let Some(file) = changed.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (length, delta) = smallest(file)?;
            let sum = sums.entry(file.kind).or_default();
            *sum = (sum.0.saturating_add(length), sum.1.saturating_add(delta));
        }
        Ok(sums)
    };
    let results: Vec<Result<_, Error>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| {
            let gone = |_| Err(Error::otherwise("a worker", "an answer", "a panic"));
            worker.join().unwrap_or_else(gone)
        });
        ended.collect()
    });
    let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for result in results {
        for (kind, (length, delta)) in result? {
            let sum = sums.entry(kind).or_default();
            *sum = (sum.0.saturating_add(length), sum.1.saturating_add(delta));
        }
    }
    let row = |(kind, (length, delta)): (&str, (u64, u64))| (kind.to_owned(), length, delta);
    let mut rows: Vec<_> = sums.into_iter().map(row).collect();
    rows.sort_by_key(|(_, _, delta)| std::cmp::Reverse(*delta));
    let all = rows.iter().fold((0, 0), |(length, delta), row| {
        (row.1.saturating_add(length), row.2.saturating_add(delta))
    });
    rows.push(("all".into(), all.0, all.1));
    Ok(rows)
}

fn changed(workdir: &Workdir) -> Result<Vec<Changed>, Error> {
    let [old, new] = [System::Old, System::New].map(|system| workdir.path(&system.tree()));
    let mut known = HashSet::new();
    for path in files(&old)? {
        known.insert(blake3::hash(&read(&old.join(path))?));
    }
    let mut names = Vec::new();
    for tree in [&old, &new] {
        names.push(versions(&tree.join(MODULES))?);
    }
    let renamed = |path: &Path| match names.as_slice() {
        [Some(before), Some(after)] => PathBuf::from(path.to_string_lossy().replace(after, before)),
        _ => path.to_path_buf(),
    };
    let mut changed = Vec::new();
    for path in files(&new)? {
        let whole = new.join(&path);
        if known.insert(blake3::hash(&read(&whole)?)) {
            changed.push(Changed {
                kind: kind(&path, &whole),
                old: old.join(renamed(&path)),
                new: whole,
            });
        }
    }
    for part in ["kernel", "initrd"] {
        let [old, new] = [System::Old, System::New].map(|system| workdir.path(&system.file(part)));
        changed.push(Changed {
            kind: part,
            new,
            old,
        });
    }
    Ok(changed)
}

/// The version of the one kernel.
fn versions(modules: &Path) -> Result<Option<String>, Error> {
    let entries = fs::read_dir(modules).map_err(Error::host(modules.display().to_string()))?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.next())
}

/// All regular files, by name.
fn files(tree: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = vec![PathBuf::new()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let here = tree.join(&folder);
        let failed = || Error::host(here.display().to_string());
        for entry in fs::read_dir(&here).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let path = folder.join(entry.file_name());
            let found = entry.file_type().map_err(failed())?;
            if found.is_dir() {
                folders.push(path);
            } else if found.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn kind(path: &Path, whole: &Path) -> &'static str {
    let text = path.to_string_lossy();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let under = |folder: &str| text.starts_with(folder);
    if name.ends_with(".ko") {
        "kernel modules"
    } else if name.ends_with(".bc") {
        "LLVM bitcode"
    } else if name.ends_with(".so") || name.contains(".so.") {
        "libraries"
    } else if ["usr/share/doc", "usr/share/man", "usr/share/locale"]
        .into_iter()
        .any(under)
    {
        "documentation"
    } else if fs::metadata(whole).is_ok_and(|data| data.permissions().mode() & 0o111 != 0) {
        "executables"
    } else {
        "other files"
    }
}

/// The length of a file, and of its delta against its predecessor, or packed
/// where it has none.
fn smallest(file: &Changed) -> Result<(u64, u64), Error> {
    let new = read(&file.new)?;
    let old = fs::read(&file.old).unwrap_or_default();
    let failed = || Error::host(format!("packing {}", file.new.display()));
    let packed = pack(&new, &old).map_err(failed())?;
    let length = new.len() as u64;
    Ok((length, packed.min(length)))
}

fn pack(new: &[u8], old: &[u8]) -> std::io::Result<u64> {
    let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), LEVEL, old)?;
    let together = new.len().saturating_add(old.len());
    let window = together.next_power_of_two().trailing_zeros().clamp(10, 30);
    encoder.window_log(window)?;
    encoder.long_distance_matching(true)?;
    encoder.set_pledged_src_size(Some(new.len() as u64))?;
    encoder.write_all(new)?;
    Ok(encoder.finish()?.len() as u64)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::host(path.display().to_string()))
}
