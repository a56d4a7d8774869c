//! A disk with versions 1, 2 and 3 in its slots, whose boot record is what a
//! row says.

use super::row::{Copies, Row, Told};
use crate::bench::{Bench, range};
use bootshim::choice::StartKind;
use bootshim::copies::{COPIES, SPACING};
use bootshim::guid::Guid;
use bootshim::record::{Digest, Reason, Record, Slot, SlotId, State};
use controller::disk::Disk;
use controller::next_boot::{self, NextBoot};
use controller::trust;
use images::trust::Trust;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

type Block = [u8; 4096];

pub struct TableDisk {
    bench: Bench,
    disk: Disk,
    trusted: Trust,
    digests: Vec<Digest>,
    file: File,
}

impl TableDisk {
    pub fn new() -> TableDisk {
        let bench = Bench::new();
        bench.ask("install v2.slotimg --slot b --no-activate");
        bench.ask("install v3.slotimg --slot c --no-activate");
        let path = bench.file("disk.img");
        let disk = Disk::open(&path).unwrap();
        TableDisk {
            trusted: trust::keys(&disk).unwrap(),
            digests: bench
                .record()
                .slots()
                .map(|(_, slot)| slot.manifest)
                .collect(),
            file: OpenOptions::new().write(true).open(path).unwrap(),
            disk,
            bench,
        }
    }

    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    pub fn ask(&self) -> NextBoot {
        next_boot::ask(&self.disk, &self.trusted).unwrap()
    }

    pub fn arm(&self) -> NextBoot {
        next_boot::arm(&self.disk, &self.trusted).unwrap()
    }

    /// The record as it is now, where there is one.
    pub fn record(&self) -> Option<Record> {
        self.disk.read_record().ok().map(|(record, _)| record)
    }

    /// The choice that these words are.
    pub fn choice_of(&self, words: &str) -> Option<(SlotId, StartKind)> {
        let (slot, kind) = words.split_once(' ')?;
        let kinds = [
            StartKind::Once,
            StartKind::Trial,
            StartKind::Good,
            StartKind::LastResort,
        ];
        let kind = kinds.into_iter().find(|known| known.to_string() == kind)?;
        Some((slot.parse().ok()?, kind))
    }

    /// Writes the copies that a row says.
    pub fn put(&self, row: &Row) {
        let (now, before) = (self.block(row, 9), self.block(&Row::BEFORE, 8));
        let (none, mut torn, mut later) = ([0; 4096], now, now);
        torn[40] ^= 1;
        later[8] = 2;
        seal(&mut later);
        let mut copies = [now; COPIES];
        match row.copies {
            Copies::All => {}
            Copies::Left(left) => {
                copies = [none; COPIES];
                copies[left] = now;
            }
            Copies::Torn => copies = [torn, torn, before, before],
            Copies::Equal => {
                let mut other = now;
                other[13] = 7; // default tries
                seal(&mut other);
                copies = [now, other, before, before];
            }
            Copies::Later => copies[3] = later,
            Copies::Lost => copies = [none; COPIES],
            Copies::Foreign => {
                let mut record = self.made(row, 9);
                record.partition = Guid([7; 16]);
                copies = [block(&record); COPIES];
            }
        }
        let start = range(&self.disk.layout().record).start as u64;
        for (copy, place) in copies.iter().zip(0..) {
            self.file
                .write_all_at(copy, start + place * SPACING)
                .unwrap();
        }
    }

    fn block(&self, row: &Row, sequence: u64) -> Block {
        block(&self.made(row, sequence))
    }

    fn made(&self, row: &Row, sequence: u64) -> Record {
        let mut record = Record::new(self.disk.layout().record.id, 3);
        record.sequence = sequence;
        record.once = row.once.and_then(SlotId::new);
        record.last_booted = row.last.and_then(SlotId::new);
        for (place, told) in row.slots.into_iter().enumerate() {
            let manifest = match row.damaged[place] {
                true => [0xee; 32],
                false => self.digests[place],
            };
            record.set_slot(SlotId::new(place).unwrap(), slot(told, manifest));
        }
        record.check().unwrap();
        record
    }
}

fn slot(told: Told, manifest: Digest) -> Slot {
    let mut slot = Slot {
        manifest,
        security_version: 1,
        ..Slot::EMPTY
    };
    match told {
        Told::Empty => return Slot::EMPTY,
        Told::Writing => {
            return Slot {
                state: State::Writing,
                ..Slot::EMPTY
            };
        }
        Told::Ready => slot.state = State::Ready,
        Told::Bad => (slot.state, slot.reason) = (State::Bad, Reason::Rejected),
        Told::Trying { left, attempts } => {
            slot.state = State::Trying;
            (slot.tries, slot.tries_left, slot.attempts) = (3, left, attempts);
        }
        Told::Good { priority, failed } => {
            (slot.state, slot.priority) = (State::Good, priority);
            slot.reason = if failed {
                Reason::Damaged
            } else {
                Reason::None
            };
        }
    }
    slot
}

fn block(record: &Record) -> Block {
    let mut block = [0; 4096];
    block[..512].copy_from_slice(&record.encode());
    block
}

/// Makes the hash right again.
fn seal(block: &mut Block) {
    let hash = blake3::hash(&block[..480]);
    block[480..512].copy_from_slice(hash.as_bytes());
}
