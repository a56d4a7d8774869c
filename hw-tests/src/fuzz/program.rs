//! The bootshim program as a file, and the keys in it.

use super::draft::key;
use bootshim::trust::{SECTION_LEN, Section};
use controller::code::{Code, Exit};
use controller::efi_program::Program;

/// Any file gives an answer; keys that are put into a program are read back, and
/// its key section has one encoding.
pub fn program(data: &[u8]) {
    let mut section = data.to_vec();
    section.resize(SECTION_LEN, 0);
    if let Ok(trust) = Section::parse(&section) {
        assert_eq!(trust.encode(), Ok(section), "one encoding");
    }
    let program = match Program::parse(data.to_vec()) {
        Ok(program) => program,
        Err(error) => {
            assert_eq!(error.exit(), Exit::NotAuthentic, "{error}");
            return;
        }
    };
    assert_eq!(program.bytes(), data);
    match program.with_trust(&[key().public()]) {
        Ok(changed) => {
            let again = Program::parse(changed.bytes().to_vec()).unwrap();
            assert_eq!(again.trust().keys, [key().public()]);
            assert_eq!(again.bytes().len(), data.len());
        }
        Err(error) => assert_eq!(error.code, Code::AlreadySigned, "{error}"),
    }
}
