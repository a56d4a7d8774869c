//! Files that are made: whole or not at all, whatever ends the command that makes
//! them, and on whatever they lie.

use crate::bench::Bench;
use crate::ran::{Ran, says};
use crate::web::nginx::Nginx;
use crate::web::yard::Yard;
use fakedisk::noise;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

const BUILD: &str = "image build --kernel kernel --cmdline ro --compatible plc-4 --version 9 \
                     --key ours.key --rootfs";

/// What the filesystem of a folder lacks.
#[derive(Clone, Copy, Debug)]
enum Lacks {
    Nothing,
    /// Files without a name, as FAT, NFS and most of FUSE do.
    Unnamed,
    /// Hard links.
    Links,
}

/// A library that makes every filesystem one that lacks something: it stands before
/// the C library.
fn lacking() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    const SOURCE: &str = "
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdarg.h>
        #include <stdlib.h>
        int open64(const char *path, int flags, ...) {
            va_list more;
            va_start(more, flags);
            int mode = va_arg(more, int);
            va_end(more);
            if ((flags & O_TMPFILE) == O_TMPFILE && getenv(\"LACKS_UNNAMED\")) {
                errno = EOPNOTSUPP;
                return -1;
            }
            int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, \"open64\");
            return real(path, flags, mode);
        }
        int linkat(int a, const char *from, int b, const char *to, int flags) {
            errno = EPERM;
            return -1;
        }
    ";
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, library) = (folder.join("lacking.c"), folder.join("lacking.so"));
        fs::write(&source, SOURCE).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library);
        assert!(cc.arg(&source).arg("-ldl").status().unwrap().success());
        library
    })
}

fn on(lacks: Lacks, mut command: Command) -> Command {
    match lacks {
        Lacks::Nothing => {}
        Lacks::Links => {
            command.env("LD_PRELOAD", lacking());
        }
        Lacks::Unnamed => {
            command
                .env("LD_PRELOAD", lacking())
                .env("LACKS_UNNAMED", "");
        }
    }
    command
}

const ALL: [Lacks; 3] = [Lacks::Nothing, Lacks::Unnamed, Lacks::Links];

/// What lies in the folder for what is made.
fn left(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.directory().join("out")).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect()
}

fn bench() -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.directory().join("out")).unwrap();
    bench
}

/// Waits until a command has a file open in the folder for what is made.
fn is_making(child: &mut Child, bench: &Bench) {
    let out = fs::canonicalize(bench.directory()).unwrap().join("out/x");
    let out = out.to_str().unwrap().trim_end_matches('x').to_owned();
    let descriptors = format!("/proc/{}/fd", child.id());
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it has ended already");
        let open = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        let mut open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        if open.any(|path| path.to_string_lossy().starts_with(&out)) {
            return;
        }
        std::thread::yield_now();
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, signal).unwrap();
}

#[test]
fn a_command_that_a_signal_ends_leaves_nothing_on_any_filesystem() {
    let bench = bench();
    // So long that no machine packs it while this one looks.
    let endless = File::create(bench.file("endless")).unwrap();
    endless.set_len(8 << 30).unwrap();
    for lacks in ALL {
        for (by, status) in [
            (Signal::SIGTERM, 143),
            (Signal::SIGHUP, 129),
            (Signal::SIGINT, 130),
        ] {
            let words = format!("{BUILD} endless --out out/x.slotimg");
            let mut command = on(lacks, bench.command(&words));
            let mut child = command.stderr(Stdio::null()).spawn().unwrap();
            is_making(&mut child, &bench);
            signal(&child, by);
            let output = child.wait_with_output().unwrap();
            assert_eq!(Ran::new(&words, &output).status, status, "{lacks:?}");
            assert_eq!(left(&bench), [""; 0], "{lacks:?}, {by}");
        }
    }
}

#[test]
fn a_build_that_was_told_to_ignore_a_signal_goes_on() {
    let bench = bench();
    let long = File::create(bench.file("long")).unwrap();
    long.set_len(64 << 20).unwrap();
    for lacks in ALL {
        let slotctl = env!("CARGO_BIN_EXE_slotctl");
        let words = format!("{BUILD} long --out out/{lacks:?}.slotimg");
        words.split_whitespace().for_each(|word| {
            bench.file(word);
        });
        let mut command = Command::new("sh");
        let script = format!("trap '' HUP; exec {slotctl} {words}");
        command.current_dir(bench.directory()).args(["-c", &script]);
        let mut child = on(lacks, command).stdout(Stdio::null()).spawn().unwrap();
        is_making(&mut child, &bench);
        signal(&child, Signal::SIGHUP);
        assert!(child.wait().unwrap().success(), "{lacks:?}");
    }
    assert_eq!(left(&bench).len(), ALL.len());
}

#[test]
fn everything_can_be_made_on_any_filesystem() {
    for lacks in ALL {
        let bench = bench();
        for words in [
            "key generate --out out/k".to_owned(),
            format!("{BUILD} root1 --out out/x.slotimg"),
            // In place of the one before.
            format!("{BUILD} root2 --out out/x.slotimg"),
            "image delta --from v1.slotimg --to v2.slotimg --out out/d.slotimg".into(),
            "bootshim trust BOOTX64.EFI --trust ours.pub --out out/B.EFI".into(),
            "disk create out/d.img --size 12MiB --bootshim BOOTX64.EFI --trust ours.pub \
             --slot-size 2MiB --esp-size 2MiB --data-size 1MiB --image v1.slotimg"
                .into(),
            "key set create --epoch 1 --threshold 1 --release ours.pub --root ours.key \
             --out out/s.keyset"
                .into(),
        ] {
            let mut command = on(lacks, bench.command(&words));
            Ran::new(&words, &command.output().unwrap()).ok();
        }
        bench.does("image verify out/x.slotimg --trust ours.pub");
        bench.does("--disk out/d.img verify");
        let mut names = left(&bench);
        names.sort();
        let expected = [
            "B.EFI",
            "d.img",
            "d.slotimg",
            "k.key",
            "k.pub",
            "s.keyset",
            "x.slotimg",
        ];
        assert_eq!(names, expected, "{lacks:?}");
    }
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_like_any_other() {
    let bench = bench();
    let somebody = Somebody::of(&bench, 54323);
    let create = "disk create out/d.img --size 12MiB --bootshim BOOTX64.EFI --trust ours.pub \
                  --slot-size 2MiB --esp-size 2MiB --data-size 1MiB";
    for (limit, words) in [
        (0, "key generate --out out/k"),
        (100_000, &format!("{BUILD} root1 --out out/x.slotimg")),
        (
            1000,
            "image delta --from v1.slotimg --to v2.slotimg --out out/d.slotimg",
        ),
        (
            1000,
            "bootshim trust BOOTX64.EFI --trust ours.pub --out out/B.EFI",
        ),
        (1 << 20, create),
        (5 << 20, "--disk disk.img install v2.slotimg"),
    ] {
        let error = somebody.limited("--fsize", limit, words);
        let error = error.with_status(5).json();
        assert_eq!(error["error"]["code"], "file-too-large", "{words}: {error}");
        let found = error["error"]["found"].to_string();
        assert!(
            !found.contains(".part") && !found.contains("/proc"),
            "{found}"
        );
        assert_eq!(left(&bench), [""; 0], "{words}");
    }
    bench.next_install_works();
}

#[test]
fn the_place_that_is_full_is_named_and_not_the_image() {
    let bench = bench();
    let somebody = Somebody::of(&bench, 54324);
    // Of an initrd that is also in the root, the image has only where.
    fs::write(bench.directory().join("both"), noise("both", 1 << 20)).unwrap();
    let words = format!("{BUILD} both --initrd both --out out/x.slotimg");
    bench.does(&words);
    let verify = "image verify out/x.slotimg --trust ours.pub";
    bench.does(verify);
    let error = somebody
        .limited("--fsize", 1000, verify)
        .with_status(5)
        .json();
    let found = error["error"]["found"].as_str().unwrap();
    assert!(
        found.starts_with("cannot keep unpacked content in /var/tmp: "),
        "{found}"
    );
}

#[test]
fn where_no_thread_can_be_had_one_is_enough() {
    let bench = bench();
    let somebody = Somebody::of(&bench, 54321);
    for words in [
        "--disk disk.img install v2.slotimg",
        "--disk disk.img verify",
        &format!("{BUILD} root1 --out out/x.slotimg"),
        "image verify v1.slotimg --trust ours.pub",
        "image delta --from v1.slotimg --to v2.slotimg --out out/d.slotimg",
    ] {
        somebody.limited("--nproc", 1, words).ok();
    }
    // The same bytes as with many.
    bench.does(&format!("{BUILD} root1 --out many.slotimg"));
    let one = fs::read(bench.directory().join("out/x.slotimg")).unwrap();
    assert!(bench.read("many.slotimg") == one);
}

#[test]
fn an_install_from_a_server_says_that_it_has_too_few_threads_before_it_changes_anything() {
    let bench = bench();
    let nginx = Nginx::new("");
    Yard::serve(&nginx.files(), "v2.slotimg", &bench.read("v2.slotimg"));
    let url = nginx.url("v2.slotimg").replace("127.0.0.1", "localhost");
    let install = format!("--disk disk.img install {url}");
    let somebody = Somebody::of(&bench, 54322);
    let before = bench.read("disk.img");
    for too_few in [1, 4] {
        let refused = somebody.limited("--nproc", too_few, &install);
        let error = refused.with_status(5).json()["error"].clone();
        says(&error["found"], "thread");
        assert_eq!(error["changed"], "nothing was written");
    }
    assert!(before == bench.read("disk.img"));
    // Others count for one who is not root.
    if somebody.is_another() {
        somebody.limited("--nproc", 17, &install).ok();
    }
}

/// Somebody with limits, in a bench. Where root runs the tests it is another user,
/// since root has no limit of threads.
struct Somebody<'a> {
    bench: &'a Bench,
    user: u32,
}

impl Somebody<'_> {
    fn of(bench: &Bench, user: u32) -> Somebody<'_> {
        for folder in [bench.directory(), &bench.directory().join("out")] {
            fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        }
        // Where the program was built they may not look.
        fs::copy(env!("CARGO_BIN_EXE_slotctl"), bench.file("program")).unwrap();
        Somebody { bench, user }
    }

    fn is_another(&self) -> bool {
        fs::metadata("/proc/self").unwrap().uid() == 0
    }

    /// Runs `slotctl --json` with these words under a limit.
    fn limited(&self, limit: &str, value: u64, words: &str) -> Ran {
        let mut all = vec!["prlimit".to_owned(), format!("{limit}={value}")];
        if self.is_another() {
            let user = [
                format!("--reuid={0}", self.user),
                format!("--regid={0}", self.user),
            ];
            let before = ["setpriv".into(), "--clear-groups".into()];
            all.splice(0..0, before.into_iter().chain(user));
        }
        all.push("./program".into());
        for word in words.split_whitespace() {
            let file = self.bench.file(word);
            if file.is_file() {
                fs::set_permissions(file, PermissionsExt::from_mode(0o666)).unwrap();
            }
            all.push(word.into());
        }
        let mut command = Command::new(&all[0]);
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        command.current_dir(self.bench.directory()).args(&all[1..]);
        let output = command.arg("--json").stdin(Stdio::null()).output().unwrap();
        Ran::new(words, &output)
    }
}

#[test]
fn a_link_is_written_through_and_never_replaced() {
    let bench = bench();
    let path = |name: &str| bench.directory().join(name);
    for (name, words) in [
        ("x.slotimg", format!("{BUILD} root1 --out x.slotimg")),
        (
            "B.EFI",
            "bootshim trust BOOTX64.EFI --trust ours.pub --out B.EFI".into(),
        ),
    ] {
        symlink("out/real", path(name)).unwrap();
        bench.run(&format!("--json {words}")).error(2, "not-a-file");
        fs::write(path("out/real"), "old").unwrap();
        bench.does(&words);
        assert!(path(name).symlink_metadata().unwrap().is_symlink());
        assert!(fs::metadata(path("out/real")).unwrap().len() > 1000);
        fs::remove_file(path("out/real")).unwrap();
    }
    // What is never made over a file is never made over a link either.
    for (name, words) in [
        ("k.pub", "key generate --out k"),
        (
            "d.img",
            "disk create d.img --size 12MiB --bootshim BOOTX64.EFI --trust ours.pub",
        ),
        (
            "s.keyset",
            "key set create --epoch 1 --threshold 1 --release ours.pub --out s.keyset",
        ),
    ] {
        symlink("out/real", path(name)).unwrap();
        bench.run(&format!("--json {words}")).error(3, "exists");
        assert!(path(name).symlink_metadata().unwrap().is_symlink());
    }
    assert!(!path("k.key").exists());
    assert_eq!(left(&bench), [""; 0]);
}

#[test]
fn a_file_may_have_a_name_that_is_no_text() {
    let bench = bench();
    let name = |ending: &str| {
        let name = [b"out/\xff\xc3(\x80", ending.as_bytes()].concat();
        OsStr::from_bytes(&name).to_owned()
    };
    let (image, disk, key) = (name(".slotimg"), name(".img"), name(".key"));
    fs::copy(bench.file("ours.key"), bench.directory().join(&key)).unwrap();
    fs::copy(bench.file("v2.slotimg"), bench.directory().join(&image)).unwrap();
    let create = "disk create --size 12MiB --bootshim BOOTX64.EFI --trust ours.pub \
                  --slot-size 2MiB --esp-size 2MiB --data-size 1MiB --image";
    for (words, rest) in [
        ("key show", vec![&key]),
        ("image show", vec![&image]),
        ("image verify --trust ours.pub --", vec![&image]),
        ("image sign --key", vec![&key, &image]),
        (create, vec![&image, &disk]),
        ("--disk disk.img install", vec![&image]),
        ("status --disk", vec![&disk]),
    ] {
        let mut command = bench.command(words);
        let output = command.args(rest).stdin(Stdio::null()).output().unwrap();
        Ran::new(words, &output).ok();
    }
}
