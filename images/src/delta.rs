//! Building a delta: an image whose chunks are patches against the content of
//! an image that is on the controller already. It installs the new image's
//! manifest byte for byte.

pub(crate) mod anchors;
mod error;
mod pack;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec::Vec;

pub use error::DeltaError;

use crate::build::{BuildError, Output, sign};
use crate::group;
use crate::head::Head;
use crate::header::Header;
use crate::key::SecretKey;
use crate::manifest::Kind;
use crate::read::{self, ReadError};
use crate::table::{self, Base, ENTRY_LEN};
use crate::unpack::{Spool, unpack};
use crate::{FILE_FORMAT, FILE_FORMAT_KEY_SET, digest};
use anchors::Anchors;
use pack::{Packed, Packer};

/// One place in two to this power is an anchor. More find more, and cost
/// memory: 16 bytes each.
const RARITY: u32 = 5;

/// What a delta is built from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The image whose content is on the controller.
    pub from: PathBuf,
    /// The image that it gets.
    pub to: PathBuf,
    /// Who signs; nobody leaves the delta unsigned.
    pub keys: Vec<SecretKey>,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The head of the image that the delta installs.
    pub to: Head,
    /// The base that it needs.
    pub base: Base,
    /// Length of the delta, in bytes.
    pub file_length: u64,
    /// How many bytes each payload takes in it.
    pub payloads: Vec<(Kind, u64)>,
}

/// Builds the delta `out`, on all cores; the same bytes for the same inputs. It
/// appears under its name when it is whole and on disk. `progress` gets the
/// bytes that were worked on, and how many there are.
///
/// # Errors
/// [`DeltaError`]; nothing is left behind, and a file `out` that was there
/// before is unchanged.
pub fn build(
    inputs: &Inputs,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Built, DeltaError> {
    let (from, to) = (Input::open(&inputs.from)?, Input::open(&inputs.to)?);
    let base = base(&from.head, &to.head)?;
    let limit = to.head.table.self_limit();
    let mut table = table::encode_start(Some(&base), limit);
    let mut header = header(&to.head, table.len());
    let paths = [inputs.from.as_path(), inputs.to.as_path()];
    let mut output = Output::create(out, &paths, header.payload_offset())?;
    let (was_len, is_len) = (base.content_len, to.head.manifest.content_len);
    let total = was_len + 2 * is_len;
    let directory = output.directory();
    let from = from.take(directory, 0, was_len, &|done| progress(done, total))?;
    let behind = |done| progress(was_len + done, total);
    let to = to.take(directory, was_len, limit, &behind)?;
    let packer = Packer {
        from: &from,
        to: &to,
        was_len,
        limit,
    };
    let mut payloads = Vec::new();
    packer.run(|packed: Packed| {
        output.write(&packed.bytes)?;
        let length = u32::try_from(packed.bytes.len()).unwrap_or(u32::MAX);
        let hash = digest(&packed.bytes);
        let entry = table::encode_entry(packed.packing, packed.pieces, length, &hash);
        table.extend(entry);
        header.payload_len += u64::from(length);
        note(&mut payloads, &to.head, packed.offset, u64::from(length));
        progress(was_len + is_len + packed.end, total);
        Ok(())
    })?;
    let signatures = sign(&inputs.keys, &to.head.digest, &table)?;
    let mut head = header.encode().to_vec();
    head.extend(signatures.encode());
    if let Some(key_set) = &to.head.key_set {
        head.extend(key_set.encode().map_err(BuildError::from)?);
    }
    head.extend_from_slice(&to.head.manifest_bytes);
    head.extend_from_slice(&to.head.index_bytes);
    head.extend_from_slice(&table);
    output.finish(&head)?;
    Ok(Built {
        file_length: header.file_length(),
        to: to.head,
        base,
        payloads,
    })
}

/// The header of a delta to this image, with no payload yet: one chunk for each
/// group, so the length of the table is known before the first is packed.
fn header(to: &Head, start: usize) -> Header {
    let groups = group::of(to).count();
    Header {
        format: match to.key_set {
            Some(_) => FILE_FORMAT_KEY_SET,
            None => FILE_FORMAT,
        },
        key_set_len: to.header.key_set_len,
        manifest_len: to.header.manifest_len,
        index_len: to.header.index_len,
        table_len: (start as u64).saturating_add((groups as u64).saturating_mul(ENTRY_LEN as u64)),
        payload_len: 0,
    }
}

fn base(from: &Head, to: &Head) -> Result<Base, DeltaError> {
    let (was, is) = (&from.manifest, &to.manifest);
    if was.compatible != is.compatible {
        return Err(DeltaError::OtherMachine {
            from: was.compatible.clone(),
            to: is.compatible.clone(),
        });
    }
    Ok(Base {
        manifest: from.digest,
        version: was.version.clone(),
        content_len: was.content_len,
        full_len: to.header.file_length(),
    })
}

/// Counts a chunk for the payload that it begins in.
fn note(payloads: &mut Vec<(Kind, u64)>, to: &Head, offset: u64, length: u64) {
    let of = to.manifest.payloads.iter().rev();
    let Some(kind) = of.into_iter().find(|payload| payload.offset <= offset) else {
        return;
    };
    match payloads.last_mut().filter(|last| last.0 == kind.kind) {
        Some(last) => last.1 += length,
        None => payloads.push((kind.kind, length)),
    }
}

/// One of the two images, opened.
struct Input<'a> {
    path: &'a Path,
    file: File,
    head: Head,
}

/// One of the two images: its content, and where what lies.
struct Side {
    head: Head,
    content: Spool,
    anchors: Anchors,
}

impl<'a> Input<'a> {
    /// Nobody is trusted here, and nobody has to be: what a wrong image gives is
    /// a delta whose chunks do not give what the signed index says.
    fn open(path: &'a Path) -> Result<Self, DeltaError> {
        let failed = |error| DeltaError::Input(path.into(), error);
        let mut file = File::open(path).map_err(ReadError::from).map_err(failed)?;
        let (header, rest) = read::head(&mut file).map_err(failed)?;
        let head =
            Head::open_untrusted(&header, &rest).map_err(|refused| failed(refused.into()))?;
        if head.0.table.base().is_some() {
            return Err(DeltaError::OfADelta(path.into()));
        }
        Ok(Self {
            path,
            file,
            head: head.0,
        })
    }

    /// Unpacks it, and notes the anchors of its first `known` bytes as those of
    /// the ground from `ground` on.
    fn take(
        self,
        directory: &Path,
        ground: u64,
        known: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Side, DeltaError> {
        let failed = |error| match error {
            ReadError::Spool(error) => DeltaError::Spool(error),
            error => DeltaError::Input(self.path.into(), error),
        };
        let content = Spool::for_all(&self.head, directory)?;
        let mut anchors = Anchors::new(known, RARITY);
        let look = |at: u64, content: &[u8]| {
            let place = ground.saturating_add(at);
            (at < known).then(|| anchors::of(content, place, RARITY))
        };
        unpack(&self.file, &self.head, &content, look, |unpacked| {
            anchors.insert(&unpacked.seen.unwrap_or_default());
            progress(unpacked.group.offset() + unpacked.content.len() as u64);
            Ok::<_, ReadError>(())
        })
        .map_err(failed)?;
        read::end(&mut &self.file, &self.head.header).map_err(failed)?;
        Ok(Side {
            head: self.head,
            content,
            anchors,
        })
    }
}
