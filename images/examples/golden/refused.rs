//! Images that are signed and must be refused all the same, each for one reason: the
//! vectors in `refused/`, and how they are made.

use images::head::Head;
use images::header::Header;
use images::index::encode_entry as index_entry;
use images::manifest::{Kind, Manifest, Payload, Verity};
use images::signature::{Signature, SignatureArea, tbs};
use images::table::{Base, Packing, encode_entry, encode_start};
use images::verity::{Salted, Tree};
use images::{Digest, digest};
use zstd::zstd_safe::{CCtx, CParameter};

use super::inputs::key;

const BLOCK: usize = 4096;

/// An image that is made of whatever it is told.
struct Draft {
    version: &'static str,
    root: (u64, Vec<u8>),
    tree: Option<(Vec<u8>, Verity)>,
    kernel: Vec<u8>,
    base: Option<Base>,
    /// Bytes of the content that are changed before they are hashed.
    dirt: Vec<usize>,
    /// How each group's piece is packed.
    pack: Pack,
    /// What is done to the manifest's bytes before they are signed.
    forge: fn(&mut Vec<u8>),
}

/// A delta that only a controller can refuse: one that has its base.
pub const OTHER_BASE: &str = "base-of-another-length";

type Packed = Vec<(Packing, Vec<u8>)>;
type Pack = fn(&[u8]) -> Packed;

/// All of them: the name of the file without `.bin`, and its bytes.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let frames: [(&str, Pack); 11] = [
        ("two-frames", |content| {
            let (first, second) = content.split_at(content.len() / 2);
            one(Packing::Zstd, [frame(first), frame(second)].concat())
        }),
        ("empty-frame-behind", |content| {
            one(Packing::Zstd, [frame(content), frame(&[])].concat())
        }),
        ("empty-frame-before", |content| {
            one(Packing::Zstd, [frame(&[]), frame(content)].concat())
        }),
        ("skippable-frame", |content| {
            let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0];
            one(Packing::Zstd, [&frame(content)[..], &skippable].concat())
        }),
        ("frame-with-checksum", |content| {
            one(
                Packing::Zstd,
                frame_with(CParameter::ChecksumFlag(true), content),
            )
        }),
        ("frame-without-size", |content| {
            one(
                Packing::Zstd,
                frame_with(CParameter::ContentSizeFlag(false), content),
            )
        }),
        ("frame-of-a-wide-window", |content| {
            let mut frame = frame_with(CParameter::WindowLog(10), content);
            frame[5] = 14 << 3;
            one(Packing::Zstd, frame)
        }),
        ("continued-from-nothing", |content| {
            one(Packing::Continued, frame(content))
        }),
        ("patch-of-two-frames", |content| {
            let (first, second) = content.split_at(content.len() / 2);
            let literals = [frame(first), frame(second)].concat();
            one(
                Packing::Patch,
                literal_patch(content, &[], &literals, false),
            )
        }),
        ("patch-with-an-empty-frame", |content| {
            let (none, literals) = (frame(&[]), frame(content));
            one(
                Packing::Patch,
                literal_patch(content, &none, &literals, false),
            )
        }),
        ("patch-with-a-long-number", |content| {
            let patch = literal_patch(content, &[], &frame(content), true);
            one(Packing::Patch, patch)
        }),
    ];
    let mut all: Vec<_> = frames
        .into_iter()
        .map(|(name, pack)| {
            let base = name.starts_with("patch").then(base).flatten();
            let draft = Draft {
                pack,
                base,
                ..draft()
            };
            (name, draft.image())
        })
        .collect();
    let other = base().map(|base| Base {
        content_len: 2 * base.content_len,
        ..base
    });
    let other = Draft {
        base: other,
        ..draft()
    };
    all.push((OTHER_BASE, other.image()));
    for (name, dirt) in [
        ("byte-behind-the-root", vec![5000]),
        ("byte-at-the-end", vec![3 * BLOCK - 1]),
    ] {
        all.push((name, Draft { dirt, ..draft() }.image()));
    }
    let late = Draft {
        root: (BLOCK as u64, vec![0x11; 4000]),
        // The manifest is made with a root at 0, which is then moved.
        forge: |manifest| {
            let at = manifest
                .windows(8)
                .position(|run| run == 4000_u64.to_le_bytes());
            let at = at.unwrap_or_default() - 8;
            manifest[at..at + 8].copy_from_slice(&(BLOCK as u64).to_le_bytes());
        },
        ..draft()
    };
    all.push(("root-not-at-0", late.image()));
    let root = root();
    let salted = Salted::new([0x5a; 32]);
    let tree = Tree::above(&salted, &salted.hashes(&root));
    let with_tree = |bytes: Vec<u8>, verity| Draft {
        root: (0, root.clone()),
        tree: Some((bytes, verity)),
        ..draft()
    };
    let mut other = tree.bytes.clone();
    other[BLOCK] ^= 1;
    all.push((
        "tree-of-another-root",
        with_tree(other, tree.verity).image(),
    ));
    let mut other = tree.bytes.clone();
    other[16] = 1;
    all.push(("tree-with-a-uuid", with_tree(other, tree.verity).image()));
    let mut other = tree.verity;
    other.root_hash[0] ^= 1;
    all.push((
        "other-root-hash",
        with_tree(tree.bytes.clone(), other).image(),
    ));
    all.push(("tree-too-long", {
        let mut bytes = tree.bytes;
        bytes.resize(bytes.len() + BLOCK, 0);
        let mut draft = with_tree(bytes, tree.verity);
        draft.forge = |manifest| {
            // Said to be one block shorter while it is made.
            let (was, is) = (8192_u64.to_le_bytes(), 12288_u64.to_le_bytes());
            let last = manifest.windows(8).rposition(|run| run == was);
            let at = last.unwrap_or_default();
            manifest[at..at + 8].copy_from_slice(&is);
        };
        draft.image()
    }));
    all
}

/// An image that is right, of which each of the others differs in one thing; the base
/// of those that are deltas.
pub fn right() -> Vec<u8> {
    Draft {
        version: "1",
        ..draft()
    }
    .image()
}

fn draft() -> Draft {
    Draft {
        version: "2",
        root: (0, vec![0x11; 5000]),
        tree: None,
        kernel: vec![0x33; 100],
        base: None,
        dirt: Vec::new(),
        pack: |content| one(Packing::Stored, content.to_vec()),
        forge: |_| {},
    }
}

/// Two blocks of which each byte is the number of its block.
fn root() -> Vec<u8> {
    [[1; BLOCK], [2; BLOCK]].concat()
}

/// The image that is right.
fn base() -> Option<Base> {
    let image = right();
    let (header, rest) = images::read::head(&mut image.as_slice()).ok()?;
    let head = Head::open_untrusted(&header, &rest).ok()?.0;
    Some(Base {
        manifest: head.digest,
        version: head.manifest.version,
        content_len: head.manifest.content_len,
        full_len: header.file_length(),
    })
}

fn one(packing: Packing, bytes: Vec<u8>) -> Packed {
    vec![(packing, bytes)]
}

fn frame(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 3).unwrap_or_default()
}

fn frame_with(parameter: CParameter, content: &[u8]) -> Vec<u8> {
    let mut zstd = CCtx::create();
    let mut packed = Vec::with_capacity(content.len() + 100);
    let set = zstd.set_parameter(parameter).is_ok();
    let done = zstd.compress2(&mut packed, content).is_ok();
    if set && done { packed } else { Vec::new() }
}

/// A patch that copies nothing: these frames, and instructions for literals alone.
fn literal_patch(content: &[u8], differences: &[u8], literals: &[u8], long: bool) -> Vec<u8> {
    let length = content.len().to_le_bytes();
    let (low, high) = (length[0], length[1]);
    // Less than 2^14: seven bits, and the other seven.
    let mut instructions = vec![0, 0, low | 0x80, high << 1 | low >> 7];
    if long {
        instructions[3] |= 0x80;
        instructions.push(0);
    }
    let packed = frame(&instructions);
    let streams = [
        (instructions.len(), packed.as_slice()),
        (0, differences),
        (content.len(), literals),
    ];
    let field = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let lengths = streams.map(|(length, frame)| [field(length), field(frame.len())].concat());
    [lengths.concat(), streams.map(|(_, frame)| frame).concat()].concat()
}

impl Draft {
    fn image(self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut payloads = Vec::new();
        let mut put = |kind, bytes: &[u8], content: &mut Vec<u8>| {
            payloads.push(Payload {
                kind,
                offset: content.len() as u64,
                length: bytes.len() as u64,
                hash: digest(bytes),
            });
            content.extend_from_slice(bytes);
            content.resize(content.len().next_multiple_of(BLOCK), 0);
        };
        let (late, root) = &self.root;
        put(Kind::Rootfs, root, &mut content);
        let verity = self.tree.map(|(tree, verity)| {
            put(Kind::Verity, &tree, &mut content);
            verity
        });
        put(Kind::Kernel, &self.kernel, &mut content);
        if *late > 0 {
            // The bytes before a root that begins later.
            content.splice(0..0, vec![0; BLOCK]);
            payloads
                .iter_mut()
                .skip(1)
                .for_each(|other| other.offset += late);
        }
        for at in &self.dirt {
            content[*at] = 0xd1;
        }
        // A tree that is too long is said to be as long as it should be.
        for payload in &mut payloads {
            if payload.kind == Kind::Verity && payload.length == 3 * BLOCK as u64 {
                payload.length = 2 * BLOCK as u64;
            }
        }
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let index = index_entry(length, &digest(&content));
        let mut table = encode_start(self.base.as_ref(), 0);
        let mut payload = Vec::new();
        for (packing, packed) in (self.pack)(&content) {
            let length = u32::try_from(packed.len()).unwrap_or(u32::MAX);
            table.extend(encode_entry(packing, 1, length, &digest(&packed)));
            payload.extend(packed);
        }
        let manifest = Manifest {
            compatible: "golden".into(),
            version: self.version.into(),
            security_version: 0,
            revoke_below: 0,
            record_major: 1,
            record_minor: 0,
            watchdog_seconds: 0,
            cmdline: "root=PARTUUID={slot} ro".into(),
            content_len: content.len() as u64,
            index_len: index.len() as u64,
            index_hash: digest(&index),
            payloads,
            verity,
            key_set: None,
        };
        let mut manifest = manifest.encode().unwrap_or_default();
        (self.forge)(&mut manifest);
        let header = Header {
            format: 2,
            key_set_len: 0,
            manifest_len: u32::try_from(manifest.len()).unwrap_or(u32::MAX),
            index_len: index.len() as u64,
            table_len: table.len() as u64,
            payload_len: payload.len() as u64,
        };
        let signatures = signatures(&digest(&manifest), &digest(&table));
        let parts: [&[u8]; 6] = [
            &header.encode(),
            &signatures.encode(),
            &manifest,
            &index,
            &table,
            &payload,
        ];
        parts.concat()
    }
}

fn signatures(manifest: &Digest, table: &Digest) -> SignatureArea {
    let mut area = SignatureArea::default();
    let signature = Signature {
        key: key().public().id(),
        bytes: key().sign(&tbs(manifest, table)),
    };
    // One signature has room.
    let _ = area.insert(signature);
    area
}
