//! A part of the file: what is asked for, and what of the answer is that.
//!
//! What a server says about the file decides nothing, since every chunk is
//! checked; it only tells which bytes an answer seems to hold.

use super::answer::{self, Identity};
use super::client::{Again, Answer, Body, Client, Failure, is_slow};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What is thrown away at once.
const SKIPPED: usize = 16 << 10;
/// How much earlier than asked for an answer may begin, as one does that gives
/// whole blocks.
const EARLIER: u64 = 1 << 20;

/// What a server gave.
pub(super) enum Given {
    /// What was asked for, or the beginning of it; more than nothing.
    Part(Incoming),
    /// The whole file, from front to back.
    Whole(Incoming),
    /// There is no such byte.
    Nothing,
}

/// Bytes of the file that are on their way, one after another.
pub(super) struct Incoming {
    /// What comes, whatever was said about it.
    pub(super) body: Body,
    /// Where in the file the next one lies.
    pub(super) at: u64,
    /// Where they end, if that is known.
    end: Option<u64>,
    /// Whether the answer ends there, too.
    exact: bool,
}

/// Asks for a range.
pub(super) fn ask(client: &Arc<Client>, range: &Range<u64>) -> Result<(Identity, Given), Failure> {
    let (identity, given) = read(client.get(range)?, range)?;
    client.note(&identity);
    Ok((identity, given))
}

fn read(answer: Answer, range: &Range<u64>) -> Result<(Identity, Given), Failure> {
    let Answer {
        status,
        headers,
        body,
    } = answer;
    let said = answer::content_range(&headers);
    let length = answer::content_length(&headers);
    let total = said.as_ref().and_then(|said| said.total);
    let bytes = said.and_then(|said| said.bytes);
    if status == 416 && total.map_or(range.start > 0, |total| total <= range.start) {
        return Ok((Identity::new(&headers, total), Given::Nothing));
    }
    let long = |bytes: &Range<u64>| bytes.end.saturating_sub(bytes.start);
    let held = bytes.as_ref().map(long);
    let is_part = status == 206 || held.is_some() && (length.is_none() || length == held);
    let all = bytes.as_ref().is_some_and(|bytes| {
        bytes.start == 0
            && Some(bytes.end) == total
            && bytes.end > range.start
            && (range.start > 0 || status != 206)
    });
    if status != 416 && (!is_part || all) {
        let total = total.or(length.filter(|_| !is_part));
        let whole = Incoming {
            body,
            at: 0,
            end: None,
            exact: false,
        };
        return Ok((Identity::new(&headers, total), Given::Whole(whole)));
    }
    // One that does not say which bytes they are gives those that it was asked for.
    let asked = long(range);
    let most = length.unwrap_or(asked).min(asked);
    let as_asked = || range.start..range.start.saturating_add(most);
    let bytes = bytes.or_else(|| (!answer::is_multipart(&headers)).then(as_asked));
    match bytes {
        Some(bytes)
            if status != 416
                && bytes.contains(&range.start)
                && range.start.saturating_sub(bytes.start) <= EARLIER =>
        {
            let held = Some(long(&bytes));
            let mut part = Incoming {
                body,
                at: bytes.start,
                end: Some(bytes.end),
                exact: length == held || length.is_none() && answer::is_chunked(&headers),
            };
            part.skip_to(range.start)?;
            Ok((Identity::new(&headers, total), Given::Part(part)))
        }
        _ => {
            let asked = format!("{}-{}", range.start, range.end.saturating_sub(1));
            let said = headers.get("content-range");
            let said = said.and_then(|value| value.to_str().ok());
            let said = said.unwrap_or("none that it names");
            let reason =
                format!("asked for bytes {asked}, the server answers {status} with {said}");
            Err(Failure::again(reason))
        }
    }
}

impl Incoming {
    /// The next bytes; none only if all came.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let left = self.end.map(|end| end.saturating_sub(self.at));
        let most = left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let room = buffer.len().min(most);
        let room = buffer.get_mut(..room).unwrap_or_default();
        if room.is_empty() {
            return Ok(0);
        }
        let lost = |reason: String| format!("the connection was lost: {reason}");
        match self.body.read(room) {
            Ok(0) => Err(Failure::again(lost(match left {
                Some(left) => format!("{left} bytes are missing"),
                None => format!("the file ends after {} bytes", self.at),
            }))),
            Ok(read) => {
                self.at = self.at.saturating_add(read as u64);
                Ok(read)
            }
            Err(error) => Err(Failure::Again(Again {
                reason: lost(error.to_string()),
                slow: is_slow(&error),
                // Fewer connections may do better.
                crowded: is_slow(&error),
                after: None,
            })),
        }
    }

    /// Throws away what comes before `at`.
    pub(super) fn skip_to(&mut self, at: u64) -> Result<(), Failure> {
        let mut rest = [0; SKIPPED];
        while let Some(left) = at.checked_sub(self.at).filter(|left| *left > 0) {
            let length = usize::try_from(left).unwrap_or(SKIPPED).min(SKIPPED);
            self.read(rest.get_mut(..length).unwrap_or_default())?;
        }
        Ok(())
    }

    /// How long it was waited for, from the question on.
    pub(super) fn waited(&self) -> Duration {
        self.body.waited
    }

    /// What is wrong with an answer that brings so little at a time.
    pub(super) fn trickles(&self, came: u64) -> Failure {
        let waited = controller::duration::spell(self.waited());
        Failure::Again(Again {
            reason: format!("after {waited} the server gave {came} bytes"),
            slow: true,
            crowded: true,
            after: None,
        })
    }

    /// After the last byte that is wanted: gives the connection back, if nothing
    /// else comes over it.
    pub(super) fn finish(self) {
        if self.exact && self.end == Some(self.at) {
            self.body.finish();
        }
    }
}
