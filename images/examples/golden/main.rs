//! Writes the golden vectors of the image format into a directory:
//! `cargo run -p images --example golden -- images/tests/golden`.
//! Only for a new format: vectors of a released one never change.

#![allow(
    clippy::indexing_slicing,
    reason = "it makes images that are odd on purpose, at places that are known"
)]

mod inputs;
mod refused;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use images::build::Inputs;
use images::head::Head;
use images::signature::tbs;
use images::trust::Trust;
use images::{digest, read};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("which directory?")?;
    let directory = Path::new(&directory);
    let scratch = tempfile::tempdir()?;
    let inputs = inputs::write(scratch.path())?;
    let image = directory.join("image.bin");
    images::build::build(&inputs, &image, &|_, _| {})?;
    let (header, rest) = read::head(&mut fs::File::open(&image)?)?;
    let head = Head::open(&header, &rest, &Trust::direct([inputs::key().public()]))?;
    fs::write(directory.join("manifest.bin"), &head.manifest_bytes)?;
    fs::write(directory.join("expected.txt"), expected(&head)?)?;
    let sets = [
        ("set.keyset", inputs::key_set()),
        ("orders.keyset", inputs::key_set_with_orders()),
    ];
    for (name, key_set) in sets {
        let key_set = key_set.ok_or("no key set")?;
        fs::write(directory.join(name), key_set.encode()?)?;
    }
    for name in ["secret.pem", "public.pem"] {
        let path = directory.join(name);
        if path.exists() {
            continue;
        }
        match name {
            "secret.pem" => inputs::key().save_new(&path)?,
            _ => inputs::key().public().save_new(&path)?,
        }
    }
    let root = directory.join("3/root.erofs");
    if root.exists() {
        let inputs = inputs::with_key_set(scratch.path(), &root)?;
        format_3(&inputs, &directory.join("3"))?;
    }
    let folder = directory.join("refused");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("../right.bin"), refused::right())?;
    for (name, bytes) in refused::all() {
        fs::write(folder.join(name).with_extension("bin"), bytes)?;
    }
    Ok(())
}

/// An image with a key set, and what it leaves at the end of a slot.
fn format_3(inputs: &Inputs, folder: &Path) -> Result<(), Box<dyn Error>> {
    let image = folder.join("image.bin");
    images::build::build(inputs, &image, &|_, _| {})?;
    let (header, rest) = read::head(&mut fs::File::open(&image)?)?;
    let head = Head::open_untrusted(&header, &rest)?.0;
    fs::write(folder.join("area.bin"), head.slot_area()?)?;
    let mut text = expected(&head)?;
    if let (Some(verity), Some(set)) = (head.manifest.verity, &head.key_set) {
        let hex = images::hex;
        writeln!(text, "root_hash = {}", hex(&verity.root_hash))?;
        writeln!(text, "salt = {}", hex(&verity.salt))?;
        writeln!(text, "key_set_digest = {}", hex(&set.digest))?;
    }
    let pieces = head.index.pieces().iter();
    let lengths: Vec<String> = pieces.map(|piece| piece.length.to_string()).collect();
    writeln!(text, "pieces = {}", lengths.join(" "))?;
    Ok(fs::write(folder.join("expected.txt"), text)?)
}

fn expected(head: &Head) -> Result<String, Box<dyn Error>> {
    let signatures = head.signatures.signatures();
    let signature = signatures.first().ok_or("unsigned")?;
    let tbs = tbs(&head.digest, &head.table_digest);
    let area = digest(&head.slot_area()?);
    let values: [(&str, &[u8]); 7] = [
        ("image_digest", &head.digest),
        ("table_digest", &head.table_digest),
        ("index_hash", &head.manifest.index_hash),
        ("key_id", &signature.key.0),
        ("tbs", &tbs),
        ("signature", &signature.bytes),
        ("slot_area_blake3", &area),
    ];
    let mut text = String::new();
    for (name, value) in values {
        write!(text, "{name} = ")?;
        for byte in value {
            write!(text, "{byte:02x}")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "file_length = {}", head.header.file_length())?;
    Ok(text)
}
