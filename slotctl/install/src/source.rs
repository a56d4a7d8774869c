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
use images::read::ReadError;
use images::{Part, Refused};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;
use stream::Stream;
use web::Web;
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

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limit_rate", &self.limit_rate)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

/// A source of one image.
pub struct Source {
    name: String,
    origin: Origin,
    wanted: vec::IntoIter<Range<u64>>,
}

enum Origin {
    File(Plain),
    Pipe(Stream),
    Web(Box<Web>),
}

/// Why a source did not give what it was asked for.
enum Trouble {
    /// The error that a person sees.
    Told(Error),
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
        Trouble::Told(error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Trouble {
        Trouble::Read(error)
    }
}

impl Source {
    /// Opens `-` (standard input), an `http://` or `https://` address, or a file.
    ///
    /// # Errors
    /// What cannot be opened, reached, or is no file.
    pub fn open(name: &(impl AsRef<OsStr> + ?Sized), settings: &Settings) -> Result<Source> {
        Source::open_with(name, settings, Patience::default())
    }

    /// As [`Source::open`], with another patience than a person's.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open_with(
        name: &(impl AsRef<OsStr> + ?Sized),
        settings: &Settings,
        patience: Patience,
    ) -> Result<Source> {
        let path = Path::new(name);
        // What is shown; a name that is no text is that of a file.
        let name = &*path.to_string_lossy();
        if path.to_str().is_some_and(web::is_address) {
            let untouched = |error: Error| error.changed("nothing was written");
            let web = Web::open(name, settings, patience).map_err(untouched)?;
            let name = web.name().to_owned();
            return Ok(Source::of(&name, Origin::Web(Box::new(web))));
        }
        if name == "-" {
            let stream = Stream::new(Box::new(std::io::stdin()));
            return Ok(Source::of("standard input", Origin::Pipe(stream)));
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
            Origin::Pipe(Stream::new(Box::new(file)))
        };
        Ok(Source::of(name, origin))
    }

    fn of(name: &str, origin: Origin) -> Source {
        Source {
            name: name.into(),
            origin,
            wanted: Vec::new().into_iter(),
        }
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something about this source that a person should know.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        match &self.origin {
            Origin::Web(web) => web.notice(),
            Origin::File(_) | Origin::Pipe(_) => None,
        }
    }

    /// The header, and the bytes between it and the payload.
    ///
    /// # Errors
    /// The source's; what is no image.
    pub fn head(&mut self) -> Result<(Header, Vec<u8>)> {
        let head = match &mut self.origin {
            Origin::File(file) => file.head(),
            Origin::Pipe(stream) => stream.head(),
            Origin::Web(web) => web.head(),
        };
        head.map_err(|trouble| self.told(trouble))
    }

    /// Announces which byte ranges of the file will be filled from now on:
    /// ascending, not overlapping, in that order.
    ///
    /// # Errors
    /// Ranges that are not so, or lie behind what was read of a stream.
    pub fn want(&mut self, ranges: Vec<Range<u64>>) -> Result<()> {
        let mut end = match &self.origin {
            Origin::File(_) => 0,
            Origin::Pipe(stream) => stream.position(),
            Origin::Web(web) => web.position(),
        };
        for range in &ranges {
            if range.start < end || range.end < range.start {
                let found = format!("bytes {range:?} were asked for after byte {end}");
                return Err(Error::new(Code::Internal, found));
            }
            end = range.end;
        }
        if let Origin::Web(web) = &mut self.origin {
            web.want(&ranges)?;
        }
        self.wanted = ranges.into_iter();
        Ok(())
    }

    /// Fills a buffer with the next wanted range, which is one part of the image
    /// and as long as the buffer.
    ///
    /// # Errors
    /// The source's; an image that ends before.
    pub fn fill(&mut self, buffer: &mut [u8], part: Part) -> Result<()> {
        let length = buffer.len() as u64;
        let next = self.wanted.next();
        let Some(range) = next.filter(|range| range.end.checked_sub(range.start) == Some(length))
        else {
            let found = format!("{part} is not what was announced");
            return Err(Error::new(Code::Internal, found));
        };
        let filled = match &mut self.origin {
            Origin::File(file) => file.read(range.start, buffer, part),
            Origin::Pipe(stream) => stream.read(range.start, buffer, part),
            Origin::Web(web) => web.read(range.start, buffer, part),
        };
        filled.map_err(|trouble| self.told(trouble))
    }

    /// After the last wanted range: makes sure that the file ends where the image
    /// does.
    ///
    /// # Errors
    /// The source's; a file that is longer or shorter.
    pub fn end(&mut self, header: &Header) -> Result<()> {
        let ended = match &mut self.origin {
            Origin::File(file) => file.end(header),
            Origin::Pipe(stream) => stream.end(header),
            Origin::Web(web) => web.end(header),
        };
        ended.map_err(|trouble| self.told(trouble))
    }

    /// Whether it comes over a line that may be thin.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.origin, Origin::Web(_))
    }

    /// Whether it can give single ranges, or only everything from front to back.
    #[must_use]
    pub fn seeks(&self) -> bool {
        match &self.origin {
            Origin::File(_) => true,
            Origin::Pipe(_) => false,
            Origin::Web(web) => web.seeks(),
        }
    }

    /// How many bytes were read from the file or came over the network so far.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        match &self.origin {
            Origin::File(file) => file.fetched(),
            Origin::Pipe(stream) => stream.position(),
            Origin::Web(web) => web.fetched(),
        }
    }

    /// How many bytes that nobody wanted were announced to be fetched, because a
    /// small gap is cheaper than another request.
    #[must_use]
    pub fn bridged(&self) -> u64 {
        match &self.origin {
            Origin::Web(web) => web.bridged(),
            Origin::File(_) | Origin::Pipe(_) => 0,
        }
    }

    fn told(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Told(error) => error,
            Trouble::Read(error) => self.failed(error),
            Trouble::Length { found, expected } if found > expected => {
                self.failed(Refused::TrailingBytes { end: expected }.into())
            }
            Trouble::Length { found, expected } => self.too_short(found, expected),
        }
    }

    fn too_short(&self, found: u64, expected: u64) -> Error {
        let words = format!("truncated: the file ends after {found} bytes");
        if let Origin::Web(web) = &self.origin
            && !web.seeks()
        {
            return web.lost(&words);
        }
        let found = format!("{}: {words}", self.name);
        Error::new(Code::Truncated, found).expected(format!("its header says {expected}"))
    }

    /// The error of this source, or of what came from it.
    #[must_use]
    pub fn failed(&self, error: ReadError) -> Error {
        let cut_short = matches!(error, ReadError::Refused(Refused::Truncated { .. }));
        // Only a stream from a server can end without anybody knowing that it did.
        if let Origin::Web(web) = &self.origin
            && (matches!(error, ReadError::Io(_)) || cut_short && !web.seeks())
        {
            return web.lost(&error);
        }
        match error {
            ReadError::Io(error) => Error::io(format_args!("reading {}", self.name), &error),
            ReadError::Spool(ref spool) => Error::io(&error, &spool.source),
            ReadError::Refused(refused) => {
                let mut error = Error::from(refused);
                if let Origin::Web(web) = &self.origin
                    && let Some(changed) = web.changed(&error)
                {
                    return changed;
                }
                error.found = format!("{}: {}", self.name, error.found);
                error
            }
        }
    }

    /// The error of a piece that is not the image's: where a server gave answers
    /// that do not seem to be of one file, that is what it is told as.
    #[must_use]
    pub fn blamed(&self, error: Error) -> Error {
        match &self.origin {
            Origin::Web(web) if error.code == Code::NotIntact => {
                web.changed(&error).unwrap_or(error)
            }
            _ => error,
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
