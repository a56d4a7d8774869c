//! Questions over D-Bus (D-Bus Specification 1.0): calls with texts, and answers that
//! are one word or number. No more of it is needed here, and every byte has its time.

use super::wire::Wire;
use super::{Outcome, Trouble, one_line};
use config::Place;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

/// Where the system's bus listens.
pub(super) const SYSTEM: &str = "/run/dbus/system_bus_socket";
/// The bus itself.
const BUS: Object<'_> = Object {
    owner: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// Longest message in bytes; those that come here have a few hundred.
const MESSAGE_MAX: usize = 64 << 10;
/// Longest line before the first message.
const LINE_MAX: usize = 512;
/// Messages that are for others before the one that is the answer.
const MESSAGES_MAX: usize = 100;

/// Kinds of messages.
const CALL: u8 = 1;
const ANSWER: u8 = 2;
const ERROR: u8 = 3;
/// Nobody is started by being asked.
const NO_AUTO_START: u8 = 2;

/// Who is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    pub(super) owner: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
}

/// The first value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// A number, or yes (1) and no (0).
    Number(u32),
    /// None, or one of another type.
    Other,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Whoever was called answers with this error.
    Error { name: String, words: String },
    /// Nobody answers.
    Silence(Trouble),
}

impl Refusal {
    /// That it is not known how `whom` is, whoever that is due to.
    pub(super) fn unknown(self, whom: &str) -> Trouble {
        let words = match self {
            Refusal::Error { name, words } if words.is_empty() => name,
            Refusal::Error { words, .. } => words,
            Refusal::Silence(Trouble::Fails(said) | Trouble::Unknown(said)) => {
                return Trouble::Unknown(said);
            }
        };
        Trouble::Unknown(format!("{words} ({whom})"))
    }
}

/// Passes where somebody owns the name.
pub(super) fn owned(socket: &Path, name: &str, limit: Duration) -> Outcome {
    let owned = Bus::connect(socket, limit)
        .and_then(|mut bus| bus.call(BUS, "NameHasOwner", &[name]))
        .map_err(|refusal| refusal.unknown(name))?;
    match owned {
        Value::Number(1) => Ok(()),
        _ => Err(Trouble::Fails(format!("nobody owns it ({name})"))),
    }
}

/// A connection to a bus.
#[derive(Debug)]
pub(super) struct Bus {
    wire: Wire,
    serial: u32,
}

impl Bus {
    /// Connects, as the user that this program runs as.
    pub(super) fn connect(socket: &Path, limit: Duration) -> Result<Bus, Refusal> {
        let place = Place::Socket(socket.to_owned());
        let wire = Wire::connect(&place, limit).map_err(Refusal::Silence)?;
        let mut bus = Bus { wire, serial: 0 };
        bus.authenticate()?;
        bus.call(BUS, "Hello", &[])?;
        Ok(bus)
    }

    /// By the user that this program runs as, which the bus sees for itself.
    fn authenticate(&mut self) -> Result<(), Refusal> {
        self.write(b"\0AUTH EXTERNAL\r\nDATA\r\n")?;
        let mut said = self.line()?;
        if said == "DATA" {
            said = self.line()?;
        }
        if !said.starts_with("OK ") {
            let words = self.wire.quote(&format!("not let in: {said}"));
            return Err(Refusal::Silence(Trouble::Unknown(words)));
        }
        self.write(b"BEGIN\r\n")
    }

    fn line(&mut self) -> Result<String, Refusal> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.read(&mut byte)?;
            line.extend(byte);
            if line.len() > LINE_MAX {
                return Err(self.odd());
            }
        }
        Ok(one_line(&String::from_utf8_lossy(&line)))
    }

    /// Calls a method with these texts.
    pub(super) fn call(
        &mut self,
        object: Object<'_>,
        method: &str,
        texts: &[&str],
    ) -> Result<Value, Refusal> {
        self.serial = self.serial.saturating_add(1);
        let message = message(self.serial, object, method, texts).ok_or_else(|| self.odd())?;
        self.write(&message)?;
        for _ in 0..MESSAGES_MAX {
            let message = self.message()?;
            if message.answers != Some(self.serial) {
                continue;
            }
            return match (message.kind, message.value) {
                (ANSWER, value) => Ok(value),
                (ERROR, value) => Err(Refusal::Error {
                    name: message.error.unwrap_or_default(),
                    words: match value {
                        Value::Text(words) => one_line(&words),
                        _ => String::new(),
                    },
                }),
                _ => Err(self.odd()),
            };
        }
        Err(self.odd())
    }

    fn message(&mut self) -> Result<Message, Refusal> {
        let mut head = [0; HEAD];
        self.read(&mut head)?;
        let lengths = Lengths::of(&head).ok_or_else(|| self.odd())?;
        let mut rest = vec![0; lengths.rest];
        self.read(&mut rest)?;
        Message::parse(&head, &lengths, &rest).ok_or_else(|| self.odd())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Refusal> {
        let read = self.wire.read_exact(buffer);
        read.map_err(|error| Refusal::Silence(self.wire.trouble(&error)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let written = self.wire.write_all(bytes);
        written.map_err(|error| Refusal::Silence(self.wire.trouble(&error)))
    }

    fn odd(&self) -> Refusal {
        Refusal::Silence(Trouble::Unknown(self.wire.quote("this is no D-Bus")))
    }
}

/// Bytes of a message whose length is always the same.
const HEAD: usize = 16;

/// The call, or nothing where a text is too long.
fn message(serial: u32, object: Object<'_>, method: &str, texts: &[&str]) -> Option<Vec<u8>> {
    let mut body = Writer::default();
    for text in texts {
        body.text(text)?;
    }
    // The head has a multiple of what is aligned to.
    let mut fields = Writer::default();
    for (code, kind, text) in [
        (1, b'o', object.path),
        (2, b's', object.interface),
        (3, b's', method),
        (6, b's', object.owner),
    ] {
        fields.align(8);
        fields.0.extend([code, 1, kind, 0]);
        fields.text(text)?;
    }
    if !texts.is_empty() {
        fields.align(8);
        fields.0.extend([8, 1, b'g', 0]);
        fields.0.push(u8::try_from(texts.len()).ok()?);
        fields.0.extend(texts.iter().map(|_| b's'));
        fields.0.push(0);
    }
    let mut message = Writer(vec![b'l', CALL, NO_AUTO_START, 1]);
    message.number(u32::try_from(body.0.len()).ok()?);
    message.number(serial);
    message.number(u32::try_from(fields.0.len()).ok()?);
    message.0.extend(fields.0);
    message.align(8);
    message.0.extend(body.0);
    Some(message.0)
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.align(4);
        self.number(u32::try_from(text.len()).ok()?);
        self.0.extend(text.as_bytes());
        self.0.push(0);
        Some(())
    }
}

/// What the head says of the rest.
#[derive(Debug)]
struct Lengths {
    fields: usize,
    rest: usize,
}

impl Lengths {
    fn of(head: &[u8; HEAD]) -> Option<Lengths> {
        let mut reader = Reader::new(head, *head.first()?)?;
        reader.at = 4;
        let body = usize::try_from(reader.number()?).ok()?;
        reader.at = 12;
        let fields = usize::try_from(reader.number()?).ok()?;
        let rest = fields.checked_next_multiple_of(8)?.checked_add(body)?;
        (rest <= MESSAGE_MAX).then_some(Lengths { fields, rest })
    }
}

/// As far as it is of concern.
#[derive(Debug)]
struct Message {
    kind: u8,
    /// The serial of the call that it answers.
    answers: Option<u32>,
    error: Option<String>,
    value: Value,
}

impl Message {
    fn parse(head: &[u8; HEAD], lengths: &Lengths, rest: &[u8]) -> Option<Message> {
        let [order, kind, ..] = *head;
        let (mut answers, mut error, mut signature) = (None, None, String::new());
        let mut fields = Reader::new(rest.get(..lengths.fields)?, order)?;
        while fields.at < lengths.fields {
            fields.align(8);
            let code = fields.byte()?;
            let of = fields.signature()?;
            match (code, fields.value(&of)?) {
                (4, Value::Text(name)) => error = Some(name),
                (5, Value::Number(serial)) => answers = Some(serial),
                (8, Value::Text(of)) => signature = of,
                _ => {}
            }
        }
        let body = rest.get(lengths.fields.next_multiple_of(8)..)?;
        let value = Reader::new(body, order)?.first(&signature)?;
        Some(Message {
            kind,
            answers,
            error,
            value,
        })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    number: fn([u8; 4]) -> u32,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], order: u8) -> Option<Reader<'a>> {
        let number = match order {
            b'l' => u32::from_le_bytes,
            b'B' => u32::from_be_bytes,
            _ => return None,
        };
        Some(Reader {
            bytes,
            at: 0,
            number,
        })
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.take(4)?.try_into().ok()?;
        Some((self.number)(bytes))
    }

    /// And the zero behind it.
    fn text_of(&mut self, length: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.byte()? == 0).then_some(text)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.text_of(length.into())
    }

    /// The first of the values with this signature, which may be in a variant.
    fn first(&mut self, signature: &str) -> Option<Value> {
        match signature.chars().next() {
            Some('v') => {
                let of = self.signature()?;
                self.value(&of)
            }
            Some(of) => self.value(of.encode_utf8(&mut [0; 4])),
            None => Some(Value::Other),
        }
    }

    fn value(&mut self, of: &str) -> Option<Value> {
        Some(match of {
            "s" | "o" => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Text(self.text_of(length)?)
            }
            "g" => Value::Text(self.signature()?),
            "u" | "b" => Value::Number(self.number()?),
            _ => Value::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer to call 7, as dbus-daemon sends one.
    fn answer(kind: u8, order: u8, signature: &str, body: &[u8]) -> Vec<u8> {
        let number = |number: usize| {
            let number = u32::try_from(number).unwrap();
            match order {
                b'l' => number.to_le_bytes(),
                _ => number.to_be_bytes(),
            }
        };
        let mut fields = [&[5, 1, b'u', 0], number(7).as_slice()].concat();
        let text = u8::try_from(signature.len()).unwrap();
        fields.extend([8, 1, b'g', 0, text]);
        fields.extend(signature.bytes());
        fields.push(0);
        let length = fields.len();
        fields.resize(length.next_multiple_of(8), 0);
        let mut message = vec![order, kind, 1, 1];
        message.extend([number(body.len()), number(3), number(length)].concat());
        message.extend(fields);
        message.extend(body);
        message
    }

    fn parsed(bytes: &[u8]) -> Option<Message> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let lengths = Lengths::of(head)?;
        Message::parse(head, &lengths, rest.get(..lengths.rest)?)
    }

    #[test]
    fn a_value_is_read_in_either_order_of_bytes_and_within_a_variant() {
        let table: [(u8, &str, &[u8], Value); 6] = [
            (b'l', "b", &[1, 0, 0, 0], Value::Number(1)),
            (b'B', "u", &[0, 0, 1, 0], Value::Number(256)),
            (b'l', "s", b"\x02\0\0\0ok\0", Value::Text("ok".to_owned())),
            (
                b'l',
                "v",
                b"\x01s\0\0\x06\0\0\0active\0",
                Value::Text("active".to_owned()),
            ),
            (b'l', "v", b"\x01u\0\0\x03\0\0\0", Value::Number(3)),
            (b'l', "", b"", Value::Other),
        ];
        for (order, signature, body, value) in table {
            let message = parsed(&answer(ANSWER, order, signature, body)).unwrap();
            assert_eq!((message.answers, message.value), (Some(7), value));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let whole = answer(ANSWER, b'l', "s", b"\x02\0\0\0ok\0");
        for at in 0..whole.len() {
            assert!(parsed(&whole[..at]).is_none(), "{at}");
        }
        for at in [4, 12] {
            let mut odd = whole.clone();
            odd[at..at + 4].fill(0xff);
            assert!(parsed(&odd).is_none());
        }
        assert!(parsed(&answer(ANSWER, b'l', "s", b"\x03\0\0\0ok\0")).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..60, byte: u8) {
            let _ = parsed(&bytes);
            let mut whole = answer(ANSWER, b'l', "v", b"\x01s\0\0\x06\0\0\0active\0");
            if let Some(changed) = whole.get_mut(at) {
                *changed = byte;
            }
            let _ = parsed(&whole);
        }
    }
}
