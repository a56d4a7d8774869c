//! What a fuzzer begins with: one case of every kind that is right, so that it
//! need not find out by itself what a format looks like.

use super::draft::{ALL, Draft, PIECES, key};
use super::install::image;
use super::{gpt, index, record};
use bootshim::guid::Guid;
use bootshim::handover::Handover;
use bootshim::record::SlotId;
use bootshim::trust::Section;
use fakedisk::program as sample;
use images::head::Head;
use std::fs;
use std::path::Path;

/// The seeds of every target: its name, that of the seed, and its bytes.
#[must_use]
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |target, name: &str, bytes| all.push((target, name.to_owned(), bytes));
    records(&mut add);
    add(
        "gpt",
        "made",
        gpt::encoded(&fakedisk::blank(3, 88 << 10).all()),
    );
    images(&mut add);
    chunks(&mut add);
    texts(&mut add);
    answers(&mut add);
    programs(&mut add);
    add("wdat", "tco", watchdog_table());
    add("places", "made", vec![]);
    key_sets(&mut add);
    all
}

type Add<'a> = dyn FnMut(&'static str, &str, Vec<u8>) + 'a;

fn records(add: &mut Add<'_>) {
    for (path, bytes) in golden("bootshim", "bin") {
        add("record", &path, record::encoded(&bytes));
    }
}

/// The golden vectors of a crate with this ending.
fn golden(of: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let directory = root.join(of).join("tests/golden");
    let paths = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut found: Vec<_> = paths
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn images(add: &mut Add<'_>) {
    let image = image(3);
    let (header, rest) = images::read::head(&mut &image[..]).unwrap();
    let head = Head::open(
        &header,
        &rest,
        &images::trust::Trust::direct([key().public()]),
    )
    .unwrap();
    add("head", "raw", [&[0], &image[..]].concat());
    let drafts = [
        ("signed", ALL, (0, 0)),
        ("other-key", ALL & !32, (0, 0)),
        ("damaged", ALL, (70, 1)),
        ("wrong-piece", ALL & !PIECES, (0, 0)),
    ];
    for (name, mend, damage) in drafts {
        let draft = Draft::encoded(&image, mend, damage);
        add("head", name, [&[1], &draft[..]].concat());
        add("install", name, [&[0], &draft[..]].concat());
    }
    let draft = Draft::encoded(&image, ALL, (0, 0));
    for (name, wish) in [("ready", 1), ("named-slot", 4 | 128), ("dry-run", 48)] {
        add("install", name, [&[wish], &draft[..]].concat());
    }
    let area = head.slot_area().unwrap();
    let used = area.iter().rposition(|byte| *byte != 0).unwrap();
    let signatures = head.signatures.encode();
    add(
        "manifest",
        "bare",
        [&[0], &head.manifest_bytes[..]].concat(),
    );
    add("manifest", "signatures", [&[1], &signatures[..]].concat());
    add("manifest", "area", [&[2], &area[..=used]].concat());
    for (name, bytes) in golden("images", "bin") {
        if name == "manifest" {
            add("manifest", "golden", [&[0], &bytes[..]].concat());
        }
    }
    let table = &rest[rest.len() - usize::try_from(header.table_len).unwrap()..];
    let length = head.manifest.content_len;
    add(
        "index",
        "small",
        index::encoded(length, &head.index_bytes, table),
    );
}

fn chunks(add: &mut Add<'_>) {
    let case = |mend: u8, length: u32, packed: &[u8]| {
        [&[mend], &(length - 1).to_le_bytes()[..], &[0], packed].concat()
    };
    let content: Vec<u8> = (0u32..4096).map(|n| (n / 5).to_le_bytes()[0]).collect();
    let packed = zstd::bulk::compress(&content, 3).unwrap();
    add("chunk", "zstd", case(1, 4096, &packed));
    add("chunk", "too-long", case(1, 4095, &packed));
    add("chunk", "wrong-content", case(3, 4096, &packed));
    add("chunk", "wrong-hash", case(5, 4096, &packed));
    add("chunk", "stored", case(0, 64, &content[..64]));
    let patch = |length: u32, instructions: &[u8], differences: &[u8], literals: &[u8]| {
        let mut bytes = vec![0];
        bytes.extend((length - 1).to_le_bytes());
        bytes.extend(super::input::counted(instructions));
        bytes.extend(super::input::counted(differences));
        bytes.extend(literals);
        bytes
    };
    // 100 bytes from place 4000 on with 28 literals, then 100 from before that.
    let instructions = [0xc0, 0x3e, 100, 28, 0x8f, 0x03, 100, 0];
    add(
        "patch",
        "two-runs",
        patch(228, &instructions, &[7; 200], &[9; 28]),
    );
    add("patch", "literals", patch(64, &[0, 0, 64], &[], &[9; 64]));
    add(
        "patch",
        "before-its-ground",
        patch(64, &[1, 64, 0], &[0; 64], &[]),
    );
    add("patch", "too-short", patch(64, &[0, 32, 0], &[0; 64], &[]));
}

fn texts(add: &mut Add<'_>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let shipped = fs::read(root.join("slotctl/dist/slotctl.toml")).unwrap();
    add("config", "shipped", shipped);
    let full = "compatible = \"plc\"\n[watch]\ndevice = \"/dev/watchdog0\"\ntimeout = \"30s\"\n\
        deadline = \"2h 5min\"\nstable_for = \"90s\"\n\
        [[check]]\nname = \"web\"\nkind = \"http\"\ntarget = \"http://127.0.0.1:8080/health\"\n\
        interval = \"250ms\"\ntimeout = \"1s\"\n\
        [[check]]\nname = \"db\"\nkind = \"tcp\"\ntarget = \"127.0.0.1:5432\"\n\
        [[check]]\nname = \"own\"\nkind = \"command\"\ntarget = \"/usr/bin/check -v\"\n\
        [[check]]\nname = \"unit\"\nkind = \"systemd\"\ntarget = \"production.service\"\n";
    add("config", "full", full.into());
    add(
        "config",
        "unknown",
        b"compatible = 'x'\ncolour.dark = 1\n".into(),
    );
    for (name, bytes) in golden("images", "pem") {
        add("keys", &name, bytes);
    }
    let handover = Handover {
        slot: SlotId::new(2).unwrap(),
        disk: Guid([1; 16]),
        boot: 9,
        manifest: [0xab; 32],
    };
    add(
        "words",
        "handover",
        handover.command_line("ro", Guid([2; 16])).into(),
    );
    add("words", "versions", b"1:2.0~rc1-3\n2.0+b1-1\n1.10".into());
    let single = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n16MiB\n1h 30min\n250ms\nb";
    add("words", "single", single.into());
}

fn answers(add: &mut Add<'_>) {
    let image = image(3);
    let ok = "HTTP/1.1 200 OK\r\n";
    let length = format!("{ok}Content-Length: {}\r\n\r\n", image.len());
    add("http", "whole", [length.as_bytes(), &image].concat());
    let short = format!("{ok}Content-Length: {}\r\n\r\n", image.len() - 1);
    add("http", "short", [short.as_bytes(), &image[..99]].concat());
    let closed = format!("{ok}Connection: close\r\n\r\n");
    add(
        "http",
        "to-the-end",
        [closed.as_bytes(), &image[..200]].concat(),
    );
    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n40\r\n");
    let parts = [
        chunked.as_bytes(),
        &image[..64],
        b"\r\n8\r\n12345678\r\n0\r\n\r\n",
    ];
    add("http", "chunked", parts.concat());
    add(
        "http",
        "missing",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
    );
    add(
        "http",
        "continued",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nx".into(),
    );
}

fn key_sets(add: &mut Add<'_>) {
    for (name, bytes) in golden("images", "keyset") {
        let body = bytes.len() - images::signature::SIGNATURES_LEN;
        add("keyset", &name, [&[1], &bytes[..]].concat());
        add("keyset", "bare", [&[0], &bytes[..body]].concat());
    }
}

fn programs(add: &mut Add<'_>) {
    add("program", "x64", sample::program(0x8664));
    add("program", "aa64", sample::program(0xaa64));
    add("program", "signed", sample::signed());
    let trust = Section {
        record_major: 1,
        record_minor: 0,
        keys: vec![key().public()],
        root_threshold: None,
    };
    let section = trust.encode().unwrap();
    add("program", "section", section[..100].to_vec());
}

/// The table that the machines of the tests have, with the seconds before it.
fn watchdog_table() -> Vec<u8> {
    let mut bytes = vec![60, 0, 0, 0, 0];
    bytes.extend(b"WDAT");
    bytes.extend([0; 32]);
    bytes.extend(crate::machine::wdat(true));
    bytes
}
