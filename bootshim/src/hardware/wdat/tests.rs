use super::*;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use core::convert::Infallible;
use proptest::prelude::*;

const PORT: u64 = 0x660;
const MEMORY: u64 = 0xfed1_f410;

/// A table whose flags, counts and entries are these.
#[derive(Clone, Debug)]
struct Draft {
    flags: u8,
    pci: [u8; 5],
    counts: [u32; 3],
    entries: Vec<[u8; ENTRY_LEN]>,
}

impl Draft {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_LEN];
        bytes[..4].copy_from_slice(&SIGNATURE);
        bytes[36] = 32;
        bytes[40..45].copy_from_slice(&self.pci);
        for (number, offset) in self.counts.iter().zip([48, 52, 56]) {
            bytes[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
        }
        bytes[60] = self.flags;
        bytes[64] = u8::try_from(self.entries.len()).unwrap();
        bytes.extend(self.entries.iter().flatten());
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        sealed(bytes)
    }

    fn parse(&self) -> Result<Wdat, Refused> {
        Wdat::parse(&self.bytes())
    }
}

/// Right again by its checksum.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[9] = 0;
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[9] = sum.wrapping_neg();
    bytes
}

fn entry(
    action: u8,
    flags: u8,
    space: u8,
    width: u8,
    address: u64,
    value: u32,
    mask: u32,
) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    entry[0] = action;
    entry[1] = flags;
    entry[4] = space;
    entry[7] = width;
    entry[8..16].copy_from_slice(&address.to_le_bytes());
    entry[16..20].copy_from_slice(&value.to_le_bytes());
    entry[20..].copy_from_slice(&mask.to_le_bytes());
    entry
}

/// The TCO of a Q35, as its firmware could describe it.
fn tco() -> Draft {
    Draft {
        flags: 0x81,
        pci: NO_PCI_DEVICE,
        counts: [600, 0x3ff, 4],
        entries: vec![
            entry(1, 2, 1, 2, PORT, 1, 0x3ff),
            entry(6, 0x83, 1, 2, PORT + 0x12, 0, 0x3ff),
            entry(8, 0, 1, 2, PORT + 8, 0, 0x800),
            entry(9, 0x82, 1, 2, PORT + 8, 0, 0x800),
            entry(11, 0x82, 1, 2, PORT + 8, 0x800, 0x800),
            entry(17, 0x82, 0, 3, MEMORY, 0, 0x20),
            entry(32, 0, 1, 2, PORT + 6, 2, 2),
            entry(33, 2, 1, 2, PORT + 6, 2, 2),
        ],
    }
}

/// Registers that keep what is written.
#[derive(Default)]
struct FakeRegisters(BTreeMap<u64, u32>);

impl Registers for FakeRegisters {
    type Error = Infallible;

    fn read(&mut self, register: Register) -> Result<u32, Infallible> {
        Ok(self.0.get(&register.address).copied().unwrap_or(0))
    }

    fn write(&mut self, register: Register, value: u32) -> Result<(), Infallible> {
        self.0.insert(register.address, value);
        Ok(())
    }
}

#[test]
fn what_the_table_says_is_done_and_nothing_else_is_touched() {
    let mut table = tco().parse().unwrap();
    assert_eq!(table.set_period(60), 60);
    let mut registers = FakeRegisters::default();
    registers
        .0
        .extend([(PORT + 0x12, 0x8004), (PORT + 8, 0x1800), (MEMORY, 0xc60)]);
    let mut run = |action| table.run(action, &mut registers).unwrap();
    assert_eq!(run(Action::GetRunning), Some(0));
    assert_eq!(run(Action::SetCountdown), None);
    assert_eq!(run(Action::Reset), None);
    assert_eq!(run(Action::SetReboot), None);
    assert_eq!(run(Action::SetRunning), None);
    assert_eq!(run(Action::GetRunning), Some(1));
    assert_eq!(run(Action::GetStatus), Some(0));
    let left = [
        (PORT, 1),
        (PORT + 8, 0x1000),
        (PORT + 0x12, 0x8064),
        (MEMORY, 0xc40),
    ];
    assert_eq!(registers.0, BTreeMap::from(left));

    registers.0.insert(PORT + 6, 6);
    // Asked twice, the mark is still there: Linux is asked later.
    for _ in 0..2 {
        assert_eq!(table.last_reset(&mut registers), Ok(Cause::Watchdog));
    }
    // A one clears it, and what is beside it stays.
    table.run(Action::SetStatus, &mut registers).unwrap();
    assert_eq!(registers.0[&(PORT + 6)], 2);
    assert_eq!(table.stop(&mut registers), Ok(true));
    assert_eq!(registers.0[&(PORT + 8)], 0x1800);
}

#[test]
fn a_mark_that_nobody_can_clear_is_none() {
    let mut registers = FakeRegisters::default();
    let mut draft = tco();
    let cause = |draft: &Draft, registers: &mut FakeRegisters| {
        let table = draft.parse().unwrap();
        table.last_reset(registers).unwrap()
    };
    assert_eq!(cause(&draft, &mut registers), Cause::Other);
    registers.0.insert(PORT + 6, 2);
    assert_eq!(cause(&draft, &mut registers), Cause::Watchdog);
    draft.entries.remove(7);
    assert_eq!(cause(&draft, &mut registers), Cause::Unknown);
    draft.entries.remove(6);
    assert_eq!(cause(&draft, &mut registers), Cause::Unknown);
}

#[test]
fn one_that_nobody_can_stop_stands_still_as_long_as_nobody_has_armed_it() {
    let mut draft = tco();
    draft.entries.remove(4);
    let table = draft.parse().unwrap();
    let mut registers = FakeRegisters::default();
    registers.0.insert(PORT + 8, 0x800);
    assert_eq!(table.stop(&mut registers), Ok(true));
    table.run(Action::SetRunning, &mut registers).unwrap();
    assert_eq!(table.stop(&mut registers), Ok(false));
    // Nor is one that does not say whether it runs taken for one that does not.
    draft.entries.remove(2);
    assert_eq!(draft.parse().unwrap().stop(&mut registers), Ok(false));
}

#[test]
fn one_that_another_program_has_armed_is_petted_with_the_longest_period() {
    let mut draft = tco();
    // Petted by writing the count.
    draft.entries[0] = entry(1, 3, 1, 2, PORT, 0, 0x3ff);
    let mut table = draft.parse().unwrap();
    let mut registers = FakeRegisters::default();
    table.run(Action::Reset, &mut registers).unwrap();
    assert_eq!(registers.0[&PORT], 0x3ff);
    table.set_period(60);
    table.run(Action::Reset, &mut registers).unwrap();
    assert_eq!(registers.0[&PORT], 100);
}

#[test]
fn a_count_is_written_where_it_belongs_in_its_register() {
    let mut draft = tco();
    draft.entries[1][6] = 4;
    draft.entries[1][1] = 3;
    let mut table = draft.parse().unwrap();
    table.set_period(60);
    let mut registers = FakeRegisters::default();
    registers.0.insert(PORT + 0x12, 0xffff);
    table.run(Action::SetCountdown, &mut registers).unwrap();
    assert_eq!(registers.0[&(PORT + 0x12)], 0x640);
    // A count is read in the same way; the last of several answers is the one.
    draft
        .entries
        .push(entry(32, 1, 1, 2, PORT + 0x12, 0, 0xff0));
    let table = draft.parse().unwrap();
    let read = table.run(Action::GetStatus, &mut registers).unwrap();
    assert_eq!(read, Some(0x640));
}

#[test]
fn a_period_is_no_shorter_than_asked_for_unless_there_is_no_longer_one() {
    let table = tco().parse().unwrap();
    assert_eq!(table.count(60), (100, 60));
    assert_eq!(table.count(1), (4, 2));
    assert_eq!(table.count(613), (1022, 613));
    assert_eq!(table.count(614), (0x3ff, 613));
    assert_eq!(table.count(u32::MAX), (0x3ff, 613));
    let mut long = tco();
    long.counts = [u32::MAX, u32::MAX, 0];
    assert_eq!(long.parse().unwrap().count(u32::MAX), (1000, u32::MAX));
}

#[test]
fn a_count_that_the_register_does_not_hold_is_not_written() {
    let mut narrow = tco();
    // Room for 6 bits, beside a bit that only has to be written with it.
    narrow.entries[1][20..].copy_from_slice(&0x203f_u32.to_le_bytes());
    assert_eq!(narrow.parse().unwrap().count(600), (0x3f, 37));
    // A mask that reaches over the end of the register.
    narrow.entries[1][6] = 12;
    narrow.entries[1][20..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(narrow.parse().unwrap().count(600), (0xf, 9));
    narrow.entries[1][20..].copy_from_slice(&2_u32.to_le_bytes());
    assert_eq!(narrow.parse(), Err(Refused::Counts));
    let mut wide = tco();
    wide.counts[1] = u32::MAX;
    wide.entries[1][7] = 3;
    wide.entries[1][20..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(wide.parse().unwrap().count(u32::MAX).1, 2_576_980_377);
}

#[test]
fn a_table_that_linux_would_not_use_is_refused() {
    let with = |change: &dyn Fn(&mut Draft)| {
        let mut draft = tco();
        change(&mut draft);
        draft.parse().unwrap_err()
    };
    assert_eq!(with(&|draft| draft.flags = 0x80), Refused::SwitchedOff);
    assert_eq!(with(&|draft| draft.pci[2] = 0), Refused::PciDevice);
    assert_eq!(with(&|draft| draft.counts[0] = 0), Refused::Counts);
    assert_eq!(with(&|draft| draft.counts[1] = 3), Refused::Counts);
    assert_eq!(with(&|draft| draft.counts = [1, 999, 0]), Refused::Counts);
    assert_eq!(with(&|draft| draft.entries[7][4] = 2), Refused::Entry(7));
    let ignored = with(&|draft| {
        draft.entries[7][8..16].copy_from_slice(&0x71_u64.to_le_bytes());
        draft.flags = 0;
    });
    assert_eq!(ignored, Refused::UsesClock);
    assert!(ignored.is_ignored_by_linux() && !Refused::SwitchedOff.is_ignored_by_linux());
    assert_eq!(ignored.to_string(), "it uses the clock's memory");
}

#[test]
fn an_entry_that_cannot_be_followed_refuses_the_table() {
    let mut drafts = Vec::new();
    let mut with = |change: &dyn Fn(&mut [u8; ENTRY_LEN])| {
        let mut draft = tco();
        change(&mut draft.entries[1]);
        drafts.push(draft);
    };
    with(&|entry| entry[1] = 4);
    with(&|entry| entry[1] = 0x43);
    with(&|entry| entry[6] = 16);
    with(&|entry| entry[7] = 0);
    with(&|entry| entry[7] = 4);
    with(&|entry| entry[8..16].fill(0));
    with(&|entry| entry[8..16].copy_from_slice(&0xffff_u64.to_le_bytes()));
    with(&|entry| entry[8..16].fill(0xff));
    for draft in drafts {
        assert_eq!(
            draft.parse(),
            Err(Refused::Entry(1)),
            "{:?}",
            draft.entries[1]
        );
    }
    let mut last_port = tco();
    last_port.entries[1][8..16].copy_from_slice(&0xfffe_u64.to_le_bytes());
    assert!(last_port.parse().is_ok());
}

#[test]
fn a_table_without_a_way_to_arm_and_pet_is_refused() {
    for (without, action) in [
        (0, Action::Reset),
        (1, Action::SetCountdown),
        (3, Action::SetRunning),
    ] {
        let mut draft = tco();
        draft.entries.remove(without);
        assert_eq!(draft.parse(), Err(Refused::Missing(action)));
    }
    // What is not there besides is not done, and has no answer.
    let mut draft = tco();
    draft.entries.truncate(4);
    let table = draft.parse().unwrap();
    assert!(table.has(Action::SetRunning) && !table.has(Action::SetReboot));
    let mut registers = FakeRegisters::default();
    assert_eq!(table.run(Action::GetStatus, &mut registers), Ok(None));
    assert_eq!(table.run(Action::SetReboot, &mut registers), Ok(None));
    assert_eq!(registers.0, BTreeMap::new());
    // An action that nobody knows is left out, as Linux does it.
    let mut draft = tco();
    draft.entries.push(entry(34, 0xff, 0, 0, 0, 0, 0));
    assert_eq!(draft.parse(), tco().parse());
}

#[test]
fn a_table_that_was_changed_or_cut_is_refused() {
    let whole = tco().bytes();
    for length in 0..whole.len() {
        assert_eq!(
            Wdat::parse(&whole[..length]),
            Err(Refused::Length),
            "{length}"
        );
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert!(Wdat::parse(&changed).is_err(), "{at}");
    }
    let mut more = whole.clone();
    more[64] += 1;
    assert_eq!(Wdat::parse(&sealed(more)), Err(Refused::Length));
    let mut other = whole;
    other[0] = b'X';
    assert_eq!(Wdat::parse(&sealed(other)), Err(Refused::Damaged));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
        let _ = Wdat::parse(&bytes);
    }

    #[test]
    fn whatever_is_in_a_whole_table_what_is_done_is_what_it_says(
        counts in [1_u32..5000, 0..2000, 0..200],
        changes in prop::collection::vec((0_usize..8, 0..ENTRY_LEN, any::<u8>()), 0..3),
        seconds: u32,
        before: u32,
    ) {
        let mut draft = tco();
        draft.counts = counts;
        for (number, at, byte) in changes {
            draft.entries[number][at] = byte;
        }
        let Ok(table) = draft.parse() else { return Ok(()) };
        let (count, lasts) = table.count(seconds);
        prop_assert!(counts[2] <= count && count <= counts[1]);
        let asked = u64::from(seconds) * 1000;
        prop_assert!(u64::from(lasts) * 1000 <= u64::from(count) * u64::from(counts[0]));
        prop_assert!(asked <= u64::from(count) * u64::from(counts[0]) || count == table.highest);
        for action in ACTIONS {
            for instruction in table.instructions.iter().filter(|i| i.action == action) {
                let mut registers = FakeRegisters::default();
                registers.0.insert(instruction.register.address, before);
                instruction.run(count, &mut registers).unwrap();
                let after = registers.0[&instruction.register.address];
                let outside = !(instruction.mask << instruction.shift);
                let kept = if instruction.preserve { before & outside } else { 0 };
                let reads = matches!(instruction.kind, Kind::ReadValue | Kind::ReadCount);
                prop_assert_eq!(after & outside, if reads { before & outside } else { kept });
            }
        }
    }
}
