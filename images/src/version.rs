//! The order of versions: as `dpkg` has it, see deb-version(7).

use core::cmp::Ordering;

/// Epoch, upstream version and revision.
type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn split(version: &str) -> Split<'_> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch.as_bytes(), upstream.as_bytes(), revision.as_bytes())
}

/// Whether `dpkg` would take `version`: an optional epoch in digits and a
/// colon, an upstream version of `[A-Za-z0-9.+~:-]`, an optional hyphen and
/// revision.
#[must_use]
pub fn is_valid(version: &str) -> bool {
    let (epoch, upstream, revision) = split(version);
    let number = core::str::from_utf8(epoch).ok();
    let epoch_fits = number.is_some_and(|number| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<i32>().is_ok()
    });
    let allowed = |byte: &u8, more: &[u8]| byte.is_ascii_alphanumeric() || more.contains(byte);
    let empty_revision = revision.is_empty() && version.ends_with('-');
    epoch_fits
        && !empty_revision
        && !upstream.is_empty()
        && upstream.iter().all(|byte| allowed(byte, b".+~:-"))
        && revision.iter().all(|byte| allowed(byte, b".+~"))
}

/// Which of two versions is newer. Total: versions that [`is_valid`] refuses
/// have an order too.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, upstream_a, revision_a) = split(a);
    let (epoch_b, upstream_b, revision_b) = split(b);
    compare_part(epoch_a, epoch_b)
        .then_with(|| compare_part(upstream_a, upstream_b))
        .then_with(|| compare_part(revision_a, revision_b))
}

/// By turns a run without digits, by [`order`], and a number.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, text_b) = (take(&mut a, false), take(&mut b, false));
        let by_text = compare_text(text_a, text_b);
        if by_text.is_ne() {
            return by_text;
        }
        let by_number = compare_number(take(&mut a, true), take(&mut b, true));
        if by_number.is_ne() {
            return by_number;
        }
    }
    Ordering::Equal
}

/// Takes the run of digits, or of other bytes, from the front.
fn take<'a>(bytes: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = bytes
        .iter()
        .position(|byte| byte.is_ascii_digit() != digits)
        .unwrap_or(bytes.len());
    let (run, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    *bytes = rest;
    run
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |text: &[u8], place: usize| text.get(place).map_or(0, |byte| order(*byte));
    (0..a.len().max(b.len()))
        .map(|place| weight(a, place).cmp(&weight(b, place)))
        .find(|by_byte| by_byte.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A tilde sorts before the end, letters before everything else.
fn order(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        _ if byte.is_ascii_alphabetic() => i32::from(byte),
        _ => i32::from(byte) + 256,
    }
}

/// Numbers of any length, without arithmetic.
fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn significant(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

#[cfg(test)]
mod tests;
