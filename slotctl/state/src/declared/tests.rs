use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// An image with these files in its folder, and these places.
fn image(files: &[(&str, &str)], places: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    for place in places {
        fs::create_dir_all(root.path().join(place.trim_start_matches('/'))).unwrap();
    }
    root
}

fn path(path: &str, kind: &str, more: &str) -> String {
    format!("[[path]]\npath = {path:?}\nkind = {kind:?}\n{more}\n")
}

fn refused(text: &str) -> Error {
    let mut declared = Declared::default();
    let file = Path::new("/usr/lib/slotctl/state.d/app.toml");
    declared.add(text, file).unwrap_err()
}

#[test]
fn what_packages_declare_is_read_file_by_file() {
    let database = path("/var/lib/postgresql", "shared", "format = 15");
    let app = path("/var/lib/app", "per-slot", "") + &path("/var/cache/app", "reset", "");
    let more = path("/etc/app", "copy-forward", "format = 2");
    let places = [
        "/var/lib/postgresql",
        "/var/lib/app",
        "/var/cache/app",
        "/etc",
    ];
    let files = [
        ("a.toml", &*database),
        ("b.toml", &*app),
        ("c.toml", &*more),
    ];
    let image = image(&files, &places);
    fs::write(image.path().join("etc/app"), "a file is kept as well").unwrap();
    fs::write(image.path().join(FOLDER).join("README"), "not one of them").unwrap();
    let declared = Declared::read(image.path()).unwrap().unwrap();
    let read: Vec<_> = declared
        .paths
        .iter()
        .map(|d| (d.path.as_str(), d.kind, d.format))
        .collect();
    assert_eq!(
        read,
        [
            ("/etc/app", Kind::CopyForward, 2),
            ("/var/cache/app", Kind::Reset, 0),
            ("/var/lib/app", Kind::PerSlot, 0),
            ("/var/lib/postgresql", Kind::Shared, 15),
        ]
    );
    assert!(declared.unknown_keys.is_empty());
}

#[test]
fn an_image_without_the_folder_declares_nothing() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(Declared::read(root.path()).unwrap(), None);
}

#[test]
fn unknown_keys_are_named_with_their_file_and_stop_nothing() {
    let image = image(
        &[("a.toml", &path("/srv", "shared", "owner = 3"))],
        &["/srv"],
    );
    let declared = Declared::read(image.path()).unwrap().unwrap();
    assert_eq!(
        declared.unknown_keys,
        ["path.0.owner in /usr/lib/slotctl/state.d/a.toml"]
    );
}

#[test]
fn every_mistake_is_named_with_file_line_and_column() {
    let table: Vec<(String, &str, &str)> = vec![
        (
            "[[path]]\npath = 5\nkind = \"shared\"".into(),
            "line 2, column 8",
            "a string",
        ),
        (
            "[[path]]\npath = \"/srv\"".into(),
            "line 1, column 1",
            "missing field `kind`",
        ),
        (path("/srv", "common", ""), "line 3, column 8", "`shared`"),
        (
            path("srv", "shared", ""),
            "line 2, column 8",
            "an absolute path",
        ),
        (
            path("/srv/../etc", "shared", ""),
            "line 2, column 8",
            "without `.`, `..`",
        ),
        (
            path("/srv/./a", "shared", ""),
            "line 2, column 8",
            "without `.`, `..`",
        ),
        (
            path("/srv/", "shared", ""),
            "line 2, column 8",
            "one slash before each",
        ),
        (
            path("/srv//a", "shared", ""),
            "line 2, column 8",
            "one slash before each",
        ),
        (
            path("/", "shared", ""),
            "line 2, column 8",
            "one slash before each",
        ),
        (
            path("/srv\n", "shared", ""),
            "line 2, column 8",
            "control characters",
        ),
        (
            path(&format!("/{}", "a".repeat(200)), "shared", ""),
            "line 2",
            "at most 200 bytes",
        ),
        (
            path("/usr/share/app", "shared", ""),
            "line 2, column 8",
            "beside /usr",
        ),
        (
            path("/proc", "shared", ""),
            "line 2, column 8",
            "beside /proc",
        ),
        (
            path("/boot/efi", "shared", ""),
            "line 2, column 8",
            "beside /boot",
        ),
        (
            path("/etc", "shared", ""),
            "line 2, column 8",
            "beside /etc/hostname",
        ),
        (
            path("/var", "shared", ""),
            "line 2, column 8",
            "beside /var/lib/slotctl",
        ),
        (
            path("/srv", "shared", "format = 0"),
            "line 4, column 10",
            "1 or more",
        ),
        (
            path("/srv", "shared", "format = -1"),
            "line 4, column 10",
            "u32",
        ),
        (
            path("/srv", "per-slot", "format = 3"),
            "line 4, column 10",
            "shared or copy-forward",
        ),
        (
            path("/srv", "reset", "format = 3"),
            "line 4, column 10",
            "shared or copy-forward",
        ),
        ("[[path]".into(), "line 1", ""),
    ];
    for (text, at, expected) in table {
        let error = refused(&text);
        assert_eq!(error.code, Code::BadConfig);
        let said = error.to_string();
        assert!(said.contains("/usr/lib/slotctl/state.d/app.toml"), "{said}");
        assert!(said.contains(at), "{text}: {said}");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn a_database_is_not_copied_forward_unless_somebody_says_that_it_is_none() {
    for database in [
        path("/var/lib/postgresql", "copy-forward", ""),
        path("/var/lib/mysql/app", "copy-forward", ""),
        path("/srv/app", "copy-forward", "database = true"),
    ] {
        let said = refused(&database).to_string();
        assert!(
            said.contains("line 3, column 8") && said.contains("is a database"),
            "{said}"
        );
    }
    let mut declared = Declared::default();
    let none = path("/var/lib/redis", "copy-forward", "database = false");
    declared.add(&none, Path::new("a.toml")).unwrap();
    declared
        .add(
            &path("/srv", "shared", "database = true"),
            Path::new("b.toml"),
        )
        .unwrap();
}

#[test]
fn paths_that_overlap_name_both_files() {
    for (one, other) in [("/srv", "/srv"), ("/srv", "/srv/app"), ("/srv/app", "/srv")] {
        let mut declared = Declared::default();
        declared
            .add(&path(one, "shared", ""), Path::new("/a.toml"))
            .unwrap();
        let error = declared
            .add(&path(other, "reset", ""), Path::new("/b.toml"))
            .unwrap_err();
        let said = error.to_string();
        assert!(said.contains("/a.toml, line 2, column 8"), "{said}");
        assert!(said.contains("/b.toml, line 2, column 8"), "{said}");
    }
    let mut declared = Declared::default();
    let beside = path("/srv/app", "shared", "") + &path("/srv/app2", "shared", "");
    declared.add(&beside, Path::new("/a.toml")).unwrap();
}

#[test]
fn a_path_is_there_in_the_image_and_no_link_leads_to_it() {
    let declared = |at: &str| {
        let image = image(
            &[("a.toml", &path(at, "shared", ""))],
            &["/srv/real", "/etc"],
        );
        let links = [
            ("srv/link", "real"),
            ("srv/round", "again"),
            ("srv/again", "round"),
        ];
        for (link, to) in links {
            symlink(to, image.path().join(link)).unwrap();
        }
        Declared::read(image.path())
    };
    assert!(declared("/srv/real").is_ok());
    for (at, words) in [
        ("/srv/none", "the image has no /srv/none"),
        ("/srv/link", "/srv/link is a link to real"),
        ("/srv/link/app", "/srv/link is a link to real"),
        ("/srv/round", "/srv/round is a link to again"),
        ("/srv/round/app", "/srv/round is a link to again"),
    ] {
        let said = declared(at).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        assert!(
            said.contains("/usr/lib/slotctl/state.d/a.toml, line 2, column 8"),
            "{said}"
        );
    }
}

#[test]
fn a_link_in_the_folder_is_refused_since_it_could_lead_out_of_the_image() {
    let image = image(&[], &[]);
    symlink("/data/app.toml", image.path().join(FOLDER).join("app.toml")).unwrap();
    let said = Declared::read(image.path()).unwrap_err().to_string();
    assert!(said.contains("app.toml is not a file"), "{said}");
}

#[test]
fn names_on_the_data_partition_are_those_of_systemd_escape() {
    for (path, name) in [
        ("/var/lib/app", "var-lib-app"),
        ("/srv", "srv"),
        ("/srv/my-app", "srv-my\\x2dapp"),
        ("/.a/.b", "\\x2ea-.b"),
        ("/srv/ü", "srv-\\xc3\\xbc"),
    ] {
        assert_eq!(Kept(path.to_owned()).file_name(), name);
    }
}
