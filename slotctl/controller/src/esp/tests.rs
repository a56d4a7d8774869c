use super::*;
use crate::code::Code;
use crate::code::Exit;
use bootshim::gpt::Partition;
use bootshim::guid::Guid;
use bootshim::layout::{ESP_TYPE, RECORD_TYPE};
use bootshim::medium::Extent;
use fakedisk::FakeDisk;
use fakedisk::program as sample;
use proptest::prelude::*;
use std::io::Write;
use std::process::Command;

const MIB: u64 = 1 << 20;

fn program() -> Program {
    Program::parse(sample::program(0x8664)).unwrap()
}

fn contents(program: &Program) -> Contents<'_> {
    Contents {
        program,
        compatible: Some("plc-4 \"x\""),
        volume_id: 0x1234_5678,
        date: Date(1_700_000_000),
    }
}

fn made(sector: u16, length: u64, contents: &Contents<'_>) -> FakeDisk {
    let esp = FakeDisk::new(length);
    write(&esp, sector, contents).unwrap();
    esp
}

/// A disk that is nothing but its ESP.
fn layout(length: u64) -> Layout {
    let partition = |kind, len| Partition {
        number: 1,
        kind,
        id: Guid::ZERO,
        name: String::new(),
        extent: Extent { start: 0, len },
    };
    Layout {
        record: partition(RECORD_TYPE, 0),
        slots: vec![],
        esp: Some(partition(ESP_TYPE, length)),
        data: None,
    }
}

/// What `fsck.vfat -n` says of an ESP, where it finds something to say.
fn complaints(esp: &FakeDisk) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(esp.len()).unwrap();
    let content = esp.content();
    for place in content.places() {
        use std::io::Seek;
        let at = (place * fakedisk::BYTES) as u64;
        file.seek(io::SeekFrom::Start(at)).unwrap();
        file.write_all(content.get(place).bytes()).unwrap();
    }
    let output = Command::new("fsck.vfat")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-n", "-v"])
        .arg(file.path())
        .output()
        .expect("fsck.vfat of package dosfstools");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let words = ["Leaving filesystem unchanged", "differences", "Dirty"];
    let clean = output.status.success() && !words.iter().any(|word| said.contains(word));
    (!clean).then_some(said)
}

#[test]
fn fsck_finds_nothing_to_complain_about_whatever_size_and_sectors() {
    let program = program();
    for sector in [512, 4096] {
        for mib in [16, 17, 31, 33, 64, 100, 128, 256, 300, 511, 512] {
            let esp = made(sector, mib * MIB, &contents(&program));
            assert_eq!(complaints(&esp), None, "{mib} MiB with sectors of {sector}");
        }
    }
}

#[test]
fn program_and_compatible_are_read_back() {
    for sector in [512, 4096] {
        for machine in [0x8664, 0xaa64] {
            let program = Program::parse(sample::program(machine)).unwrap();
            let esp = made(sector, 16 * MIB, &contents(&program));
            assert_eq!(read_program(&esp, &layout(16 * MIB)).unwrap(), program);
            let compatible = read_compatible(&esp, &layout(16 * MIB)).unwrap();
            assert_eq!(compatible.as_deref(), Some("plc-4 \"x\""));
        }
    }
}

#[test]
fn a_disk_without_a_compatible_says_none() {
    let program = program();
    let esp = made(
        512,
        16 * MIB,
        &Contents {
            compatible: None,
            ..contents(&program)
        },
    );
    assert_eq!(read_compatible(&esp, &layout(16 * MIB)).unwrap(), None);
}

#[test]
fn the_same_contents_and_date_give_the_same_bytes() {
    let program = program();
    let first = made(512, 16 * MIB, &contents(&program));
    let second = made(512, 16 * MIB, &contents(&program));
    assert!(first.content() == second.content());
    let later = made(
        512,
        16 * MIB,
        &Contents {
            date: Date(1_800_000_000),
            ..contents(&program)
        },
    );
    assert!(first.content() != later.content());
}

#[test]
fn a_program_that_does_not_fit_is_refused() {
    let program = program();
    let error = write(FakeDisk::new(8192), 512, &contents(&program)).unwrap_err();
    assert_eq!(error.code, Code::EspTooSmall, "{error}");
    let mut long = sample::program(0x8664);
    long.resize(3 << 20, 0);
    let long = Program::parse(long).unwrap();
    let error = write(FakeDisk::new(2 * MIB), 512, &contents(&long)).unwrap_err();
    assert_eq!(error.code, Code::EspTooSmall, "{error}");
}

#[test]
fn a_disk_without_esp_filesystem_or_program_is_not_trusted() {
    let empty = FakeDisk::new(16 * MIB);
    let code = |error: Error| (error.exit(), error.code);
    assert_eq!(
        code(read_program(&empty, &layout(16 * MIB)).unwrap_err()),
        (Exit::NotAuthentic, Code::DamagedEsp)
    );
    format(Stream::new(&empty), 512, 16 * MIB, 1).unwrap();
    let mut without = layout(16 * MIB);
    without.esp = None;
    assert_eq!(
        code(read_program(&empty, &without).unwrap_err()),
        (Exit::NotAuthentic, Code::NoEsp)
    );
    let formatted = FakeDisk::new(16 * MIB);
    let mut stream = Stream::new(&formatted);
    format(&mut stream, 512, 16 * MIB, 1).unwrap();
    stream.store().unwrap();
    assert_eq!(
        code(read_program(&formatted, &layout(16 * MIB)).unwrap_err()),
        (Exit::NotAuthentic, Code::NoBootshim)
    );
    assert_eq!(
        read_compatible(&formatted, &layout(16 * MIB)).unwrap(),
        None
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_damage_to_the_filesystem_gives_an_answer(
        sector in prop::sample::select(vec![512u16, 4096]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4096, any::<u8>()), 1..24),
    ) {
        let program = program();
        let esp = made(sector, 16 * MIB, &contents(&program));
        for (block, at, value) in damage {
            let place = *block.get(&esp.content().places().collect::<Vec<_>>());
            esp.put(place * fakedisk::BYTES + at, &[value]);
        }
        let _ = read_program(&esp, &layout(16 * MIB));
        let _ = read_compatible(&esp, &layout(16 * MIB));
    }
}
