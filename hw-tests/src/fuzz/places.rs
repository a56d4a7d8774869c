//! The two places of a bootshim on a filesystem that may be damaged.

use super::input::Input;
use controller::date::Date;
use controller::efi_program::Program;
use controller::esp::{self, Contents, Places};
use fakedisk::{Content, FakeDisk, program as sample};
use std::sync::LazyLock;

const LENGTH: u64 = 2 << 20;

/// An ESP as `disk create` makes it.
static MADE: LazyLock<Content> = LazyLock::new(|| {
    let esp = FakeDisk::new(LENGTH);
    let program = Program::parse(sample::program(0x8664)).unwrap();
    let contents = Contents {
        program: &program,
        compatible: None,
        volume_id: 7,
        date: Date(1_700_000_000),
    };
    esp::write(&esp, 512, &contents).unwrap();
    esp.content()
});

/// Whatever was changed on it, the places are found or not; where they are, a swap
/// changes one block, and a second swap undoes the first.
pub fn places(data: &[u8]) {
    let mut input = Input(data);
    let mut content = MADE.clone();
    while input.0.len() >= 4 {
        // The tables and directories are in the first 64 KiB.
        let at = u64::from(u16::from_le_bytes(input.array()));
        content.write(at, &[input.u8()]);
        input.u8();
    }
    let esp = FakeDisk::of(content);
    let Ok(mut places) = Places::find(&esp) else {
        return;
    };
    if !places.is_whole() && places.set_waits(&esp, false).is_err() {
        return;
    }
    let completed = esp.content();
    places.swap(&esp).unwrap();
    assert_eq!(completed.differs(&esp.content()).len(), 1, "one block");
    if let Ok(back) = Places::find(&esp) {
        assert!(back.is_whole());
        back.swap(&esp).unwrap();
        assert!(esp.content() == completed, "undone");
    }
}
