//! Where an image comes from: a file, a pipe, or a web server. It is read once,
//! from front to back.

mod patience;

use crate::error::{Error, Exit, Result};
use images::header::Header;
use images::read::{self, ReadError};
use images::{Part, Refused};
use patience::Patience;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A source of one image.
pub struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
    network: bool,
    at: u64,
    wanted: std::collections::VecDeque<std::ops::Range<u64>>,
}

/// How images are fetched.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// At most so many bytes a second.
    pub limit_rate: Option<u64>,
    /// The certificates to trust instead of the system's, in PEM.
    pub ca: Option<std::path::PathBuf>,
}

impl Source {
    /// Opens `-` (standard input), an `http://` address, or a file.
    ///
    /// # Errors
    /// What cannot be opened, reached, or is no file.
    pub fn open(name: &str, _: &Settings) -> Result<Source> {
        if name == "-" {
            let reader = Box::new(std::io::stdin());
            return Ok(Source {
                name: "standard input".into(),
                reader,
                network: false, at: 0, wanted: Default::default(),
            });
        }
        if name.starts_with("http://") || name.starts_with("https://") {
            return Source::fetch(name);
        }
        let failed = |error| Error::io(format_args!("opening {name}"), &error);
        let file = File::open(Path::new(name)).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            let found = format!("{name} is a folder");
            return Err(Error::new(Exit::Usage, "not-a-file", found).expected("expected an image"));
        }
        Ok(Source {
            name: name.into(),
            reader: Box::new(file),
            network: false, at: 0, wanted: Default::default(),
        })
    }

    fn fetch(address: &str) -> Result<Source> {
        if address.starts_with("https://") {
            let found = "https:// is not built into this slotctl";
            return Err(Error::new(Exit::Network, "no-tls", found)
                .advice("fetch it with curl and pipe it in: `curl … | slotctl install -`"));
        }
        let failed = |error: String| {
            let found = format!("{address}: {error}");
            Error::new(Exit::Network, "network", found).changed("nothing was written")
        };
        let request = ureq::get(address).config().timeout_connect(Some(PATIENCE));
        let answer = request
            .timeout_recv_response(Some(PATIENCE))
            .build()
            .call()
            .map_err(|error| failed(error.to_string()))?;
        let reader = Patience::new(answer.into_body().into_reader(), PATIENCE)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Source {
            name: address.into(),
            reader: Box::new(reader),
            network: true, at: 0, wanted: Default::default(),
        })
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header, and the bytes between it and the payload.
    ///
    /// # Errors
    /// The source's; what is no image.
    pub fn head(&mut self) -> Result<(Header, Vec<u8>)> {
        let head = read::head(&mut self.reader).map_err(|error| self.failed(error))?;
        self.at = head.0.payload_offset();
        Ok(head)
    }

    /// want
    pub fn want(&mut self, ranges: Vec<std::ops::Range<u64>>) -> Result<()> {
        self.wanted = ranges.into();
        Ok(())
    }
    /// seeks
    pub fn seeks(&self) -> bool { false }
    /// remote
    pub fn is_remote(&self) -> bool { self.network }
    /// fetched
    pub fn fetched(&self) -> u64 { self.at }
    fn skip(&mut self, to: u64, part: Part) -> Result<()> {
        let mut left = to.saturating_sub(self.at);
        let mut buf = vec![0; 1 << 20];
        while left > 0 {
            let n = usize::try_from(left.min(1 << 20)).unwrap_or(0);
            read::whole(&mut self.reader, buf.get_mut(..n).unwrap_or_default(), part).map_err(|error| self.failed(error))?;
            left -= u64::try_from(n).unwrap_or(0);
        }
        Ok(())
    }

    /// Fills a buffer, which is one part of the image.
    ///
    /// # Errors
    /// The source's; an image that ends before.
    pub fn fill(&mut self, buffer: &mut [u8], part: Part) -> Result<()> {
        let range = self.wanted.pop_front().unwrap_or_default();
        self.skip(range.start, part)?;
        self.at = range.end;
        read::whole(&mut self.reader, buffer, part).map_err(|error| self.failed(error))
    }

    /// Makes sure that nothing follows the image.
    ///
    /// # Errors
    /// The source's; trailing bytes.
    pub fn end(&mut self, header: &Header) -> Result<()> {
        self.skip(header.file_length(), Part::Header)?;
        read::end(&mut self.reader, header).map_err(|error| self.failed(error))
    }

    /// The error of this source, or of what came from it.
    #[must_use]
    pub fn failed(&self, error: ReadError) -> Error {
        let cut_short = matches!(error, ReadError::Refused(Refused::Truncated { .. }));
        if self.network && (cut_short || matches!(error, ReadError::Io(_))) {
            let found = format!("{}: the connection was lost: {error}", self.name);
            return Error::new(Exit::Network, "network", found)
                .advice("run the same command again");
        }
        match error {
            ReadError::Io(error) => Error::io(format_args!("reading {}", self.name), &error),
            ReadError::Refused(refused) => {
                let mut error = Error::from(refused);
                error.found = format!("{}: {}", self.name, error.found);
                error
            }
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
