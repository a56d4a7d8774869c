//! The two places of a bootshim on a filesystem that may be damaged.

use super::input::Input;
use bootshim::medium::{Access, Fault, Medium, check_range};
use controller::date::Date;
use controller::efi_program::Program;
use controller::esp::{self, Contents, Places};
use fakedisk::program as sample;
use std::cell::RefCell;
use std::sync::LazyLock;

const LENGTH: usize = 2 << 20;

/// An ESP as `disk create` makes it.
static MADE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let esp = Esp::of(vec![0; LENGTH]);
    let program = Program::parse(sample::program(0x8664)).unwrap();
    let contents = Contents {
        program: &program,
        compatible: None,
        volume_id: 7,
        date: Date(1_700_000_000),
    };
    esp::write(&esp, 512, &contents).unwrap();
    esp.bytes.into_inner()
});

/// Whatever was changed on it, the places are found or not; where they are, a swap
/// changes one block, and a second swap undoes the first.
pub fn places(data: &[u8]) {
    let mut input = Input(data);
    let mut bytes = MADE.clone();
    while input.0.len() >= 4 {
        // The tables and directories are in the first 64 KiB.
        let at = usize::from(u16::from_le_bytes(input.array()));
        bytes[at] = input.u8();
        input.u8();
    }
    let esp = Esp::of(bytes.clone());
    let Ok(mut places) = Places::find(&esp) else {
        return;
    };
    if !places.is_settled() && places.set_waits(&esp, false).is_err() {
        return;
    }
    let settled = esp.bytes.borrow().clone();
    places.swap(&esp).unwrap();
    let swapped = esp.bytes.borrow().clone();
    let differ = |a: &[u8], b: &[u8]| -> Vec<usize> {
        let pairs = a.chunks(4096).zip(b.chunks(4096)).enumerate();
        let changed = pairs.filter(|(_, (a, b))| a != b);
        changed.map(|(block, _)| block).collect()
    };
    assert_eq!(differ(&settled, &swapped).len(), 1, "one block");
    if let Ok(back) = Places::find(&esp) {
        assert!(back.is_settled());
        back.swap(&esp).unwrap();
        assert!(*esp.bytes.borrow() == settled, "undone");
    }
}

struct Esp {
    bytes: RefCell<Vec<u8>>,
}

impl Esp {
    fn of(bytes: Vec<u8>) -> Esp {
        Esp {
            bytes: RefCell::new(bytes),
        }
    }
}

impl Medium for Esp {
    fn len(&self) -> u64 {
        LENGTH as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        let at = offset as usize;
        buf.copy_from_slice(&self.bytes.borrow()[at..at + buf.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len())?;
        let at = offset as usize;
        self.bytes.borrow_mut()[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}
