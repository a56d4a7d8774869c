//! A web server: parts of a file over several connections, taken up where they
//! broke off; or, from a server that gives no parts, a stream.

mod address;
mod answer;
mod client;
mod dial;
mod fetch;
mod part;
mod plan;
mod proxy;
mod rate;
mod roots;
mod silence;
pub(super) mod tries;

use super::stream::Stream;
use super::{Settings, Trouble};
use client::{Client, Failure};
use controller::code::Code;
use controller::error::{Error, Result};
use fetch::{Fetch, check_threads, gave_up};
use images::header::{HEADER_LEN, Header};
use images::read::ReadError;
use images::{Part, Refused};
use part::Given;
use plan::Plan;
use std::ops::Range;
use std::sync::Arc;
use tries::{Patience, Tries};

/// What the first request asks for: the head of most images, so that one round
/// trip shows what it is. What it has of the payload is not asked for again.
const FIRST: u64 = 256 << 10;
/// Below this rate several connections would only stall each other.
const SLOW: u64 = 1 << 20;

/// A file on a web server.
pub(super) struct Web {
    client: Arc<Client>,
    way: Way,
    lanes: Option<usize>,
}

enum Way {
    Stream(Stream),
    Ranges(Ranges),
}

/// A file of which the server gives parts.
struct Ranges {
    /// How long it is, as the server says.
    total: Option<u64>,
    /// Its beginning, until something behind it was read.
    lead: Vec<u8>,
    fetch: Option<Fetch>,
    bridged: u64,
}

/// Whether a name is an address on the web.
#[must_use]
pub fn is_address(name: &str) -> bool {
    let begins = |scheme: &str| {
        name.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://")
}

impl Web {
    pub(super) fn open(address: &str, settings: &Settings, patience: Patience) -> Result<Web> {
        check_threads()?;
        let client = Arc::new(Client::new(address, settings, patience)?);
        let slow = settings.limit_rate.is_some_and(|rate| rate < SLOW);
        let mut first = First {
            client: &client,
            lead: Vec::new(),
            total: None,
        };
        let way = patiently(&client, |tries| first.attempt(tries))?;
        Ok(Web {
            client,
            way,
            lanes: slow.then_some(1),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.client.name()
    }

    pub(super) fn notice(&self) -> Option<String> {
        let words = "the server gives no parts of a file: all of it is fetched, from front to back, and a connection that is lost cannot be taken up again";
        (!self.seeks()).then(|| format!("{}: {words}", self.name()))
    }

    pub(super) fn seeks(&self) -> bool {
        matches!(self.way, Way::Ranges(_))
    }

    pub(super) fn fetched(&self) -> u64 {
        self.client.fetched()
    }

    pub(super) fn bridged(&self) -> u64 {
        match &self.way {
            Way::Stream(_) => 0,
            Way::Ranges(ranges) => ranges.bridged,
        }
    }

    /// What comes before it cannot be read any more.
    pub(super) fn position(&self) -> u64 {
        match &self.way {
            Way::Stream(stream) => stream.position(),
            Way::Ranges(_) => 0,
        }
    }

    pub(super) fn head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        self.read_head().map_err(|trouble| {
            let not_an_image = |trouble: &Trouble| {
                matches!(
                    trouble,
                    Trouble::Read(ReadError::Refused(Refused::NotAnImage))
                )
            };
            match self.client.coding().filter(|_| not_an_image(&trouble)) {
                Some(coding) => {
                    let words = format_args!("the server sends the file as {coding}").to_string();
                    Trouble::Told(self.client.error(words))
                }
                None => trouble,
            }
        })
    }

    fn read_head(&mut self) -> Result<(Header, Vec<u8>), Trouble> {
        let ranges = match &mut self.way {
            Way::Stream(stream) => return stream.head(),
            Way::Ranges(ranges) => ranges,
        };
        let first = ranges.lead.get(..HEADER_LEN).unwrap_or(&ranges.lead);
        let header = Header::parse(first).map_err(ReadError::from)?;
        ranges.has_length(&self.client, &header)?;
        let mut rest = vec![0; header.rest_length()];
        let start = HEADER_LEN as u64;
        let range = start..header.payload_offset();
        ranges.want(&self.client, &[range], self.lanes)?;
        ranges.read(start, &mut rest)?;
        Ok((header, rest))
    }

    pub(super) fn want(&mut self, ranges: &[Range<u64>]) -> Result<()> {
        match &mut self.way {
            Way::Stream(_) => Ok(()),
            Way::Ranges(file) => file.want(&self.client, ranges, self.lanes),
        }
    }

    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8], part: Part) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Stream(stream) => stream.read(at, buffer, part),
            Way::Ranges(ranges) => ranges.read(at, buffer),
        }
    }

    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        let stream = match &mut self.way {
            Way::Stream(stream) => stream,
            Way::Ranges(ranges) => return ranges.has_length(&self.client, header),
        };
        match stream.end(header) {
            // The image is here; how the server ends its answer is its own affair.
            Err(Trouble::Read(ReadError::Io(_))) if stream.position() == header.file_length() => {
                Ok(())
            }
            ended => ended,
        }
    }

    /// What is told instead of `error`, which is one of bytes that are not the
    /// image's, if the answers do not seem to be of one file.
    pub(super) fn changed(&self, error: &Error) -> Option<Error> {
        let doubt = self.client.doubt()?;
        let what = "the file changed while it was read, or its servers hold different ones";
        let found = format!("{}: {what} ({doubt}): {}", self.name(), error.found);
        let error = Error::new(Code::ChangedUnderneath, found);
        Some(error.advice("run the same command again; nothing was lost"))
    }

    /// The error of a connection that was lost and cannot be taken up.
    pub(super) fn lost(&self, reason: &dyn std::fmt::Display) -> Error {
        let error = self
            .client
            .error(format_args!("the connection was lost: {reason}"));
        error.advice("this server gives no parts of a file, so it begins again; run the same command again: what was written is kept")
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // First those that would connect again.
        if let Way::Ranges(ranges) = &mut self.way {
            ranges.fetch = None;
        }
        self.client.close();
    }
}

/// Tries until it is done or given up.
fn patiently<T>(
    client: &Client,
    mut attempt: impl FnMut(&mut Tries) -> Result<T, Failure>,
) -> Result<T> {
    let mut tries = Tries::new(client.patience());
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

/// The first request, until it is through.
struct First<'a> {
    client: &'a Arc<Client>,
    lead: Vec<u8>,
    /// How long the file is, as the server says.
    total: Option<u64>,
}

impl First<'_> {
    fn attempt(&mut self, tries: &mut Tries) -> Result<Way, Failure> {
        while let Some(missing) = self.missing() {
            let (identity, given) = part::ask(self.client, &missing)?;
            self.total = self.total.or(identity.total);
            match given {
                Given::Part(part) => self.read(part, tries)?,
                Given::Whole(whole) => {
                    return Ok(Way::Stream(Stream::new(Box::new(whole.into_body()))));
                }
                Given::Nothing => {
                    self.total = Some(missing.start);
                    break;
                }
            }
        }
        Ok(Way::Ranges(Ranges {
            total: self.total,
            lead: std::mem::take(&mut self.lead),
            fetch: None,
            bridged: 0,
        }))
    }

    /// What is to be asked for. How long the file is its own header says.
    fn missing(&self) -> Option<Range<u64>> {
        let here = self.lead.len() as u64;
        let end = match self.lead.get(..HEADER_LEN).map(Header::parse) {
            Some(Ok(header)) => header.file_length(),
            Some(Err(_)) => here,
            None => FIRST,
        };
        Some(here..end.min(FIRST)).filter(|missing| !missing.is_empty())
    }

    fn read(&mut self, mut part: part::Part, tries: &mut Tries) -> Result<(), Failure> {
        let mut bytes = [0; 16 << 10];
        let before = self.lead.len();
        let read = loop {
            match part.read(&mut bytes) {
                Ok(0) => break Ok(()),
                Ok(read) => self
                    .lead
                    .extend_from_slice(bytes.get(..read).unwrap_or_default()),
                Err(failure) => break Err(failure),
            }
        };
        let came = self.lead.len().saturating_sub(before) as u64;
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
}

impl Ranges {
    /// Whether the file ends where its header says. What the server says about
    /// that may be wrong, or nothing: then its last byte is asked for, and one more.
    fn has_length(&mut self, client: &Arc<Client>, header: &Header) -> Result<(), Trouble> {
        let expected = header.file_length();
        if self.total == Some(expected) {
            return Ok(());
        }
        let last = expected.saturating_sub(1);
        let end = expected.saturating_add(1);
        let found = patiently(client, |_| {
            let (identity, given) = part::ask(client, &(last..end))?;
            let mut part = match given {
                Given::Part(part) => part,
                Given::Whole(_) => return Ok(expected),
                Given::Nothing => {
                    let said = identity.total.or(self.total);
                    let said = said.filter(|said| *said < expected);
                    return said.ok_or_else(|| Failure::Final(truncated(client, last)));
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

    fn want(
        &mut self,
        client: &Arc<Client>,
        ranges: &[Range<u64>],
        lanes: Option<usize>,
    ) -> Result<()> {
        // What was announced before is not wanted any more.
        self.fetch = None;
        let plan = Plan::new(ranges, self.lead.len() as u64);
        self.bridged = self.bridged.saturating_add(plan.bridged);
        if !plan.segments.is_empty() {
            self.fetch = Some(Fetch::new(client, plan.segments, lanes)?);
        }
        Ok(())
    }

    fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Trouble> {
        let offset = usize::try_from(at).unwrap_or(usize::MAX);
        let here = self.lead.get(offset..).unwrap_or_default();
        let length = here.len().min(buffer.len());
        let (now, later) = buffer.split_at_mut(length);
        for (to, from) in now.iter_mut().zip(here) {
            *to = *from;
        }
        if later.is_empty() {
            return Ok(());
        }
        // Nothing before this is read again.
        self.lead = Vec::new();
        let at = at.saturating_add(length as u64);
        match &mut self.fetch {
            Some(fetch) => Ok(fetch.read(at, later)?),
            None => Err(Error::new(Code::Internal, "nothing was announced").into()),
        }
    }
}

/// The error of a file that ends before its last byte, and nobody says where.
fn truncated(client: &Client, last: u64) -> Error {
    let found = format!(
        "{}: truncated: the server has no byte {last}",
        client.name()
    );
    Error::new(Code::Truncated, found).expected("its header says that it is the last one")
}
