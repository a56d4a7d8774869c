//! What `image build` makes of what lies in the root: how it calls itself, and what it
//! declares to keep.

use crate::bench::Bench;
use crate::ran::{Ran, says};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const DATABASE: &str = "[[path]]\npath = \"/var/lib/postgresql\"\nkind = \"copy-forward\"\n";
const DECLARED: &str = "usr/lib/slotctl/state.d/app.toml";

/// How each kind of root is made of the folder `tree`.
const KINDS: [&str; 7] = [
    "mkfs.erofs root tree",
    "mkfs.erofs -zlz4hc root tree",
    "mke2fs -t ext4 -O ^has_journal -d tree root 4M",
    "mksquashfs tree root",
    "mksquashfs tree root -comp xz -no-fragments",
    "mksquashfs tree root -comp zstd -b 4096",
    "mksquashfs tree root -comp lz4 -noI -noD -noF",
];

/// A root with these files, made so.
fn root(bench: &Bench, files: &[(&str, &str)], make: &str) {
    let tree = bench.directory().join("tree");
    for folder in ["etc", "srv", "var/lib/postgresql"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    symlink("../usr/lib/os-release", tree.join("etc/os-release")).unwrap();
    symlink("srv", tree.join("link")).unwrap();
    for (name, text) in files {
        let file = tree.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let mut words = make.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let made = command.args(words).current_dir(bench.directory()).output();
    let made = made.expect("erofs-utils, e2fsprogs, squashfs-tools");
    assert!(made.status.success(), "{made:?}");
}

fn build(bench: &Bench) -> Ran {
    bench.run(
        "--json image build --rootfs root --kernel kernel --cmdline root=PARTUUID={slot} \
         --compatible plc-4 --version 2.1 --key ours.key --out x.slotimg",
    )
}

/// What is said of the root, beside what is said of the bench's kernel.
fn warnings(bench: &Bench) -> Vec<String> {
    let built = build(bench).ok();
    let Value::Array(warnings) = built.json()["warnings"].take() else {
        panic!("{}", built.stdout)
    };
    let texts = warnings
        .iter()
        .map(|text| text.as_str().unwrap().to_owned());
    let of_the_root: Vec<_> = texts.filter(|text| !text.contains("is no PE")).collect();
    for warning in &of_the_root {
        says(&built.stderr, warning);
    }
    of_the_root
}

/// The complaint about a root that is not built, of which there is no image.
fn refused(bench: &Bench) -> Value {
    let error = build(bench).error(2, "bad-config");
    assert_eq!(error["changed"], "no image was written");
    assert!(!Path::new(&bench.directory().join("x.slotimg")).exists());
    error
}

#[test]
fn a_root_of_another_name_or_version_is_a_warning() {
    for make in KINDS {
        let bench = Bench::new();
        let text = "ID=debian\nIMAGE_ID=\"plc-5\"\nIMAGE_VERSION=2.0\n";
        root(&bench, &[("usr/lib/os-release", text)], make);
        let said = warnings(&bench);
        let [name, version] = said.as_slice() else {
            panic!("{make}: {said:?}")
        };
        says(
            name,
            "os-release says IMAGE_ID=\"plc-5\", and --compatible is \"plc-4\"",
        );
        says(
            version,
            "os-release says IMAGE_VERSION=\"2.0\", and --version is \"2.1\"",
        );
    }
}

#[test]
fn a_root_of_this_name_and_version_or_of_none_needs_no_word() {
    for text in ["IMAGE_ID=plc-4\nIMAGE_VERSION='2.1'\n", "ID=debian\n"] {
        let bench = Bench::new();
        root(&bench, &[("usr/lib/os-release", text)], KINDS[0]);
        assert!(warnings(&bench).is_empty());
    }
    let bench = Bench::new();
    root(&bench, &[], KINDS[0]);
    assert!(warnings(&bench).is_empty());
}

#[test]
fn os_release_of_etc_counts_where_it_is_no_link() {
    let bench = Bench::new();
    let files = [("usr/lib/os-release", "IMAGE_ID=plc-4")];
    root(&bench, &files, KINDS[0]);
    let own = bench.directory().join("tree/etc/os-release");
    fs::remove_file(&own).unwrap();
    fs::write(own, "IMAGE_ID=its-own").unwrap();
    fs::remove_dir_all(bench.directory().join("tree/usr/lib")).unwrap();
    remade(&bench);
    says(warnings(&bench).concat(), "its-own");
}

/// The erofs anew, of what is in the folder now.
fn remade(bench: &Bench) {
    let mut mkfs = Command::new("mkfs.erofs");
    let made = mkfs.args(["root", "tree"]).current_dir(bench.directory());
    assert!(made.output().unwrap().status.success());
}

#[test]
fn a_database_that_would_be_copied_forward_is_refused() {
    for make in KINDS {
        let bench = Bench::new();
        root(&bench, &[(DECLARED, DATABASE)], make);
        let error = refused(&bench);
        says(
            &error["found"],
            "/usr/lib/slotctl/state.d/app.toml, line 3, column 8: /var/lib/postgresql is copied \
             forward and is a database",
        );
    }
}

#[test]
fn a_declaration_that_no_start_would_take_is_refused() {
    let shared = |path: &str| format!("[[path]]\npath = \"{path}\"\nkind = \"shared\"\n");
    for make in KINDS {
        for (path, words) in [
            ("/none", "the image has no /none"),
            ("/link", "/link is a link to srv"),
            ("/link/app", "/link is a link to srv"),
            ("srv", "expected an absolute path"),
            ("/etc", "beside /etc/hostname"),
        ] {
            let bench = Bench::new();
            root(&bench, &[(DECLARED, &shared(path))], make);
            let error = refused(&bench);
            says(format!("{} {}", error["found"], error["expected"]), words);
            says(&error["found"], "state.d/app.toml, line 2, column 8");
        }
        let bench = Bench::new();
        let other = "usr/lib/slotctl/state.d/other.toml";
        let both = [(DECLARED, &*shared("/srv")), (other, &*shared("/srv/app"))];
        root(&bench, &both, make);
        says(&refused(&bench)["found"], "lie one in the other");
    }
}

#[test]
fn what_a_root_keeps_in_order_is_built_without_a_word() {
    for make in KINDS {
        let bench = Bench::new();
        let text = DATABASE.replace("copy-forward", "shared");
        root(&bench, &[(DECLARED, &text)], make);
        assert_eq!(warnings(&bench), [""; 0], "{make}");
        let bench = Bench::new();
        let text = format!("{text}owner = 3\n");
        root(&bench, &[(DECLARED, &text)], make);
        says(
            warnings(&bench).concat(),
            "unknown key path.0.owner in /usr/lib/slotctl",
        );
    }
}

#[test]
fn what_of_a_root_cannot_be_read_is_said_and_stops_nothing() {
    let bench = Bench::new();
    let long = DATABASE.to_owned() + &"# a comment\n".repeat(10_000);
    root(&bench, &[(DECLARED, &long)], "mkfs.erofs -zlz4hc root tree");
    let said = warnings(&bench).concat();
    says(&said, "could not look into root filesystem root: ");
    says(&said, "/usr/lib/slotctl/state.d/app.toml: it is compressed");
    let bench = Bench::new();
    root(
        &bench,
        &[(DECLARED, DATABASE)],
        "mksquashfs tree root -comp lzo",
    );
    let said = warnings(&bench).concat();
    says(&said, "root: it is compressed in a way that is not known");
}

#[test]
fn a_long_declaration_in_a_large_folder_is_read_to_its_end() {
    // Of an erofs that compresses, long files are not read.
    for make in KINDS.iter().filter(|make| !make.contains("-zlz4hc")) {
        let bench = Bench::new();
        let long = "# a comment\n".repeat(30_000) + DATABASE;
        let names: Vec<String> = (0..600)
            .map(|number| format!("usr/lib/slotctl/state.d/{number:0100}.txt"))
            .collect();
        let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        files.push((DECLARED, &long));
        root(&bench, &files, make);
        says(&refused(&bench)["found"], "line 30003, column 8");
    }
}
