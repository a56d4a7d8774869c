//! A reader with limited patience: a server that stalls must not hold the
//! install lock for ever.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Bytes that are read at once.
const PART: usize = 64 << 10;
/// Parts that are read ahead.
const AHEAD: usize = 4;

type Part = io::Result<Vec<u8>>;

/// Reads from something that may stall; after `limit` without a byte reading
/// fails.
pub(super) struct Patience {
    parts: Receiver<Part>,
    part: Vec<u8>,
    taken: usize,
    limit: Duration,
}

impl Patience {
    /// Reads `inner` in a thread of its own, which ends with it, or when nobody
    /// takes what it read.
    pub(super) fn new(mut inner: impl Read + Send + 'static, limit: Duration) -> io::Result<Self> {
        let (to_reader, parts) = sync_channel::<Part>(AHEAD);
        let read = move || loop {
            let mut part = vec![0; PART];
            let answer = inner.read(&mut part).map(|length| {
                part.truncate(length);
                part
            });
            let last = !matches!(&answer, Ok(part) if !part.is_empty());
            if to_reader.send(answer).is_err() || last {
                return;
            }
        };
        std::thread::Builder::new()
            .name("network".into())
            .spawn(read)?;
        Ok(Patience {
            parts,
            part: Vec::new(),
            taken: 0,
            limit,
        })
    }
}

impl Read for Patience {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.part.len() {
            self.part = match self.parts.recv_timeout(self.limit) {
                Ok(part) => part?,
                // The end was given before; it stays the end.
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => {
                    let words = format!("not a byte for {} s", self.limit.as_secs());
                    return Err(io::Error::new(ErrorKind::TimedOut, words));
                }
            };
            self.taken = 0;
        }
        let left = self.part.get(self.taken..).unwrap_or_default();
        let length = left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(left) {
            *to = *from;
        }
        self.taken = self.taken.saturating_add(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_through_in_order() {
        let bytes: Vec<u8> = (0..300_000u32)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let inner = io::Cursor::new(bytes.clone());
        let mut patience = Patience::new(inner, Duration::from_secs(60)).unwrap();
        let mut back = Vec::new();
        patience.read_to_end(&mut back).unwrap();
        assert!(back == bytes);
        assert_eq!(patience.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn who_says_nothing_for_too_long_is_given_up() {
        let (silent, _kept_open) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut patience = Patience::new(silent, Duration::from_millis(1)).unwrap();
        let error = patience.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
