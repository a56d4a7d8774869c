//! A web server: parts of a file over several connections, taken up where they
//! broke off; or, from a server that gives no parts, a stream.

mod address;
mod answer;
mod client;
mod fetch;
mod part;
mod plan;
mod proxy;
mod rate;
mod roots;
pub(super) mod tries;

use super::stream::Stream;
use super::{Settings, Trouble};
use crate::error::{Error, Result};
use answer::Identity;
use client::{Client, Failure};
use fetch::{Fetch, gave_up};
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
    known: Identity,
    total: u64,
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
        let client = Arc::new(Client::new(address, settings, patience)?);
        let slow = settings.limit_rate.is_some_and(|rate| rate < SLOW);
        let mut first = First {
            client: &client,
            lead: Vec::new(),
            known: None,
            tries: Tries::new(patience),
        };
        let way = loop {
            match first.attempt() {
                Ok(way) => break way,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(again)) => {
                    match first.tries.fail(again.after, client.answered()) {
                        Some(pause) => std::thread::sleep(pause),
                        None => {
                            let failed = first.tries.failed();
                            return Err(gave_up(&client, &again.reason, failed));
                        }
                    }
                }
            }
        };
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
        let ranges = match &mut self.way {
            Way::Stream(stream) => return stream.head(),
            Way::Ranges(ranges) => ranges,
        };
        let first = ranges.lead.get(..HEADER_LEN).unwrap_or(&ranges.lead);
        let header = Header::parse(first).map_err(ReadError::from)?;
        ranges.has_length(&header)?;
        let mut rest = vec![0; header.rest_length()];
        let start = HEADER_LEN as u64;
        let range = start..header.payload_offset();
        ranges.want(&self.client, &[range], self.lanes)?;
        ranges.read(start, &mut rest, Part::Head)?;
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
            Way::Ranges(ranges) => ranges.read(at, buffer, part),
        }
    }

    pub(super) fn end(&mut self, header: &Header) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Stream(stream) => stream.end(header),
            Way::Ranges(ranges) => ranges.has_length(header),
        }
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

/// The first request, until it is through.
struct First<'a> {
    client: &'a Arc<Client>,
    lead: Vec<u8>,
    known: Option<Identity>,
    tries: Tries,
}

impl First<'_> {
    fn attempt(&mut self) -> Result<Way, Failure> {
        loop {
            let here = self.lead.len() as u64;
            let total = self.known.as_ref().and_then(|known| known.total);
            let end = total.unwrap_or(FIRST).min(FIRST);
            if let Some(known) = self.known.clone()
                && here >= end
            {
                return Ok(Way::Ranges(Ranges {
                    total: total.unwrap_or(0),
                    known,
                    lead: std::mem::take(&mut self.lead),
                    fetch: None,
                    bridged: 0,
                }));
            }
            let (identity, given) = part::ask(self.client, &(here..end), self.known.as_ref())?;
            if let Given::Whole(body) = given {
                return Ok(Way::Stream(Stream::new(Box::new(body))));
            }
            if identity.total.is_none() {
                let words = "the server does not say how long the file is";
                return Err(Failure::Final(self.client.error(words)));
            }
            self.known.get_or_insert(identity);
            if let Given::Part(part) = given {
                self.read(part)?;
            }
        }
    }

    fn read(&mut self, mut part: part::Part) -> Result<(), Failure> {
        let mut bytes = [0; 16 << 10];
        loop {
            let read = part.read(&mut bytes)?;
            if read == 0 {
                part.finish();
                return Ok(());
            }
            self.tries.progress();
            self.lead
                .extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
    }
}

impl Ranges {
    fn has_length(&self, header: &Header) -> Result<(), Trouble> {
        let (found, expected) = (self.total, header.file_length());
        match found == expected {
            true => Ok(()),
            false => Err(Trouble::Length { found, expected }),
        }
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
            self.fetch = Some(Fetch::new(client, &self.known, plan.segments, lanes)?);
        }
        Ok(())
    }

    fn read(&mut self, at: u64, buffer: &mut [u8], part: Part) -> Result<(), Trouble> {
        let (expected, end) = (buffer.len() as u64, at.saturating_add(buffer.len() as u64));
        if end > self.total {
            let found = self.total.saturating_sub(at);
            let truncated = Refused::Truncated {
                part,
                expected,
                found,
            };
            return Err(ReadError::from(truncated).into());
        }
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
            None => Err(Error::new(
                crate::error::Exit::Unexpected,
                "internal",
                "nothing was announced",
            )
            .into()),
        }
    }
}
