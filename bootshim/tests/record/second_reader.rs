//! A second reader of the boot record, written from `docs/boot-record.md` and
//! from nothing else: plain offsets, none of the library's code.

use std::collections::HashSet;
use std::fmt::Write as _;

type Block = [u8; 4096];

/// What a block says by itself.
#[derive(Clone, PartialEq)]
enum Found {
    Counts(u64),
    No(String),
}

/// What the four blocks say, in the words of the golden texts. `readable` are
/// the copies that the device gave.
pub fn describe(blocks: &[Block; 4], readable: [bool; 4], partition: [u8; 16]) -> String {
    let mut found: Vec<Found> = (0..4)
        .map(|copy| match readable[copy] {
            true => judge(&blocks[copy], partition),
            false => Found::No("unreadable".into()),
        })
        .collect();
    take_out_conflicts(blocks, &mut found);
    let mut text = String::new();
    for (copy, found) in found.iter().enumerate() {
        match found {
            Found::Counts(number) => writeln!(text, "copy {copy} = valid {number}").unwrap(),
            Found::No(why) => writeln!(text, "copy {copy} = {why}").unwrap(),
        }
    }
    let number = |copy: &usize| match found[*copy] {
        Found::Counts(number) => Some(number),
        Found::No(_) => None,
    };
    let newest = (0..4).filter_map(|copy| number(&copy)).max();
    let holders: Vec<usize> = (0..4)
        .filter(|copy| newest.is_some() && number(copy) == newest)
        .collect();
    match holders.first() {
        Some(first) => fields(&mut text, &blocks[*first]),
        None => text.push_str("record = none\n"),
    }
    let note = holders
        .iter()
        .find_map(|copy| note(&blocks[*copy]).filter(|note| !note.is_empty()));
    writeln!(text, "note = {:?}", note.unwrap_or_default()).unwrap();
    text
}

fn take_out_conflicts(blocks: &[Block; 4], found: &mut [Found]) {
    let mut conflicting = HashSet::new();
    for one in 0..4 {
        for other in 0..4 {
            if let (Found::Counts(a), Found::Counts(b)) = (&found[one], &found[other])
                && a == b
                && blocks[one][..512] != blocks[other][..512]
            {
                conflicting.insert(*a);
            }
        }
    }
    for copy in found {
        if let Found::Counts(number) = *copy
            && conflicting.contains(&number)
        {
            *copy = Found::No(format!("conflicting {number}"));
        }
    }
}

fn judge(block: &Block, partition: [u8; 16]) -> Found {
    let no = |why: &str| Found::No(why.into());
    if &block[..8] != b"SLOTBOOT" {
        return no("not a record");
    }
    if blake3::hash(&block[..480]).as_bytes()[..] != block[480..512] {
        return no("wrong hash");
    }
    if block[24..40] != partition {
        return no("foreign");
    }
    let major = number(block, 8, 2);
    if major != 1 {
        return Found::No(format!("unknown major {major}"));
    }
    if !possible(block) {
        return no("impossible value");
    }
    Found::Counts(number(block, 16, 8))
}

fn possible(block: &Block) -> bool {
    let slots = block[12];
    let names_a_slot = |at: usize| block[at] == 255 || block[at] < slots;
    let sequence = number(block, 16, 8);
    let trials = (0..8).filter(|slot| block[96 + 48 * slot] == 3).count();
    (2..=8).contains(&slots)
        && (1..=99).contains(&block[13])
        && [14, 15, 41, 42].into_iter().all(names_a_slot)
        && (1..1 << 63).contains(&sequence)
        && (0..8).all(|slot| possible_slot(block, slot, usize::from(slots)))
        && trials <= 1
}

fn possible_slot(block: &Block, slot: usize, slots: usize) -> bool {
    let bytes = &block[96 + 48 * slot..][..48];
    if slot >= slots {
        return bytes.iter().all(|byte| *byte == 0);
    }
    let (state, tries, left) = (bytes[0], bytes[3], bytes[4]);
    let installed = bytes[16..48].iter().any(|byte| *byte != 0);
    let fits = match state {
        // All but the byte that is kept.
        0 => (0..48).all(|at| at == 5 || bytes[at] == 0),
        1 => !installed,
        2 | 4 => installed,
        3 => installed && tries > 0,
        5 => true,
        _ => false,
    };
    fits && tries <= 99 && left <= tries
}

fn fields(text: &mut String, block: &Block) {
    let mut line = |name: &str, value: String| writeln!(text, "{name} = {value}").unwrap();
    let letter = |at: usize| match block[at] {
        255 => "none".to_owned(),
        slot => char::from(b'a' + slot).to_string(),
    };
    let armed_as = if block[15] == 255 { 0 } else { block[40] };
    let failed = |value: u64| if block[42] == 255 { 0 } else { value };
    line("minor", number(block, 10, 2).to_string());
    line("sequence", number(block, 16, 8).to_string());
    line("partition", hex(&block[24..40]));
    line("default tries", block[13].to_string());
    line("one-shot", letter(14));
    line("armed", letter(15));
    line("armed as", armed_as.to_string());
    line("last booted", letter(41));
    line("last failed", letter(42));
    line("reason", failed(number(block, 43, 1)).to_string());
    line("stage", failed(number(block, 44, 1)).to_string());
    line("found at", failed(number(block, 48, 8)).to_string());
    line("floor", number(block, 56, 8).to_string());
    let minor = number(block, 10, 2);
    for (name, since, at) in [("resets", 1, 45), ("starts", 2, 64)] {
        let (slot, count) = (block[at], block[at + 1]);
        if minor >= since && count > 0 && slot < block[12] {
            line(name, format!("{} {count}", letter(at)));
        }
    }
    for slot in 0..usize::from(block[12]) {
        let mark = &block[72 + 3 * slot..][..3];
        if minor >= 2 && *mark == block[96 + 48 * slot + 16..][..3] && *mark != [0; 3] {
            line("says when up", char::from(b'a' + slot as u8).to_string());
        }
    }
    for slot in 0..usize::from(block[12]) {
        let activation = block[96 + 48 * slot + 5];
        if minor >= 3 && activation > 0 {
            let slot = char::from(b'a' + slot as u8);
            line("activation", format!("{slot} {activation}"));
        }
    }
    let orders = (66..72)
        .rev()
        .fold(0u64, |sum, at| sum << 8 | u64::from(block[at]));
    if minor >= 4 && orders > 0 {
        line("orders", orders.to_string());
    }
    for slot in 0..usize::from(block[12]) {
        let at = 96 + 48 * slot;
        let names = [
            "state", "reason", "priority", "tries", "left", "kept", "attempts", "security",
        ];
        let places = [
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 1),
            (5, 1),
            (6, 2),
            (8, 8),
        ];
        let words: Vec<String> = names
            .iter()
            .zip(places)
            .map(|(name, (from, len))| format!("{name} {}", number(block, at + from, len)))
            .collect();
        let name = format!("slot {}", char::from(b'a' + slot as u8));
        let manifest = hex(&block[at + 16..at + 48]);
        line(&name, format!("{} {manifest}", words.join(" ")));
    }
    line("written back", hex(&written_back(block)));
}

/// The hash of the record as it is written back, its number unchanged.
fn written_back(block: &Block) -> [u8; 32] {
    let mut next = *block;
    if next[15] == 255 {
        next[40] = 0;
    }
    if next[42] == 255 {
        next[43..45].fill(0);
        next[48..56].fill(0);
    }
    *blake3::hash(&next[..480]).as_bytes()
}

fn note(block: &Block) -> Option<String> {
    if blake3::hash(&block[512..4064]).as_bytes()[..] != block[4064..] {
        return None;
    }
    let length = number(block, 512, 2) as usize;
    let text = block[514..4064].get(..length)?;
    if block[514 + length..4064].iter().any(|byte| *byte != 0) {
        return None;
    }
    String::from_utf8(text.to_vec()).ok()
}

fn number(block: &Block, at: usize, len: usize) -> u64 {
    (0..len)
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(block[at + byte]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
