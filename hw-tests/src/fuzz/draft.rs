//! An image whose parts are a fuzzer's, with those hashes made right that it
//! asks for, and a signature.

use super::input::{Input, counted};
use images::header::Header;
use images::key::SecretKey;
use images::manifest::Manifest;
use images::signature::{Signature, SignatureArea, tbs};
use images::{PIECE_MAX, digest};

/// Where the manifest says how long the index is, and its hash.
const INDEX_LEN: usize = 44;
const INDEX_HASH: usize = 52;

/// What is mended.
pub(super) const PIECES: u8 = 1;
const CHUNKS: u8 = 2;
const INDEX: u8 = 4;
const PAYLOADS: u8 = 8;
const LENGTH: u8 = 16;
const SIGN: u8 = 32;
/// Not a hash: the table is one of format 2.
const FORMAT_2: u8 = 64;
/// All of it: an image that its maker signed.
pub(super) const ALL: u8 = 63;

/// How a transport table is laid out: where its entries begin, how long each is,
/// and where in it the packed length is.
const TABLES: [(usize, usize, usize); 2] = [(0, 37, 1), (58, 39, 3)];

/// The key that is trusted.
pub(super) fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

/// The parts of an image.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) mend: u8,
    /// After everything was signed: which byte is changed, and how.
    pub(super) damage: (u16, u8),
    payload_len: u64,
    pub(super) manifest: Vec<u8>,
    pub(super) index: Vec<u8>,
    table: Vec<u8>,
    payload: Vec<u8>,
}

impl Draft {
    pub(super) fn take(input: &mut Input<'_>) -> Draft {
        Draft {
            mend: input.u8(),
            damage: (input.u16(), input.u8()),
            payload_len: input.u64(),
            manifest: input.counted().to_vec(),
            index: input.counted().to_vec(),
            table: input.counted().to_vec(),
            payload: std::mem::take(&mut input.0).to_vec(),
        }
    }

    /// The bytes of the draft that becomes this image.
    pub(super) fn encoded(image: &[u8], mend: u8, damage: (u16, u8)) -> Vec<u8> {
        let (header, rest) = images::read::head(&mut &image[..]).unwrap();
        let head = images::head::Head::open_untrusted(&header, &rest)
            .unwrap()
            .0;
        let table = rest.len() - usize::try_from(header.table_len).unwrap();
        let format = if header.format == 1 { 0 } else { FORMAT_2 };
        let mut bytes = vec![mend | format];
        bytes.extend(damage.0.to_le_bytes());
        bytes.push(damage.1);
        bytes.extend(header.payload_len.to_le_bytes());
        bytes.extend(counted(&head.manifest_bytes));
        bytes.extend(counted(&head.index_bytes));
        bytes.extend(counted(&rest[table..]));
        bytes.extend(&image[usize::try_from(header.payload_offset()).unwrap()..]);
        bytes
    }

    /// Whether a byte is changed after signing.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.1 != 0
    }

    /// Whether somebody who is trusted signed it.
    pub(super) fn is_signed(&self) -> bool {
        self.mend & SIGN != 0
    }

    /// The file.
    pub(super) fn image(mut self) -> Vec<u8> {
        let content = self.mend_chunks();
        if self.mend & INDEX != 0 && self.manifest.len() >= INDEX_HASH + 32 {
            let length = u64::try_from(self.index.len()).unwrap();
            self.manifest[INDEX_LEN..INDEX_HASH].copy_from_slice(&length.to_le_bytes());
            self.manifest[INDEX_HASH..INDEX_HASH + 32].copy_from_slice(&digest(&self.index));
        }
        if self.mend & PAYLOADS != 0 {
            self.mend_payloads(&content);
        }
        let mut image = self.sign();
        let at = usize::from(self.damage.0) % image.len();
        image[at] ^= self.damage.1;
        image
    }

    /// Makes the hashes of chunks and pieces right; what they unpack to.
    fn mend_chunks(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut at = 0;
        let pieces = self.index.chunks_exact_mut(36);
        let (start, entry, field) = TABLES[usize::from(self.mend & FORMAT_2 != 0)];
        let entries = self.table.get_mut(start..).unwrap_or_default();
        for (piece, chunk) in pieces.zip(entries.chunks_exact_mut(entry)) {
            let length = u32::from_le_bytes(chunk[field..field + 4].try_into().unwrap());
            let end = at + usize::try_from(length).unwrap();
            let Some(packed) = self.payload.get(at..end) else {
                break;
            };
            at = end;
            let room = u32::from_le_bytes(piece[..4].try_into().unwrap()).min(PIECE_MAX);
            let room = usize::try_from(room).unwrap();
            let unpacked = match chunk[0] {
                0 => Some(packed.to_vec()),
                _ => zstd::bulk::decompress(packed, room).ok(),
            };
            let unpacked = unpacked.unwrap_or_default();
            if self.mend & CHUNKS != 0 {
                chunk[field + 4..].copy_from_slice(&digest(packed));
            }
            if self.mend & PIECES != 0 {
                piece[4..].copy_from_slice(&digest(&unpacked));
            }
            content.extend(unpacked);
        }
        content
    }

    fn mend_payloads(&mut self, content: &[u8]) {
        let Ok(mut manifest) = Manifest::parse(&self.manifest) else {
            return;
        };
        for payload in &mut manifest.payloads {
            let end = usize::try_from(payload.end().unwrap()).unwrap_or(usize::MAX);
            let from = usize::try_from(payload.offset).unwrap_or(usize::MAX);
            payload.hash = digest(content.get(from..end).unwrap_or_default());
        }
        self.manifest = manifest.encode().unwrap();
    }

    fn sign(&self) -> Vec<u8> {
        let key = match self.is_signed() {
            true => key(),
            false => SecretKey::from_seed(&[8; 32]),
        };
        let payload_len = match self.mend & LENGTH {
            0 => self.payload_len,
            _ => u64::try_from(self.payload.len()).unwrap(),
        };
        let header = Header {
            key_set_len: 0,
            format: if self.mend & FORMAT_2 == 0 { 1 } else { 2 },
            manifest_len: u32::try_from(self.manifest.len()).unwrap(),
            index_len: u64::try_from(self.index.len()).unwrap(),
            table_len: u64::try_from(self.table.len()).unwrap(),
            payload_len,
        };
        let signature = Signature {
            key: key.public().id(),
            bytes: key.sign(&tbs(&digest(&self.manifest), &digest(&self.table))),
        };
        let mut area = SignatureArea::default();
        area.insert(signature).unwrap();
        [
            &header.encode()[..],
            &area.encode(),
            &self.manifest,
            &self.index,
            &self.table,
            &self.payload,
        ]
        .concat()
    }
}
