use super::*;
use proptest::prelude::*;

fn sector(numbers: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    bytes.resize(512, 0);
    bytes
}

fn log(entries: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = sector(&[MAGIC, VERSION, entries, SECTOR]);
    bytes.extend(parts.concat());
    bytes
}

#[test]
fn what_qemu_logged_is_read() {
    let log = log(
        4,
        &[
            sector(&[16, 2, 0, 0]),
            vec![7; 1024],
            sector(&[0, 0, FLUSH, 0]),
            sector(&[2048, 8, DISCARD, 0]),
            sector(&[1, 1, FUA, 0]),
            vec![9; 512],
        ],
    );
    let write = |offset, data: Vec<u8>, durable| {
        let data = data.into();
        Event::Write(Write {
            offset,
            data,
            durable,
        })
    };
    let (start, len) = (1 << 20, 4096);
    let expected = [
        write(8192, vec![7; 1024], false),
        Event::Flush,
        Event::Discard(Extent { start, len }),
        write(512, vec![9; 512], true),
    ];
    assert_eq!(read(&log).unwrap(), expected);
}

#[test]
fn the_flush_of_a_write_comes_before_it() {
    let log = log(1, &[sector(&[0, 1, FLUSH | FUA, 0]), vec![1; 512]]);
    let events = read(&log).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], Event::Flush);
}

#[test]
fn a_log_that_was_cut_off_or_is_none_is_refused() {
    let whole = log(1, &[sector(&[0, 1, 0, 0]), vec![1; 512]]);
    assert_eq!(read(&whole[..1535]).unwrap_err(), LogError::Short(0));
    assert_eq!(
        read(&[whole.clone(), vec![0; 3]].concat()).unwrap_err(),
        LogError::Trailing(3)
    );
    let mut other = whole;
    other[0] ^= 1;
    assert!(matches!(
        read(&other).unwrap_err(),
        LogError::NotALog { field: "magic", .. }
    ));
}

#[test]
fn entries_that_nobody_can_replay_are_refused() {
    for (entry, expected) in [
        ([0, 0, 8, 0], LogError::Flags { entry: 0, flags: 8 }),
        ([0, 0, 0, 5], LogError::Flags { entry: 0, flags: 0 }),
        ([u64::MAX, 1, 0, 0], LogError::Range(0)),
        ([u64::MAX / 512, 1, 0, 0], LogError::Range(0)),
        ([0, u64::MAX / 512, 0, 0], LogError::Short(0)),
    ] {
        assert_eq!(read(&log(1, &[sector(&entry)])).unwrap_err(), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        entries in 0u64..4,
        bytes in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 255]), 0..3000)
    ) {
        let _ = read(&log(entries, std::slice::from_ref(&bytes)));
        let _ = read(&bytes);
    }
}
