//! Everything of an image before its payload, and the image as a whole.

use super::draft::{Draft, key};
use super::input::Input;
use images::head::Head;
use images::header::{HEADER_LEN, Header};
use images::read::ReadError;
use images::slot_area;
use images::trust::Trust;

/// Any file gives an answer; what is accepted has exactly the bytes that its
/// parts encode to; what was changed after signing, or signed by nobody who is
/// trusted, is refused; and the slot it leaves verifies.
pub fn head(data: &[u8]) {
    let mut input = Input(data);
    if input.u8() & 1 == 0 {
        read(input.0);
        return;
    }
    let draft = Draft::take(&mut input);
    let genuine = draft.is_signed() && !draft.is_damaged();
    let opened = read(&draft.image());
    assert!(genuine || !opened, "an image that nobody signed");
}

/// Whether the image was taken, whole.
fn read(image: &[u8]) -> bool {
    if let Ok(header) = Header::parse(image) {
        assert_eq!(header.encode(), image[..HEADER_LEN], "one encoding");
        assert!(header.rest_length() <= 16 << 20);
    }
    let trusted = Trust::direct([key().public()]);
    let verified = images::verify::verify(image, &trusted, &|_, _| {});
    let Ok((header, rest)) = images::read::head(&mut &image[..]) else {
        assert!(matches!(verified, Err(ReadError::Refused(_))));
        return false;
    };
    let shown = Head::open_untrusted(&header, &rest);
    let Ok(head) = Head::open(&header, &rest, &trusted) else {
        assert!(verified.is_err());
        return false;
    };
    assert!(shown.is_ok(), "what is trusted can be shown");
    check(&head, &rest);
    verified.is_ok_and(|verified| verified == head)
}

fn check(head: &Head, rest: &[u8]) {
    let mut again = head.signatures.encode();
    again.extend(head.key_set.iter().flat_map(|set| set.encode().unwrap()));
    again.extend(head.manifest.encode().unwrap());
    again.extend(&head.index_bytes);
    assert_eq!(again, rest[..again.len()], "one encoding");
    let mut place = 0;
    for chunk in head.chunks() {
        assert_eq!(chunk.offset(), place);
        place += chunk.content_len();
    }
    assert_eq!(place, head.manifest.content_len);
    let area = head.slot_area().unwrap();
    let installed = slot_area::open(&area, &Trust::direct([key().public()])).unwrap();
    assert_eq!(installed.manifest, head.manifest);
    assert_eq!(installed.digest, head.digest);
}
