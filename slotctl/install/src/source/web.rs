//! A web server: parts of a file over several connections, taken up where they
//! broke off; or, from a server that gives no parts, a stream.

mod address;
mod answer;
pub(super) mod client;
mod dial;
mod fetch;
mod incoming;
mod proxy;
mod rate;
mod silence;
pub(super) mod tries;

use super::stream::Stream;
use super::{Origin, Settings, Trouble};
use client::{Body, Client, Failure};
use controller::code::Code;
use controller::error::{Error, Result};
use fetch::{Fetch, check_threads, gave_up};
use images::header::{HEADER_LEN, Header};
use images::read::ReadError;
use incoming::{Given, Incoming};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use tries::{Patience, Tries};

/// What the first request asks for: the head of most images, so that one round
/// trip shows what it is. What it has of the payload is not asked for again.
const FIRST: u64 = 256 << 10;
/// Below this rate several connections would only stall each other.
const SLOW: u64 = 1 << 20;

/// A file of which the server gives parts.
pub(super) struct Ranges {
    client: Arc<Client>,
    /// Connections at once, where it is not the usual number.
    lanes: Option<usize>,
    /// How long it is, as the server says.
    total: Option<u64>,
    /// Its first bytes, until something behind them was read.
    beginning: Vec<u8>,
    pub(super) fetch: Option<Fetch>,
    pub(super) bridged: u64,
}

/// Whether a name is an address on the web.
pub fn is_address(name: &str) -> bool {
    let begins = |scheme: &str| {
        name.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://")
}

/// Asks a server for a file, of which it gives parts, or a stream.
pub(super) fn open(
    address: &str,
    settings: &Settings,
    patience: Patience,
) -> Result<(Arc<Client>, Origin)> {
    check_threads()?;
    let client = Arc::new(Client::new(address, settings, patience)?);
    let slow = settings.limit_rate.is_some_and(|rate| rate < SLOW);
    let mut ranges = Ranges {
        client: Arc::clone(&client),
        lanes: slow.then_some(1),
        total: None,
        beginning: Vec::new(),
        fetch: None,
        bridged: 0,
    };
    let origin = match patiently(&client, |tries| ranges.begin(tries))? {
        Some(whole) => Origin::Stream(Stream::new(whole)),
        None => Origin::Ranges(Box::new(ranges)),
    };
    Ok((client, origin))
}

/// Tries until it is done or given up.
fn patiently<T>(
    client: &Client,
    mut attempt: impl FnMut(&mut Tries) -> Result<T, Failure>,
) -> Result<T> {
    let mut tries = Tries::new(client.patience);
    loop {
        let again = match attempt(&mut tries) {
            Ok(done) => return Ok(done),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(again)) => again,
        };
        let Some(wait) = tries.fail(&again, client.answered()) else {
            return Err(gave_up(client, &again.reason, tries.failed()));
        };
        client.say(format_args!("{}; {wait}", again.reason));
        std::thread::sleep(wait.pause);
    }
}

impl Ranges {
    /// The first request, until it is through; the whole file, where the server gives
    /// no part of it.
    fn begin(&mut self, tries: &mut Tries) -> Result<Option<Body>, Failure> {
        while let Some(missing) = self.missing() {
            let (identity, given) = incoming::ask(&self.client, &missing)?;
            self.total = self.total.or(identity.total);
            match given {
                Given::Part(part) => self.read_first(part, tries)?,
                Given::Whole(whole) => return Ok(Some(whole.body)),
                Given::Nothing => {
                    self.total = Some(missing.start);
                    break;
                }
            }
        }
        Ok(None)
    }

    /// What the first request asks for. How long the file is its own header says.
    fn missing(&self) -> Option<Range<u64>> {
        let here = self.beginning.len() as u64;
        let end = match self.beginning.get(..HEADER_LEN).map(Header::parse) {
            Some(Ok(header)) => header.file_length(),
            Some(Err(_)) => here,
            None => FIRST,
        };
        Some(here..end.min(FIRST)).filter(|missing| !missing.is_empty())
    }

    fn read_first(&mut self, mut part: Incoming, tries: &mut Tries) -> Result<(), Failure> {
        let mut bytes = [0; 16 << 10];
        let before = self.beginning.len();
        let read = loop {
            match part.read(&mut bytes) {
                Ok(0) => break Ok(()),
                Ok(read) => self.beginning.extend(bytes.iter().take(read)),
                Err(failure) => break Err(failure),
            }
        };
        let came = self.beginning.len().saturating_sub(before) as u64;
        if self.missing().is_none() || rate::suffices(came, part.waited()) {
            tries.progress();
        } else if read.is_ok() {
            return Err(part.trickles(came));
        }
        if read.is_ok() {
            part.finish();
        }
        read
    }

    pub(super) fn head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        let first = self.beginning.get(..HEADER_LEN).unwrap_or(&self.beginning);
        let header = Header::parse(first).map_err(ReadError::from)?;
        self.end(&header)?;
        let mut rest = vec![0; header.rest_length()];
        let start = HEADER_LEN as u64;
        let range = start..header.payload_offset();
        self.want(&[range])?;
        self.read_at(start, &mut rest)?;
        Ok((header, rest))
    }

    /// Whether the file ends where its header says. What the server says about
    /// that may be wrong, or nothing: then its last byte is asked for, and one more.
    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        let expected = header.file_length();
        if self.total == Some(expected) {
            return Ok(());
        }
        let client = &self.client;
        let last = expected.saturating_sub(1);
        let end = expected.saturating_add(1);
        let found = patiently(client, |_| {
            let (identity, given) = incoming::ask(client, &(last..end))?;
            let mut part = match given {
                Given::Part(part) => part,
                Given::Whole(_) => return Ok(expected),
                Given::Nothing => {
                    let said = identity.total.or(self.total);
                    let said = said.filter(|said| *said < expected);
                    return said.ok_or_else(|| {
                        // It ends before its last byte, and nobody says where.
                        let name = &client.name;
                        let found = format!("{name}: truncated: the server has no byte {last}");
                        let error = Error::new(Code::Truncated, found);
                        Failure::Final(error.expected("its header says that it is the last one"))
                    });
                }
            };
            part.read(&mut [0])?;
            match part.read(&mut [0]) {
                Ok(1..) => Ok(end),
                Ok(0) => {
                    part.finish();
                    Ok(expected)
                }
                Err(_) => Ok(expected),
            }
        })?;
        if found != expected {
            return Err(Trouble::Length { found, expected });
        }
        self.total = Some(expected);
        Ok(())
    }

    pub(super) fn want(&mut self, ranges: &[Range<u64>]) -> Result<()> {
        // What was announced before is not wanted any more.
        self.fetch = None;
        let (segments, bridged) = fetch::segments(ranges, self.beginning.len() as u64);
        self.bridged = self.bridged.saturating_add(bridged);
        if !segments.is_empty() {
            self.fetch = Some(Fetch::new(&self.client, segments, self.lanes)?);
        }
        Ok(())
    }

    pub(super) fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Trouble> {
        let offset = usize::try_from(at).unwrap_or(usize::MAX);
        let mut here = self.beginning.get(offset..).unwrap_or_default();
        let length = here.read(buffer)?;
        let later = buffer.get_mut(length..).unwrap_or_default();
        if later.is_empty() {
            return Ok(());
        }
        // Nothing before this is read again.
        self.beginning = Vec::new();
        let at = at.saturating_add(length as u64);
        match &mut self.fetch {
            Some(fetch) => Ok(fetch.read(at, later)?),
            None => Err(Error::new(Code::Internal, "nothing was announced").into()),
        }
    }
}
