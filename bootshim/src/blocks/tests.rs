//! Drivers as firmware of real machines has them.

use super::*;
use crate::buffer::Buffer;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const SECTOR: usize = 512;
const DISK: usize = 3 << 20;

/// A driver with whims.
struct Whims {
    disk: Vec<u8>,
    /// How a buffer has to lie, whatever the driver says.
    needs: usize,
    /// More bytes in one call are refused.
    most: usize,
    calls: Vec<usize>,
    petted: usize,
}

impl Whims {
    fn new(needs: usize, most: usize) -> Whims {
        let byte = |at: usize| u8::try_from(at * 7 / 512 % 251).unwrap();
        Whims {
            disk: (0..DISK).map(byte).collect(),
            needs,
            most,
            calls: Vec::new(),
            petted: 0,
        }
    }

    fn takes(&mut self, buf: &[u8]) -> Result<(), Cause> {
        assert_eq!(buf.len() % SECTOR, 0, "no whole sectors");
        self.calls.push(buf.len());
        assert_eq!(self.petted, self.calls.len(), "a call without petting");
        let lies = buf.as_ptr().addr().is_multiple_of(self.needs);
        if lies && buf.len() <= self.most {
            Ok(())
        } else {
            Err(Cause::Device(7))
        }
    }
}

impl Driver for Whims {
    fn read(&mut self, sector: u64, buf: &mut [u8]) -> Result<(), Cause> {
        self.takes(buf)?;
        let at = usize::try_from(sector).unwrap() * SECTOR;
        buf.copy_from_slice(&self.disk[at..at + buf.len()]);
        Ok(())
    }
    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Cause> {
        self.takes(data)?;
        let at = usize::try_from(sector).unwrap() * SECTOR;
        self.disk[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }
    fn pet(&mut self) {
        self.petted += 1;
    }
}

fn blocks(driver: Whims, said: u32) -> Blocks<Whims, Buffer> {
    let bounce = Buffer::new(MOST).unwrap();
    Blocks::new(driver, bounce, 512, alignment(said))
}

#[test]
fn a_driver_that_lies_about_its_alignment_still_gives_every_byte() {
    // It says 2 and means 4; it says none and needs a page.
    for (said, needs) in [(2, 4), (0, PAGE), (1, 512)] {
        let whims = Whims::new(needs, MOST);
        let disk = whims.disk.clone();
        let mut blocks = blocks(whims, said);
        let mut bytes = vec![0; (1 << 20) + 16];
        for from in [0, 1, 2, 8] {
            let target = &mut bytes[from..];
            let len = target.len();
            blocks.read(512, target).unwrap();
            assert!(*target == disk[512..512 + len], "{said} {from}");
        }
    }
}

#[test]
fn what_lies_at_a_page_goes_straight_to_its_target() {
    struct Nowhere;
    impl core::ops::Deref for Nowhere {
        type Target = [u8];
        fn deref(&self) -> &[u8] {
            unreachable!("by way of another buffer")
        }
    }
    impl core::ops::DerefMut for Nowhere {
        fn deref_mut(&mut self) -> &mut [u8] {
            unreachable!("by way of another buffer")
        }
    }
    let mut blocks = Blocks::new(Whims::new(1, MOST), Nowhere, 512, PAGE);
    let mut target = Buffer::new(1 << 20).unwrap();
    blocks.read(4096, &mut target).unwrap();
    assert!(*target == blocks.driver.disk[4096..4096 + (1 << 20)]);
    assert_eq!(blocks.driver.calls, [MOST, MOST]);
}

#[test]
fn a_driver_that_refuses_large_reads_is_asked_for_less_once_and_for_all() {
    let mut blocks = blocks(Whims::new(1, 0x1_0000), 0);
    let mut target = Buffer::new(1 << 20).unwrap();
    blocks.read(0, &mut target).unwrap();
    assert!(*target == blocks.driver.disk[..1 << 20]);
    let mut expected = vec![MOST];
    expected.extend([FEW; 16]);
    assert_eq!(blocks.driver.calls, expected);
}

#[test]
fn a_sector_that_is_dead_is_an_error_after_the_small_read_too() {
    let mut blocks = blocks(Whims::new(1, 0), 0);
    let mut target = Buffer::new(1 << 20).unwrap();
    assert_eq!(blocks.read(0, &mut target), Err(Cause::Device(7)));
    assert_eq!(blocks.driver.calls, [MOST, FEW]);
}

#[test]
fn what_is_written_is_read_back_through_any_driver() {
    let mut blocks = blocks(Whims::new(PAGE, FEW), 0);
    blocks.write(8192, &vec![9; 3 * FEW]).unwrap();
    let mut back = vec![0; 3 * FEW];
    blocks.read(8192, &mut back).unwrap();
    assert!(back.iter().all(|byte| *byte == 9));
}

#[test]
fn an_alignment_that_no_driver_needs_is_not_believed() {
    let cases = [
        (0, PAGE),
        (2, PAGE),
        (3, PAGE),
        (4096, PAGE),
        (1 << 16, 1 << 16),
        (1 << 22, PAGE),
        (u32::MAX, PAGE),
    ];
    for (said, align) in cases {
        assert_eq!(alignment(said), align, "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_range_is_read_as_it_lies_there(
        at in 0..DISK, len in 0usize..700_000, from in 0usize..4096, few: bool,
    ) {
        let len = len.min(DISK - at);
        let mut blocks = blocks(Whims::new(4, if few { FEW } else { MOST }), 0);
        let mut bytes = Buffer::new(from + len).unwrap();
        let target = &mut bytes[from..];
        blocks.read(u64::try_from(at).unwrap(), target).unwrap();
        prop_assert!(*target == blocks.driver.disk[at..at + len]);
    }
}
