//! An order with its signatures: the text, and behind it a block of lines, one for each
//! key that signed. Up to that block it is what a person wrote, byte for byte.

use super::{Mistake, Order, OrderId, SIZE_MAX};
use images::key::{KeyId, PublicKey, SecretKey};
use images::sign::Signed;
use images::signature::{NotAdded, Signature, SignatureArea};
use images::{Unproven, digest, hex};

const BEGIN: &str = "-----BEGIN SLOTCTL SIGNATURES-----\n";
const END: &str = "-----END SLOTCTL SIGNATURES-----\n";

/// Length of the message that is signed, in bytes.
pub const TBS_LEN: usize = 48;

/// What the signed message begins with, so that a signature made for anything else with
/// the same key never counts for an order.
const DOMAIN: [u8; 16] = *b"slotctl-order-1\0";

/// The exact bytes that are signed with plain Ed25519.
#[must_use]
pub fn tbs(order: &OrderId) -> [u8; TBS_LEN] {
    let mut message = [0; TBS_LEN];
    for (to, from) in message.iter_mut().zip(DOMAIN.iter().chain(&order.0)) {
        *to = *from;
    }
    message
}

/// Why something is not taken for an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrder {
    /// It is none, or one that was cut off.
    #[error("no order: {0}")]
    Form(&'static str),
    /// Nobody whose orders count has signed it.
    #[error("{}", in_words(.0))]
    Unproven(Unproven),
    /// Somebody who may has signed it, and it makes no sense.
    #[error("no order: {0}")]
    Mistake(#[from] Mistake),
}

/// Why an order was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// No room for another signature.
    #[error(transparent)]
    NotAdded(#[from] NotAdded),
    /// A signature that claims to be by this key, and is not.
    #[error("{0}")]
    Wrong(#[from] Unproven),
}

fn in_words(unproven: &Unproven) -> String {
    match unproven {
        Unproven::NotTrusted { found } => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            let found = found.join(", ");
            format!("signed by {found}, and by no key that may give orders here")
        }
        Unproven::Unsigned | Unproven::Wrong { .. } | Unproven::TooFew { .. } => {
            unproven.to_string()
        }
    }
}

/// An order as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedOrder {
    /// What it says.
    pub order: Order,
    /// Its name, and what is signed.
    pub id: OrderId,
    /// Who signed.
    pub signatures: SignatureArea,
    text: String,
}

impl SignedOrder {
    /// An order that nobody has signed yet.
    ///
    /// # Errors
    /// [`Mistake`] if there can be no such order.
    pub fn new(order: Order) -> Result<SignedOrder, Mistake> {
        let text = order.to_text()?;
        Ok(SignedOrder {
            order,
            id: OrderId(digest(text.as_bytes())),
            signatures: SignatureArea::default(),
            text,
        })
    }

    /// Reads one that one of these keys signed; nothing of it is looked at before that is
    /// known.
    ///
    /// # Errors
    /// [`NotAnOrder`].
    pub fn open(bytes: &[u8], trusted: &[PublicKey]) -> Result<SignedOrder, NotAnOrder> {
        let sealed = Sealed::split(bytes)?;
        let message = tbs(&sealed.id);
        let proven = sealed.signatures.verify(&message, trusted, 1);
        proven.map_err(NotAnOrder::Unproven)?;
        Ok(sealed.parse()?)
    }

    /// Reads one that nobody vouches for: to be shown or signed.
    ///
    /// # Errors
    /// [`NotAnOrder`] if it is none.
    pub fn open_untrusted(bytes: &[u8]) -> Result<SignedOrder, NotAnOrder> {
        Ok(Sealed::split(bytes)?.parse()?)
    }

    /// Signs it, and says whether that added a signature: a key signs once.
    ///
    /// # Errors
    /// [`NotSigned`]; nothing is changed then.
    pub fn sign(&mut self, key: &SecretKey) -> Result<Signed, NotSigned> {
        let (message, public) = (tbs(&self.id), key.public());
        let added = self.signatures.insert(Signature {
            key: public.id(),
            bytes: key.sign(&message),
        });
        match added {
            Err(NotAdded::Already { .. }) => {
                // What claims to be by this key may be anything.
                self.signatures.verify(&message, &[public], 1)?;
                Ok(Signed::Already)
            }
            other => Ok(other.map(|()| Signed::Added)?),
        }
    }

    /// The text of the order, without signatures.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut file = self.text.clone();
        let signatures = self.signatures.signatures();
        if signatures.is_empty() {
            return file;
        }
        file.push_str(BEGIN);
        for Signature { key, bytes } in signatures {
            file.push_str(&format!("{key} {}\n", hex(bytes)));
        }
        file.push_str(END);
        file
    }
}

/// An order of which nothing was looked at but where its signatures begin.
struct Sealed<'a> {
    text: &'a str,
    id: OrderId,
    signatures: SignatureArea,
}

impl<'a> Sealed<'a> {
    fn split(bytes: &'a [u8]) -> Result<Sealed<'a>, NotAnOrder> {
        let form = NotAnOrder::Form;
        if bytes.len() > SIZE_MAX {
            return Err(form("longer than 64 KiB"));
        }
        let file = str::from_utf8(bytes).map_err(|_| form("no text in UTF-8"))?;
        let (text, block) = match find_line(file, BEGIN) {
            Some(place) => file.split_at_checked(place).unwrap_or((file, "")),
            None => (file, ""),
        };
        if !text.ends_with('\n') {
            return Err(form("its text does not end with a line"));
        }
        Ok(Sealed {
            text,
            id: OrderId(digest(text.as_bytes())),
            signatures: signatures(block)?,
        })
    }

    fn parse(self) -> Result<SignedOrder, Mistake> {
        Ok(SignedOrder {
            order: Order::parse(self.text)?,
            id: self.id,
            signatures: self.signatures,
            text: self.text.to_owned(),
        })
    }
}

/// Where a line begins that is `line`.
fn find_line(text: &str, line: &str) -> Option<usize> {
    let begins = |place: &usize| {
        let before = text.as_bytes().get(..*place).unwrap_or_default();
        before.is_empty() || before.ends_with(b"\n")
    };
    text.match_indices(line)
        .map(|(place, _)| place)
        .find(begins)
}

fn signatures(block: &str) -> Result<SignatureArea, NotAnOrder> {
    let mut area = SignatureArea::default();
    if block.is_empty() {
        return Ok(area);
    }
    let inner = block
        .strip_prefix(BEGIN)
        .and_then(|block| block.strip_suffix(END));
    let cut = NotAnOrder::Form("its signatures do not end with a line that says so");
    let lines = inner.ok_or(cut)?;
    let mut last: Option<KeyId> = None;
    for line in lines.split_terminator('\n') {
        let signature = signature(line);
        let signature = signature.ok_or(NotAnOrder::Form("a signature is no such line"))?;
        // One order of them, so that an order has one file.
        if last.is_some_and(|last| last >= signature.key) {
            return Err(NotAnOrder::Form("ids of the keys do not ascend"));
        }
        last = Some(signature.key);
        let added = area.insert(signature);
        added.map_err(|_| NotAnOrder::Form("more than 32 signatures"))?;
    }
    match last {
        Some(_) => Ok(area),
        None => Err(NotAnOrder::Form("a block of signatures without one")),
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (key, bytes) = line.split_once(' ')?;
    let key = KeyId(bytes_of(key)?);
    let bytes = bytes_of(bytes)?;
    Some(Signature { key, bytes })
}

/// The bytes of just so many pairs of digits in lower case.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |of: u8| match of {
            b'0'..=b'9' | b'a'..=b'f' => char::from(of).to_digit(16),
            _ => None,
        };
        let [high, low] = *pair else { return None };
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}
