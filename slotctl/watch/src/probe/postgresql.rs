//! Whether PostgreSQL takes connections: the first words of one, as `pg_isready` says
//! them (PostgreSQL's manual, "Frontend/Backend Protocol"). No password is needed.

use super::wire::Wire;
use super::{Outcome, Trouble, one_line};
use config::Place;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;
/// Who asks, and for what. Neither needs to be there.
const WHO: &[u8] = b"user\0root\0database\0postgres\0application_name\0slotctl\0\0";
/// Longest message in bytes; those that come here are short.
const MESSAGE_MAX: u32 = 64 << 10;
/// Messages before it says that it is ready: a few dozen.
const MESSAGES_MAX: usize = 1000;

/// Asks once.
pub(super) fn ask(place: &Place, limit: Duration) -> Outcome {
    let mut wire = Wire::connect(place, limit)?;
    match converse(&mut wire) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(said)) => Err(Trouble::Fails(wire.quote(&said))),
        Err(error) => Err(wire.trouble(&error)),
    }
}

/// An error within is what PostgreSQL said.
fn converse(wire: &mut (impl Read + Write)) -> io::Result<Result<(), String>> {
    let length = u32::try_from(WHO.len() + 8).map_err(|_| ErrorKind::InvalidInput)?;
    let begin = [&length.to_be_bytes(), &VERSION.to_be_bytes(), WHO].concat();
    wire.write_all(&begin)?;
    for _ in 0..MESSAGES_MAX {
        let mut kind = [0];
        wire.read_exact(&mut kind)?;
        let mut length = [0; 4];
        wire.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if !(4..=MESSAGE_MAX).contains(&length) {
            break;
        }
        let mut body = Vec::new();
        wire.take(u64::from(length - 4)).read_to_end(&mut body)?;
        match (&kind, body.as_slice()) {
            // Let in without a password: to leave in the middle would be logged there.
            (b"R", [0, 0, 0, 0]) => {}
            // How the password is to be sent.
            (b"R", _) => return Ok(Ok(())),
            (b"Z", _) => {
                wire.write_all(b"X\0\0\0\x04")?;
                return Ok(Ok(()));
            }
            (b"E", body) => return Ok(judge(body)),
            _ => {}
        }
    }
    Ok(Err("this is no PostgreSQL".to_owned()))
}

/// Who is turned away because of his name has met a server that is up (classes of
/// "PostgreSQL Error Codes"); any other error is one of a server that is not.
fn judge(error: &[u8]) -> Result<(), String> {
    let field = |kind: u8| {
        let fields = error.split(|byte| *byte == 0);
        let field = fields.filter_map(|field| field.split_first());
        let mut texts = field.filter(|(first, _)| **first == kind);
        let (_, text) = texts.next()?;
        Some(one_line(&String::from_utf8_lossy(text)))
    };
    let code = field(b'C').unwrap_or_default();
    if ["28", "3D", "42"]
        .iter()
        .any(|class| code.starts_with(class))
    {
        return Ok(());
    }
    let said = field(b'M').unwrap_or_else(|| "an error without words".to_owned());
    Err(match field(b'D') {
        Some(detail) => format!("{said}: {detail}"),
        None => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// A server that says this, and what it heard.
    struct Server {
        says: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn asked(says: &[u8]) -> (io::Result<Result<(), String>>, Vec<u8>) {
        let mut server = Server {
            says: Cursor::new(says.to_vec()),
            heard: Vec::new(),
        };
        let answer = converse(&mut server);
        (answer, server.heard)
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    fn error(fields: &str) -> Vec<u8> {
        message(b'E', format!("{fields}\0").replace('|', "\0").as_bytes())
    }

    #[test]
    fn who_is_asked_for_a_password_has_met_a_server_that_is_up() {
        let (answer, heard) = asked(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
        assert_eq!(answer.unwrap(), Ok(()));
        assert!(heard.starts_with(b"\0\0\0"), "{heard:?}");
        assert_eq!(usize::from(heard[3]), heard.len());
    }

    #[test]
    fn who_is_let_in_waits_until_it_is_ready_and_takes_leave() {
        let parts = [
            message(b'R', &[0; 4]),
            message(b'S', b"server_version\x0015.18\0"),
            message(b'Z', b"I"),
        ];
        let (answer, heard) = asked(&parts.concat());
        assert_eq!(answer.unwrap(), Ok(()));
        assert!(heard.ends_with(b"X\0\0\0\x04"));
        let (answer, _) = asked(&parts[..2].concat());
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_error_passes_only_where_it_is_about_who_asks() {
        let table = [
            ("SFATAL|C28000|Mrole \"root\" does not exist|", None),
            ("SFATAL|C3D000|Mdatabase \"postgres\" does not exist|", None),
            (
                "SFATAL|C57P03|Mthe database system is starting up|",
                Some("the database system is starting up"),
            ),
            (
                "C57P03|Mnot accepting connections|DHot standby mode is disabled.|",
                Some("not accepting connections: Hot standby mode is disabled."),
            ),
            (
                "C53300|Msorry, too many clients already|",
                Some("sorry, too many clients already"),
            ),
            ("SFATAL|", Some("an error without words")),
        ];
        for (fields, said) in table {
            let (answer, _) = asked(&error(fields));
            assert_eq!(answer.unwrap().err().as_deref(), said, "{fields}");
        }
    }

    #[test]
    fn what_is_no_postgresql_never_passes() {
        for says in [
            b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"R\0\0\0\0",
            b"R\xff\xff\xff\xff",
            &message(b'S', b"a\0b\0").repeat(2000),
        ] {
            let (answer, _) = asked(says);
            assert!(!matches!(answer, Ok(Ok(()))), "{says:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(says in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = asked(&says);
        }
    }
}
