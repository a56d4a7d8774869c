//! Where an image comes from: a file, a pipe, or a web server. What is not
//! wanted of it is not fetched, where that can be told.

mod file;
mod stream;
mod web;

use controller::code::Code;
use controller::error::{Error, Result};
use controller::progress::{Progress, Quiet};
use file::Plain;
use images::header::Header;
use images::read::{self, ReadError};
use images::{Part, Refused};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;
use stream::Stream;
use web::Ranges;
use web::client::Client;
pub use web::is_address;
pub use web::tries::Patience;

/// What a person may set about sources.
#[derive(Clone)]
pub struct Settings {
    /// How many bytes may come over the network in a second.
    pub limit_rate: Option<u64>,
    /// The authorities that a server's certificate must be from, in PEM, instead
    /// of those of the system.
    pub ca: Option<PathBuf>,
    /// Who is told what is waited for.
    pub progress: Arc<dyn Progress + Send>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limit_rate: None,
            ca: None,
            progress: Arc::new(Quiet),
        }
    }
}

/// A source of one image.
pub struct Source {
    name: String,
    origin: Origin,
    /// Who asks the server, where it comes from one.
    client: Option<Arc<Client>>,
    wanted: vec::IntoIter<Range<u64>>,
}

enum Origin {
    File(Plain),
    Stream(Stream),
    Ranges(Box<Ranges>),
}

/// Why a source did not give what it was asked for.
enum Trouble {
    /// It is an error already.
    Error(Error),
    /// What was read, or could not be read.
    Read(ReadError),
    /// The file is not as long as its own header says.
    Length {
        /// How long it is.
        found: u64,
        /// How long it should be.
        expected: u64,
    },
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Error(error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Trouble {
        Trouble::Read(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Read(error.into())
    }
}

impl Source {
    /// Opens `-` (standard input), an `http://` or `https://` address, or a file.
    pub fn open(name: &(impl AsRef<OsStr> + ?Sized), settings: &Settings) -> Result<Source> {
        Source::open_with(name, settings, Patience::default())
    }

    /// As [`Source::open`], with another patience than a person's.
    pub fn open_with(
        name: &(impl AsRef<OsStr> + ?Sized),
        settings: &Settings,
        patience: Patience,
    ) -> Result<Source> {
        let path = Path::new(name);
        // What is shown; a name that is no text is that of a file.
        let name = &*path.to_string_lossy();
        if path.to_str().is_some_and(web::is_address) {
            let opened = web::open(name, settings, patience);
            let (client, origin) = opened.map_err(|error| error.changed("nothing was written"))?;
            let name = client.name.clone();
            return Ok(Source::of(&name, origin, Some(client)));
        }
        if name == "-" {
            let stream = Stream::new(io::stdin());
            return Ok(Source::of("standard input", Origin::Stream(stream), None));
        }
        let failed = |error| Error::io(format_args!("opening {name}"), &error);
        let file = File::open(path).map_err(failed)?;
        let kind = file.metadata().map_err(failed)?.file_type();
        if kind.is_dir() {
            let found = format!("{name} is a folder");
            return Err(Error::new(Code::NotAFile, found).expected("expected an image"));
        }
        // What a shell makes of `<(curl …)` has a path and is a pipe.
        let origin = if kind.is_file() {
            Origin::File(Plain::new(file))
        } else {
            Origin::Stream(Stream::new(file))
        };
        Ok(Source::of(name, origin, None))
    }

    fn of(name: &str, origin: Origin, client: Option<Arc<Client>>) -> Source {
        Source {
            name: name.into(),
            origin,
            client,
            wanted: Vec::new().into_iter(),
        }
    }

    /// What a person calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something about this source that a person should know.
    pub fn notice(&self) -> Option<String> {
        let words = "the server gives no parts of a file: all of it is fetched, from front to back, and a connection that is lost cannot be taken up again";
        (self.is_remote() && !self.seeks()).then(|| format!("{}: {words}", self.name))
    }

    /// The header, and the bytes between it and the payload.
    pub fn head(&mut self) -> Result<(Header, Vec<u8>)> {
        let head = match &mut self.origin {
            Origin::File(file) => file.head(),
            Origin::Stream(stream) => read::head(stream).map_err(Trouble::from),
            Origin::Ranges(ranges) => ranges.head(),
        };
        head.map_err(|trouble| match (&trouble, &self.client) {
            (Trouble::Read(ReadError::Refused(Refused::NotAnImage)), Some(client)) => {
                let packed = client.coding().map(|coding| {
                    client.error(format_args!("the server sends the file as {coding}"))
                });
                packed.unwrap_or_else(|| self.error(trouble))
            }
            _ => self.error(trouble),
        })
    }

    /// Announces which byte ranges of the file will be filled from now on:
    /// ascending, not overlapping, in that order.
    pub fn want(&mut self, ranges: Vec<Range<u64>>) -> Result<()> {
        let mut end = match &self.origin {
            Origin::Stream(stream) => stream.position,
            Origin::File(_) | Origin::Ranges(_) => 0,
        };
        for range in &ranges {
            if range.start < end || range.end < range.start {
                let found = format!("bytes {range:?} were asked for after byte {end}");
                return Err(Error::new(Code::Internal, found));
            }
            end = range.end;
        }
        if let Origin::Ranges(origin) = &mut self.origin {
            origin.want(&ranges)?;
        }
        self.wanted = ranges.into_iter();
        Ok(())
    }

    /// Fills a buffer with the next wanted range, which is one part of the image
    /// and as long as the buffer.
    pub fn fill(&mut self, buffer: &mut [u8], part: Part) -> Result<()> {
        let length = buffer.len() as u64;
        let next = self.wanted.next();
        let Some(range) = next.filter(|range| range.end.checked_sub(range.start) == Some(length))
        else {
            let found = format!("{part} is not what was announced");
            return Err(Error::new(Code::Internal, found));
        };
        let filled = match &mut self.origin {
            Origin::File(file) => file.read_at(range.start, buffer, part),
            Origin::Stream(stream) => stream.read_at(range.start, buffer, part),
            Origin::Ranges(ranges) => ranges.read_at(range.start, buffer),
        };
        filled.map_err(|trouble| self.error(trouble))
    }

    /// After the last wanted range: makes sure that the file ends where the image
    /// does.
    pub fn end(&mut self, header: &Header) -> Result<()> {
        let ended = match &mut self.origin {
            Origin::File(file) => file.end(header),
            Origin::Ranges(ranges) => ranges.end(header),
            Origin::Stream(stream) => match stream.end(header) {
                // The image is here; how the server ends its answer is its own affair.
                Err(Trouble::Read(ReadError::Io(_)))
                    if self.client.is_some() && stream.position == header.file_length() =>
                {
                    Ok(())
                }
                ended => ended,
            },
        };
        ended.map_err(|trouble| self.error(trouble))
    }

    /// Whether it comes over a line that may be thin.
    pub fn is_remote(&self) -> bool {
        self.client.is_some()
    }

    /// Whether it can give single ranges, or only everything from front to back.
    pub fn seeks(&self) -> bool {
        !matches!(self.origin, Origin::Stream(_))
    }

    /// How many bytes were read from the file or came over the network so far.
    pub fn fetched(&self) -> u64 {
        match (&self.client, &self.origin) {
            (Some(client), _) => client.fetched(),
            (None, Origin::File(file)) => file.fetched,
            (None, Origin::Stream(stream)) => stream.position,
            (None, Origin::Ranges(_)) => 0,
        }
    }

    /// How many bytes that nobody wanted were announced to be fetched, because a
    /// small gap is cheaper than another request.
    pub fn bridged(&self) -> u64 {
        match &self.origin {
            Origin::Ranges(ranges) => ranges.bridged,
            Origin::File(_) | Origin::Stream(_) => 0,
        }
    }

    fn error(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Error(error) => error,
            Trouble::Read(error) => self.failed(error),
            Trouble::Length { found, expected } if found > expected => {
                self.failed(Refused::TrailingBytes { end: expected }.into())
            }
            Trouble::Length { found, expected } => {
                let words = format!("truncated: the file ends after {found} bytes");
                if let Some(client) = self.client.as_ref().filter(|_| !self.seeks()) {
                    return client.lost(&words);
                }
                Error::new(Code::Truncated, format!("{}: {words}", self.name))
                    .expected(format!("its header says {expected}"))
            }
        }
    }

    /// The error of this source, or of what came from it.
    pub fn failed(&self, error: ReadError) -> Error {
        let cut_short = matches!(error, ReadError::Refused(Refused::Truncated { .. }));
        // Only a stream from a server can end without anybody knowing that it did.
        if let Some(client) = &self.client
            && (matches!(error, ReadError::Io(_)) || cut_short && !self.seeks())
        {
            return client.lost(&error);
        }
        match error {
            ReadError::Io(error) => Error::io(format_args!("reading {}", self.name), &error),
            ReadError::Spool(ref spool) => Error::io(&error, &spool.source),
            ReadError::Refused(refused) => {
                let error = Error::from(refused);
                self.changed(&error).unwrap_or_else(|| Error {
                    found: format!("{}: {}", self.name, error.found),
                    ..error
                })
            }
        }
    }

    /// The error of a piece that is not the image's: where a server gave answers
    /// that do not seem to be of one file, that is what is said.
    pub fn blamed(&self, error: Error) -> Error {
        match error.code {
            Code::NotIntact => self.changed(&error).unwrap_or(error),
            _ => error,
        }
    }

    fn changed(&self, error: &Error) -> Option<Error> {
        self.client.as_ref()?.changed(error)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // First those that would connect again.
        if let Origin::Ranges(ranges) = &mut self.origin {
            ranges.fetch = None;
        }
        if let Some(client) = &self.client {
            client.close();
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
