//! What each test on files begins with: two keys, a few small images, and
//! a disk with version 1 in slot a. Made once by `slotctl` itself, and kept in
//! memory, so that each test gets files of its own.

use fakedisk::noise;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Length of the root filesystem in every image but `large.slotimg`.
const ROOT: usize = 300 * 1024;

/// The disk that each test gets: three slots of 2 MiB, version 1 in slot a.
pub const DISK: &str = "disk create disk.img --size 12MiB --bootshim BOOTX64.EFI \
    --trust ours.pub --compatible plc-4 --slot-size 2MiB --esp-size 2MiB --data-size 1MiB \
    --seed 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --image v1.slotimg";

/// Name, root, compatible, security version and key of each image.
const IMAGES: &[(&str, &str, &str, u64, Option<&str>)] = &[
    ("v1", "root1", "plc-4", 1, Some("ours.key")),
    ("v2", "root2", "plc-4", 1, Some("ours.key")),
    ("v3", "root3", "plc-4", 1, Some("ours.key")),
    ("unsigned", "root2", "plc-4", 1, None),
    ("strangers", "root2", "plc-4", 1, Some("stranger.key")),
    ("for-plc-5", "root2", "plc-5", 1, Some("ours.key")),
    ("insecure", "root2", "plc-4", 0, Some("ours.key")),
    ("large", "large", "plc-4", 1, Some("ours.key")),
];

/// Every sample by its name.
pub struct Samples {
    files: BTreeMap<String, Vec<u8>>,
}

impl Samples {
    /// The samples of this process.
    pub fn get() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(Samples::make)
    }

    /// The sample of this name.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    fn make() -> Samples {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::copy(bootshim(), at("BOOTX64.EFI")).unwrap();
        fs::write(at("kernel"), noise("kernel", 40_000)).unwrap();
        fs::write(at("initrd"), noise("initrd", 50_000)).unwrap();
        for root in ["root1", "root2", "root3"] {
            fs::write(at(root), noise(root, ROOT)).unwrap();
        }
        fs::write(at("large"), vec![0; 3 << 20]).unwrap();
        let slotctl = |words: &str| must(directory.path(), words);
        slotctl("key generate --out ours");
        slotctl("key generate --out stranger");
        for (name, root, compatible, security, key) in IMAGES {
            let key = key.map_or(String::new(), |key| format!("--key {key}"));
            // None of them is older than version 1.
            let version = match name.starts_with('v') {
                true => (*name).to_owned(),
                false => format!("v9-{name}"),
            };
            slotctl(&format!(
                "image build --rootfs {root} --kernel kernel --initrd initrd --cmdline quiet \
                 --compatible {compatible} --version {version} --security-version {security} {key} \
                 --out {name}.slotimg"
            ));
        }
        slotctl(DISK);
        let files = fs::read_dir(directory.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        Samples {
            files: files.collect(),
        }
    }
}

/// Runs `slotctl` in a folder; what it says is only seen if it fails.
fn must(directory: &Path, words: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_slotctl"))
        .current_dir(directory)
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "slotctl {words}: {said}");
}

fn bootshim() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../bootshim/BOOTX64.EFI");
    let there = program.is_file();
    assert!(
        there,
        "target/bootshim/BOOTX64.EFI is missing: run `make bootshim`"
    );
    program
}

/// Writes a file with holes where there is nothing but zeros.
pub fn write_sparse(path: &Path, bytes: &[u8]) {
    const NOTHING: [u8; 4096] = [0; 4096];
    let mut file = File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (block, at) in bytes
        .chunks(NOTHING.len())
        .zip((0..).step_by(NOTHING.len()))
    {
        if block != &NOTHING[..block.len()] {
            file.write_all_at(block, at).unwrap();
        }
    }
    file.flush().unwrap();
}
