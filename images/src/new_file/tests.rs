use super::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::string::ToString;
use tempfile::TempDir;

/// Both kinds of filesystem: with files that have no name, and without.
fn both(target: &Path, make: fn(&Path, u32) -> Result<NewFile, NewFileError>) -> [NewFile; 2] {
    [false, true].map(|named| {
        let mut new = make(target, ORDINARY).unwrap();
        if named {
            let (file, name) = super::named(directory(target), ORDINARY).unwrap();
            (new.file, new.named) = (file, Some(name));
        }
        new.file().write_all(b"new").unwrap();
        new
    })
}

fn names(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    for at in [0, 1] {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("x");
        let made = || {
            let mut both = Vec::from(both(&target, NewFile::create));
            both.swap_remove(at)
        };
        drop(made());
        assert_eq!(names(&directory), 0);
        made().publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(&directory), 1);
    }
}

#[test]
fn a_file_that_is_not_whole_has_no_name_where_that_can_be() {
    let directory = TempDir::new().unwrap();
    let _new = NewFile::create(&directory.path().join("x"), ORDINARY).unwrap();
    assert_eq!(names(&directory), 0);
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_replaced() {
    for at in [0, 1] {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("x");
        let mut both = Vec::from(both(&target, NewFile::create));
        let new = both.swap_remove(at);
        drop(both);
        fs::write(&target, "theirs").unwrap();
        assert!(matches!(new.publish(), Err(NewFileError::Exists(_))));
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(names(&directory), 1);
        assert!(matches!(
            NewFile::create(&target, ORDINARY),
            Err(NewFileError::Exists(_))
        ));
    }
}

#[test]
fn a_file_that_is_there_is_replaced_in_one_step_where_that_is_asked_for() {
    for at in [0, 1] {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("x");
        fs::write(&target, "old").unwrap();
        let mut both = Vec::from(both(&target, NewFile::replace));
        let new = both.swap_remove(at);
        drop(both);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        new.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(&directory), 1);
    }
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
    let [here, there] = [(); 2].map(|()| TempDir::new().unwrap());
    let (target, link) = (there.path().join("x"), here.path().join("link"));
    fs::write(&target, "old").unwrap();
    symlink(&target, &link).unwrap();
    for new in both(&link, NewFile::replace) {
        new.publish().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }
    assert!(matches!(
        NewFile::create(&link, ORDINARY),
        Err(NewFileError::Exists(_))
    ));
    assert_eq!((names(&here), names(&there)), (1, 1));
}

#[test]
fn a_link_to_nothing_a_device_and_a_folder_are_never_replaced() {
    let directory = TempDir::new().unwrap();
    let path = |name| directory.path().join(name);
    symlink("/dev/null", path("device")).unwrap();
    symlink("nowhere", path("nothing")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    let refused = |name| NewFile::replace(&path(name), ORDINARY).unwrap_err();
    assert!(matches!(refused("nothing"), NewFileError::LinkToNothing(_)));
    for name in ["device", "folder"] {
        assert!(matches!(refused(name), NewFileError::NoFile(_)));
    }
    assert_eq!(names(&directory), 3);
}

#[test]
fn where_there_are_no_hard_links_a_copy_gets_the_name() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("x");
    let mut new = NewFile::create(&target, SECRET).unwrap();
    new.file().write_all(b"new").unwrap();
    let (mut copy, name) = named(directory.path(), SECRET).unwrap();
    new.copy_to(&mut copy).unwrap();
    rename_to_free(name, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert_eq!(names(&directory), 1);
}

#[test]
fn a_file_has_the_mode_that_was_asked_for() {
    for (mode, most) in [(SECRET, 0o600), (ORDINARY, 0o666)] {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("x");
        NewFile::create(&target, mode).unwrap().publish().unwrap();
        let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & !most, 0, "{mode:o}");
        assert_eq!(mode & 0o600, 0o600, "{mode:o}");
    }
}

#[test]
fn an_error_names_the_file_that_was_asked_for() {
    let error = NewFile::create(Path::new("no/such/place"), ORDINARY).unwrap_err();
    assert!(
        error.to_string().starts_with("writing no/such/place: "),
        "{error}"
    );
}
