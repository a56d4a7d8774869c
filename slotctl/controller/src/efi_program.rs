//! bootshim as an EFI program in a file: which machine it is for, which keys it
//! trusts, and how keys are put into it.

use crate::code::Code;
use crate::error::{Error, Result};
use bootshim::trust::{SECTION_NAME, Section, SectionError};
use images::kernel::Processor;
use images::key::PublicKey;
use images::new_file::{NewFile, ORDINARY};
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_SECURITY, IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64,
};
use object::read::pe::{ImageNtHeaders, PeFile64};
use object::{LittleEndian, Object, ObjectSection};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;

/// No bootshim is as long; it bounds what is read.
pub const PROGRAM_MAX: u64 = 16 << 20;

/// The machine that a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86.
    X64,
    /// 64-bit Arm.
    Aa64,
}

impl Machine {
    /// Both, in the order in which they are looked for on an ESP.
    pub const ALL: [Machine; 2] = [Machine::X64, Machine::Aa64];

    /// The name under which firmware looks for a program on a disk that it
    /// knows nothing about (UEFI specification, table 3.2).
    pub fn file_name(self) -> &'static str {
        match self {
            Machine::X64 => "BOOTX64.EFI",
            Machine::Aa64 => "BOOTAA64.EFI",
        }
    }

    /// The name under which shim looks for what it starts, beside itself.
    pub fn name_behind_shim(self) -> &'static str {
        match self {
            Machine::X64 => "GRUBX64.EFI",
            Machine::Aa64 => "GRUBAA64.EFI",
        }
    }

    /// The same in the words of a kernel.
    pub fn processor(self) -> Processor {
        match self {
            Machine::X64 => Processor::X64,
            Machine::Aa64 => Processor::Arm64,
        }
    }
}

/// A bootshim program.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    bytes: Vec<u8>,
    machine: Machine,
    section: Range<usize>,
    trust: Section,
    signed: bool,
}

impl Program {
    /// The program in these bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Program> {
        let pe = PeFile64::parse(&*bytes).map_err(|error| {
            not_bootshim(format_args!("no PE program for a 64-bit machine ({error})"))
        })?;
        let machine = match pe.nt_headers().file_header().machine.get(LittleEndian) {
            IMAGE_FILE_MACHINE_AMD64 => Machine::X64,
            IMAGE_FILE_MACHINE_ARM64 => Machine::Aa64,
            other => {
                return Err(not_bootshim(format_args!(
                    "a program for the machine type {other:#06x}"
                )));
            }
        };
        let signed = pe
            .data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY)
            .is_some_and(|table| table.size.get(LittleEndian) != 0);
        let section = section_range(&pe)
            .ok_or_else(|| not_bootshim(format_args!("no section {SECTION_NAME}")))?;
        let raw = bytes.get(section.clone()).unwrap_or_default();
        let trust = Section::parse(raw).map_err(|error| match error {
            SectionError::UnknownFormat(_) => {
                Error::new(Code::UnknownFormat, error.to_string()).advice("use a newer slotctl")
            }
            error => not_bootshim(error),
        })?;
        Ok(Program {
            bytes,
            machine,
            section,
            trust,
            signed,
        })
    }

    /// The program in a file.
    pub fn load(path: &Path) -> Result<Program> {
        let failed = |error| Error::io(format_args!("reading {}", path.display()), &error);
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(PROGRAM_MAX).read_to_end(&mut bytes))
            .map_err(failed)?;
        Program::parse(bytes).map_err(|mut error| {
            error.found = format!("{}: {}", path.display(), error.found);
            error
        })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The machine it is for.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The keys it trusts, and the boot record it reads.
    pub fn trust(&self) -> &Section {
        &self.trust
    }

    /// The same program, trusting these keys and no others. A key that is named
    /// twice counts once.
    ///
    /// # Errors
    /// [`Exit::Refused`] when it is signed for Secure Boot already;
    /// [`Exit::Usage`] when the keys do not fit.
    pub fn with_trust(self, keys: &[PublicKey]) -> Result<Program> {
        self.with_keys(keys, None)
    }

    /// The same program, trusting these root keys and no others; so many of them
    /// must sign a key set.
    ///
    /// # Errors
    /// As [`Program::with_trust`]; [`Exit::Usage`] also for a threshold that they
    /// cannot reach.
    pub fn with_roots(self, keys: &[PublicKey], threshold: u32) -> Result<Program> {
        self.with_keys(keys, Some(threshold))
    }

    fn with_keys(mut self, keys: &[PublicKey], root_threshold: Option<u32>) -> Result<Program> {
        if self.signed {
            return Err(Error::new(
                Code::AlreadySigned,
                "this bootshim is signed for Secure Boot; new keys would break the signature",
            )
            .advice("put the keys in first (`slotctl bootshim trust`) and sign it then"));
        }
        self.trust.root_threshold = root_threshold;
        self.trust.keys.clear();
        for key in keys {
            if !self.trust.keys.contains(key) {
                self.trust.keys.push(*key);
            }
        }
        let section = self.trust.encode().map_err(|error| {
            let code = match error {
                SectionError::Threshold(_) => Code::BadThreshold,
                _ => Code::TooManyKeys,
            };
            Error::new(code, error.to_string())
        })?;
        if let Some(place) = self.bytes.get_mut(self.section.clone()) {
            place.copy_from_slice(&section);
        }
        Ok(self)
    }

    /// Writes it to a file, which is replaced in one step or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let new = NewFile::replace(path, ORDINARY)?;
        new.file()
            .write_all(&self.bytes)
            .map_err(|error| Error::io(format_args!("writing {}", path.display()), &error))?;
        Ok(new.publish()?)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("machine", &self.machine)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

fn section_range(pe: &PeFile64<'_>) -> Option<Range<usize>> {
    let section = pe.section_by_name(SECTION_NAME)?;
    let (start, length) = section.file_range()?;
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(length).ok()?)?)
}

fn not_bootshim(why: impl fmt::Display) -> Error {
    Error::new(Code::NotBootshim, format!("not a bootshim program: {why}"))
        .advice("`make bootshim` builds one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Exit;
    use fakedisk::program as sample;
    use proptest::prelude::*;

    fn keys(count: u8) -> Vec<PublicKey> {
        let raw = (1..=u8::MAX).map(|n| [n; 32]);
        raw.filter_map(|raw| PublicKey::from_bytes(&raw).ok())
            .take(usize::from(count))
            .collect()
    }

    #[test]
    fn the_machine_of_a_program_gives_the_name_that_firmware_looks_for() {
        for (machine, name) in [(0x8664, "BOOTX64.EFI"), (0xaa64, "BOOTAA64.EFI")] {
            let program = Program::parse(sample::program(machine)).unwrap();
            assert_eq!(program.machine().file_name(), name);
            assert!(program.trust().keys.is_empty());
        }
    }

    #[test]
    fn keys_that_are_put_in_are_read_back_and_nothing_else_changes() {
        let before = Program::parse(sample::program(0x8664)).unwrap();
        let twice = [keys(3), keys(2)].concat();
        let after = before.clone().with_trust(&twice).unwrap();
        let again = Program::parse(after.bytes().to_vec()).unwrap();
        assert_eq!(again.trust().keys, keys(3));
        assert_eq!(again, after);
        let changed = before
            .bytes()
            .iter()
            .zip(after.bytes())
            .enumerate()
            .filter(|(_, (a, b))| a != b);
        for (at, _) in changed {
            assert!(before.section.contains(&at), "byte {at}");
        }
        // Keys replace keys.
        assert_eq!(after.with_trust(&keys(1)).unwrap().trust().keys, keys(1));
    }

    #[test]
    fn a_signed_program_takes_no_keys() {
        let signed = Program::parse(sample::signed()).unwrap();
        assert_eq!(
            signed.with_trust(&keys(1)).unwrap_err().code,
            Code::AlreadySigned
        );
    }

    #[test]
    fn more_than_a_hundred_keys_are_refused() {
        let program = Program::parse(sample::program(0x8664)).unwrap();
        assert_eq!(
            program.with_trust(&keys(101)).unwrap_err().code,
            Code::TooManyKeys
        );
    }

    #[test]
    fn what_is_not_a_bootshim_is_refused() {
        let good = sample::program(0x8664);
        let mut nameless = good.clone();
        let name = good
            .windows(8)
            .position(|bytes| bytes == b".slotkey")
            .unwrap();
        nameless[name] = b'x';
        let mut later = good.clone();
        let section = good
            .windows(8)
            .position(|bytes| bytes == b"SLOTKEYS")
            .unwrap();
        later[section + 8] = 3;
        let cases = [
            (vec![], Code::NotBootshim),
            (b"MZ".to_vec(), Code::NotBootshim),
            (sample::program(0x014c), Code::NotBootshim),
            (nameless, Code::NotBootshim),
            (good[..good.len() - 1].to_vec(), Code::NotBootshim),
            (later, Code::UnknownFormat),
        ];
        for (bytes, code) in cases {
            let error = Program::parse(bytes).unwrap_err();
            assert_eq!((error.exit(), error.code), (Exit::NotAuthentic, code));
        }
    }

    #[test]
    fn a_program_is_saved_whole_and_the_file_before_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("BOOTX64.EFI");
        std::fs::write(&path, "old").unwrap();
        let program = Program::parse(sample::program(0x8664)).unwrap();
        program.save(&path).unwrap();
        assert_eq!(Program::load(&path).unwrap(), program);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let error = program.save(&directory.path().join("no/such")).unwrap_err();
        assert!(error.found.contains("no/such"));
    }

    proptest! {
        #[test]
        fn any_damage_to_a_program_gives_an_answer(at in 0usize..600, value: u8, cut in 0usize..6000) {
            let mut bytes = sample::program(0x8664);
            bytes[at] = value;
            bytes.truncate(cut.max(1));
            let _ = Program::parse(bytes);
        }
    }
}
