//! Building an image from the files it consists of.

mod boot;
mod cmdline;
mod content;
mod erofs;
mod error;
mod initrd;
mod input;
mod layout;
mod output;
mod pack;
mod root;
mod tree;
mod warning;

use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

pub use error::BuildError;
pub(crate) use output::Output;
pub use warning::Warning;

use crate::header::Header;
use crate::key::SecretKey;
use crate::key_set::SignedKeySet;
use crate::manifest::{Kind, Manifest, Verity};
use crate::signature::{NotAdded, Signature, SignatureArea, tbs};
use crate::{Digest, digest, verity};
use content::Content;
use input::Input;
use layout::Layout;

/// What an image is built from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The root filesystem.
    pub rootfs: PathBuf,
    /// What starts it.
    pub boot: Boot,
    /// The kernel command line; `{slot}` stands for the slot's PARTUUID.
    pub cmdline: String,
    /// For which machines.
    pub compatible: String,
    /// The version, in the order of `dpkg`.
    pub version: String,
    /// A bootshim that the image brings.
    pub bootshim: Option<PathBuf>,
    /// A controller whose floor is higher refuses the image.
    pub security_version: u64,
    /// Once the image is good, nothing below this security version boots; 0
    /// revokes nothing.
    pub revoke_below: u64,
    /// The image pets the hardware watchdog with this period in seconds; 0 if
    /// it does not.
    pub watchdog_seconds: u32,
    /// Who signs; nobody leaves the image unsigned.
    pub keys: Vec<SecretKey>,
    /// The key set that says whose signatures count, where bootshim trusts root
    /// keys.
    pub key_set: Option<SignedKeySet>,
}

/// What starts the root filesystem.
#[derive(Debug, Clone)]
pub enum Boot {
    /// A kernel with an EFI stub.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its initial RAM disk, if it needs one.
        initrd: Option<PathBuf>,
    },
    /// A unified kernel image.
    Uki(PathBuf),
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// BLAKE3 of the manifest: the digest of the image.
    pub digest: Digest,
    /// What the manifest says.
    pub manifest: Manifest,
    /// Length of the file, in bytes.
    pub file_length: u64,
    /// How long the initrd was, in bytes, where it was compressed and is stored
    /// unpacked.
    pub unpacked_initrd: Option<u64>,
    /// What is allowed and yet probably a mistake.
    pub warnings: Vec<Warning>,
}

impl Inputs {
    /// The input files, in the order of the slot.
    fn payloads(&self) -> Vec<(Kind, &Path)> {
        let mut payloads = vec![(Kind::Rootfs, self.rootfs.as_path())];
        match &self.boot {
            Boot::Kernel { kernel, initrd } => {
                payloads.push((Kind::Kernel, kernel));
                payloads.extend(initrd.iter().map(|path| (Kind::Initrd, path.as_path())));
            }
            Boot::Uki(uki) => payloads.push((Kind::Uki, uki)),
        }
        let bootshim = self.bootshim.iter();
        payloads.extend(bootshim.map(|path| (Kind::Bootshim, path.as_path())));
        payloads
    }
}

/// Builds the image `out` from `inputs`, on all cores; the same bytes for the
/// same inputs, whatever the number of cores. It appears under its name when it
/// is whole and on disk. `progress` gets the bytes of content that were packed,
/// and how many there are.
///
/// # Errors
/// [`BuildError`]; nothing is left behind, and a file `out` that was there
/// before is unchanged.
pub fn build(
    inputs: &Inputs,
    out: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Built, BuildError> {
    check_key_set(inputs.key_set.as_ref())?;
    check_revocation(inputs)?;
    let mut warnings = cmdline::check(inputs)?;
    warnings.extend(boot::check(inputs)?);
    warnings.extend(root::check(&inputs.rootfs)?);
    warnings.extend(check_version(&inputs.version));
    let payloads = inputs.payloads();
    let open = |(kind, path): &(Kind, &Path)| Input::open(*kind, path, out);
    let opened = payloads.iter().map(open);
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let unpacked = opened.iter().find_map(|input| input.compressed);
    warnings.extend(opened.iter().filter_map(|input| input.warning.clone()));
    let layout = Layout::plan(opened)?;
    // Lengths are known before the first byte is read: so is where the payload
    // begins, and one pass is enough.
    let draft = manifest(inputs, &layout).encode()?;
    let mut header = layout.header(draft.len(), inputs.key_set.as_ref())?;
    let paths: Vec<&Path> = payloads.iter().map(|(_, path)| *path).collect();
    let mut output = Output::create(out, &paths, header.payload_offset())?;
    let salt = verity::salt(&inputs.compatible);
    let packed = content::pack(&layout, salt, &mut output, progress)?;
    let mut manifest = manifest(inputs, &layout);
    for (payload, hash) in manifest.payloads.iter_mut().zip(&packed.hashes) {
        payload.hash = *hash;
    }
    manifest.verity = Some(packed.verity);
    manifest.index_hash = digest(&packed.index);
    header.payload_len = packed.length;
    let (head, digest) = head(&header, &manifest, &packed, inputs)?;
    output.finish(&head)?;
    Ok(Built {
        digest,
        manifest,
        file_length: header.file_length(),
        unpacked_initrd: unpacked,
        warnings,
    })
}

/// `dpkg` complains of a version that begins with something else.
fn check_version(version: &str) -> Option<Warning> {
    let upstream = version
        .split_once(':')
        .map_or(version, |(_, upstream)| upstream);
    let begins = upstream.starts_with(|first: char| first.is_ascii_digit());
    (!begins).then(|| Warning::VersionWithoutDigit(version.into()))
}

/// Root signatures cannot be added to an image afterwards.
fn check_key_set(key_set: Option<&SignedKeySet>) -> Result<(), BuildError> {
    match key_set {
        Some(set) if set.signatures.signatures().is_empty() => Err(BuildError::UnsignedKeySet),
        _ => Ok(()),
    }
}

/// What starts never counts more than its own security version: a number above it
/// is a mistake.
fn check_revocation(inputs: &Inputs) -> Result<(), BuildError> {
    let (revoke_below, own) = (inputs.revoke_below, inputs.security_version);
    if revoke_below > own {
        return Err(BuildError::RevokesItself { revoke_below, own });
    }
    Ok(())
}

/// Everything before the payload, and the digest of the image.
fn head(
    header: &Header,
    manifest: &Manifest,
    packed: &Content,
    inputs: &Inputs,
) -> Result<(Vec<u8>, Digest), BuildError> {
    let manifest = manifest.encode()?;
    let digest = digest(&manifest);
    let mut head = header.encode().to_vec();
    head.extend(sign(&inputs.keys, &digest, &packed.table)?.encode());
    if let Some(key_set) = &inputs.key_set {
        head.extend(key_set.encode()?);
    }
    head.extend(manifest);
    head.extend_from_slice(&packed.index);
    head.extend_from_slice(&packed.table);
    Ok((head, digest))
}

/// The manifest, with all hashes zero.
fn manifest(inputs: &Inputs, layout: &Layout) -> Manifest {
    Manifest {
        compatible: inputs.compatible.clone(),
        version: inputs.version.clone(),
        security_version: inputs.security_version,
        revoke_below: inputs.revoke_below,
        record_major: 1,
        record_minor: 0,
        watchdog_seconds: inputs.watchdog_seconds,
        cmdline: inputs.cmdline.clone(),
        content_len: layout.content_len,
        index_len: layout.index_len(),
        index_hash: Digest::default(),
        payloads: layout.payloads(),
        verity: Some(Verity {
            root_hash: Digest::default(),
            salt: verity::salt(&inputs.compatible),
        }),
        key_set: inputs.key_set.as_ref().map(SignedKeySet::name),
    }
}

/// The signatures of these keys over an image.
pub(crate) fn sign(
    keys: &[SecretKey],
    manifest: &Digest,
    table: &[u8],
) -> Result<SignatureArea, NotAdded> {
    let message = tbs(manifest, &digest(table));
    let mut area = SignatureArea::default();
    for key in keys {
        area.insert(Signature {
            key: key.public().id(),
            bytes: key.sign(&message),
        })?;
    }
    Ok(area)
}
