use super::*;
use bootshim::copies::Copy;
use bootshim::record::State;
use controller::code::Code;
use controller::code::Exit;
use controller::disk::Disk;
use controller::medium::Mode;
use controller::size::{GIB, MIB};
use fakedisk::program as sample;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

fn options(sizes: Sizes) -> Options {
    Options {
        sizes,
        bootshim: Program::parse(sample::program(0x8664)).unwrap(),
        compatible: Some("plc-4".to_owned()),
        seed: Some("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()),
        date: Date(1_700_000_000),
    }
}

fn created(sizes: Sizes) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    create(&path, &options(sizes)).unwrap().publish().unwrap();
    (directory, path)
}

#[test]
fn sgdisk_finds_no_problems() {
    for sizes in [
        Sizes::new(256 * MIB),
        Sizes {
            slots: 8,
            ..Sizes::new(8 * GIB)
        },
        Sizes::new(100 * MIB + 4096),
    ] {
        let (_directory, path) = created(sizes);
        let output = Command::new("sgdisk")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .arg("-v")
            .arg(&path)
            .output()
            .expect("sgdisk of package gdisk");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("No problems found"),
            "{said}"
        );
    }
}

#[test]
fn a_new_disk_has_four_copies_of_an_empty_record_its_bootshim_and_its_compatible() {
    for sector in [512, 4096] {
        let (_directory, path) = created(Sizes {
            sector,
            ..Sizes::new(128 * MIB)
        });
        let disk = Disk::open(&path).unwrap();
        assert_eq!(disk.table().sector, u32::from(sector));
        let medium = FileMedium::open(&path, Mode::Read).unwrap();
        let layout = disk.layout();
        let store = Store::open(Window::new(&medium, layout.record.extent), layout.record.id);
        assert!(
            store.copies().iter().all(|copy| *copy == Copy::Valid(1)),
            "{:?}",
            store.copies()
        );
        let record = store.record().unwrap();
        assert_eq!(record.slots().count(), 3);
        assert!(record.slots().all(|(_, slot)| slot.state == State::Empty));
        assert_eq!(
            esp::read_program(&medium, layout).unwrap(),
            options(Sizes::new(0)).bootshim
        );
        assert_eq!(
            esp::read_compatible(&medium, layout).unwrap().as_deref(),
            Some("plc-4")
        );
    }
}

#[test]
fn the_same_seed_and_date_give_the_same_bytes_and_another_seed_does_not() {
    let sizes = Sizes {
        esp: 4 * MIB,
        ..Sizes::new(16 * MIB)
    };
    let (_one, first) = created(sizes);
    let (_two, second) = created(sizes);
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());
    let other = first.with_file_name("other.img");
    create(
        &other,
        &Options {
            seed: None,
            ..options(sizes)
        },
    )
    .unwrap()
    .publish()
    .unwrap();
    let guid = |path: &Path| Disk::open(path).unwrap().layout().record.id;
    assert_ne!(guid(&first), guid(&other));
}

#[test]
fn a_new_disk_takes_little_room() {
    let (_directory, path) = created(Sizes::new(8 * GIB));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), 8 * GIB);
    assert!(
        metadata.blocks() * 512 < 2 * MIB,
        "{} blocks",
        metadata.blocks()
    );
}

#[test]
fn a_file_that_exists_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    let draft = create(&path, &options(Sizes::new(128 * MIB))).unwrap();
    fs::write(&path, "mine").unwrap();
    assert_eq!(
        create(&path, &options(Sizes::new(128 * MIB)))
            .unwrap_err()
            .exit(),
        Exit::Refused
    );
    assert_eq!(draft.publish().unwrap_err().exit(), Exit::Refused);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_create_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    let mut long = sample::program(0x8664);
    long.resize(3 << 20, 0);
    let too_long = Options {
        bootshim: Program::parse(long).unwrap(),
        ..options(Sizes {
            esp: 2 * MIB,
            ..Sizes::new(64 * MIB)
        })
    };
    assert_eq!(
        create(&path, &too_long).unwrap_err().code,
        Code::EspTooSmall
    );
    let tiny = options(Sizes::new(4 * MIB));
    assert_eq!(create(&path, &tiny).unwrap_err().code, Code::DoesNotFit);
    let nameless = Options {
        compatible: Some(String::new()),
        ..options(Sizes::new(64 * MIB))
    };
    assert_eq!(create(&path, &nameless).unwrap_err().exit(), Exit::Usage);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let nowhere = directory.path().join("no/disk.img");
    assert_eq!(
        create(&nowhere, &options(Sizes::new(64 * MIB)))
            .unwrap_err()
            .exit(),
        Exit::Usage
    );
}

#[test]
fn no_commit_is_lost_between_two_that_come_at_the_same_time() {
    let (_directory, path) = created(Sizes::new(128 * MIB));
    let raise = || {
        let disk = Disk::open(&path).unwrap();
        for _ in 0..25 {
            disk.update(|record, note| {
                let mut next = record.clone();
                next.floor += 1;
                Ok((Next::by_hand(next), note))
            })
            .unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(raise);
        scope.spawn(raise);
    });
    let (record, _) = Disk::open(&path).unwrap().read_record().unwrap();
    assert_eq!((record.floor, record.sequence), (50, 51));
}
