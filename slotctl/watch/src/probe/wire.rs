//! A connection that is given up when its time is over.

use super::{Trouble, plain, too_slow};
use config::Place;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A limit of zero is an error of its own, or none at all.
const LEAST: Duration = Duration::from_millis(1);

/// The connection, for as long as its time is not over.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    limit: Duration,
    until: Instant,
    whom: String,
}

#[derive(Debug)]
enum Stream {
    Port(TcpStream),
    Socket(UnixStream),
}

impl Wire {
    /// Connects, and has so long for all that is said.
    pub(super) fn connect(place: &Place, limit: Duration) -> Result<Wire, Trouble> {
        let until = Instant::now() + limit;
        let (stream, whom) = match place {
            Place::Port(address) => (port(address, until), address.clone()),
            // Nobody waits there, but at one who has not accepted hundreds for long.
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).map(Stream::Socket);
                (stream.map(Some), path.display().to_string())
            }
        };
        let stream = match stream {
            Ok(Some(stream)) => stream,
            Ok(None) => return Err(Trouble::Unknown(format!("no address ({whom})"))),
            Err(error) => return Err(trouble(&error, limit, &whom)),
        };
        Ok(Wire {
            stream,
            limit,
            until,
            whom,
        })
    }

    /// What an error on the way means, and whom it is about.
    pub(super) fn trouble(&self, error: &io::Error) -> Trouble {
        trouble(error, self.limit, &self.whom)
    }

    /// Words, with whom they are from.
    pub(super) fn quote(&self, words: &str) -> String {
        format!("{words} ({})", self.whom)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left.max(LEAST))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Port(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
            Stream::Socket(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Port(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(buffer)
            }
            Stream::Socket(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(buffer)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `None` where the name has no address.
fn port(address: &str, until: Instant) -> io::Result<Option<Stream>> {
    let Ok(candidates) = address.to_socket_addrs() else {
        return Ok(None);
    };
    let mut failure = None;
    for candidate in candidates {
        let left = until.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(&candidate, left.max(LEAST)) {
            Ok(stream) => return Ok(Some(Stream::Port(stream))),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// What this machine has not got says nothing of production.
fn trouble(error: &io::Error, limit: Duration, whom: &str) -> Trouble {
    let words = format!("{} ({whom})", plain(error));
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::Fails(too_slow(limit, whom)),
        ErrorKind::UnexpectedEof => Trouble::Fails(format!("it hung up ({whom})")),
        ErrorKind::OutOfMemory | ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
            Trouble::Unknown(words)
        }
        _ if has_nothing_left(error) => Trouble::Unknown(words),
        _ => Trouble::Fails(words),
    }
}

/// No descriptors and no buffers; they have no kind of their own.
fn has_nothing_left(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS};
    let number = error.raw_os_error();
    number.is_some_and(|number| [EMFILE, ENFILE, ENOBUFS].contains(&number))
}
