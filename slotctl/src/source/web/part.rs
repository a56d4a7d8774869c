//! A part of the file: what is asked for, and whether the answer is that.

use super::answer::{self, Identity};
use super::client::{Answer, Body, Client, Failure};
use crate::error::{Error, Exit};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// What a server gave.
pub(super) enum Given {
    /// The first so many bytes of what was asked for; more than none.
    Part(Part),
    /// The whole file, from front to back.
    Whole(Body),
    /// There is no such byte.
    Nothing,
}

/// Bytes that are still on their way.
pub(super) struct Part {
    body: Body,
    left: u64,
}

/// Asks for a range. `known` is what the file was before.
pub(super) fn ask(
    client: &Arc<Client>,
    range: &Range<u64>,
    known: Option<&Identity>,
) -> Result<(Identity, Given), Failure> {
    let answer = client.get(range, known.and_then(Identity::if_range))?;
    if let Some(coding) = answer::encoding(&answer.headers) {
        let error = client.error(format_args!("the server sends the file as {coding}"));
        return Err(Failure::Final(error));
    }
    let (identity, given) = read(answer, range)?;
    if let Some(why) = known.and_then(|known| known.differs(&identity)) {
        return Err(Failure::Final(changed(client, &why)));
    }
    match (&given, known) {
        (Given::Whole(_), Some(_)) => Err(Failure::again("the server gave the whole file again")),
        (Given::Nothing, Some(_)) => Err(Failure::again("the server has nothing there")),
        _ => Ok((identity, given)),
    }
}

fn read(answer: Answer, range: &Range<u64>) -> Result<(Identity, Given), Failure> {
    let Answer {
        status,
        headers,
        body,
    } = answer;
    if status == 200 {
        let identity = Identity::new(&headers, answer::content_length(&headers));
        return Ok((identity, Given::Whole(body)));
    }
    let said = answer::content_range(&headers);
    let total = said.as_ref().and_then(|said| said.total);
    let identity = Identity::new(&headers, total);
    match said.and_then(|said| said.bytes) {
        Some(bytes) if status == 206 && bytes.start == range.start && bytes.end <= range.end => {
            let left = bytes.end.saturating_sub(bytes.start);
            Ok((identity, Given::Part(Part { body, left })))
        }
        // Only an answer that says how long the file is says that it ends before.
        None if status == 416 && total.is_some_and(|total| total <= range.start) => {
            Ok((identity, Given::Nothing))
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

fn changed(client: &Client, why: &str) -> Error {
    let found = format!("{} changed while it was read: {why}", client.name());
    Error::new(Exit::Refused, "changed-underneath", found)
        .advice("run the same command again; nothing was lost")
}

impl Part {
    /// The next bytes; none only if all came.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let room = buffer.get_mut(..room).unwrap_or_default();
        if room.is_empty() {
            return Ok(0);
        }
        let lost = |reason: String| Failure::again(format!("the connection was lost: {reason}"));
        match self.body.read(room) {
            Ok(0) => Err(lost(format!("{} bytes are missing", self.left))),
            Ok(read) => {
                self.left = self.left.saturating_sub(read as u64);
                Ok(read)
            }
            Err(error) => Err(lost(error.to_string())),
        }
    }

    /// After the last byte.
    pub(super) fn finish(self) {
        if self.left == 0 {
            self.body.finish();
        }
    }
}
