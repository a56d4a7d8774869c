//! A disk in memory that does one thing wrong, at one access.

use crate::content::Content;
use crate::wrong::Wrong;
use bootshim::medium::{Access, Cause, Fault, Medium, check_range};
use nix::errno::Errno;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

/// One access. What several threads ask comes in any order, so that an access is
/// known by what it asks and how often that was asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub access: Access,
    pub offset: u64,
    pub length: usize,
    turn: usize,
}

impl Request {
    fn place(&self) -> Range<usize> {
        let start = usize::try_from(self.offset).unwrap();
        start..start + self.length
    }

    fn fault(&self, cause: Cause) -> Fault {
        Fault {
            access: self.access,
            offset: self.offset,
            length: u64::try_from(self.length).unwrap(),
            cause,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.fault(Cause::Differs).to_string();
        let (words, _) = words.split_once(" was").unwrap();
        write!(f, "{words}, time {}", self.turn + 1)
    }
}

/// The device.
pub struct Device(Mutex<State>);

struct State {
    now: Content,
    durable: Content,
    unflushed: Vec<Range<usize>>,
    asked: Vec<Request>,
    plan: Option<(Request, Wrong)>,
    dead: Range<usize>,
    gone: bool,
}

impl Device {
    /// One that holds this and does nothing wrong.
    pub fn new(content: &Content) -> Device {
        Device(Mutex::new(State {
            now: content.clone(),
            durable: content.clone(),
            unflushed: Vec::new(),
            asked: Vec::new(),
            plan: None,
            dead: 0..0,
            gone: false,
        }))
    }

    /// From here on accesses count, and this one goes wrong.
    pub fn begin(&self, plan: Option<(Request, Wrong)>) {
        let mut state = self.0.lock().unwrap();
        state.asked.clear();
        state.plan = plan;
    }

    /// What was asked since.
    pub fn asked(&self) -> Vec<Request> {
        self.0.lock().unwrap().asked.clone()
    }

    /// What it holds, and what of that survives a power cut.
    pub fn content(&self) -> [Content; 2] {
        let state = self.0.lock().unwrap();
        [state.now.clone(), state.durable.clone()]
    }

    fn access<T>(
        &self,
        access: Access,
        offset: u64,
        length: usize,
        act: impl FnOnce(&mut State, &Request, Option<Wrong>) -> Result<T, Cause>,
    ) -> Result<T, Fault> {
        check_range(access, offset, length, self.len())?;
        let mut state = self.0.lock().unwrap();
        let same = |asked: &&Request| {
            (asked.access, asked.offset, asked.length) == (access, offset, length)
        };
        let turn = state.asked.iter().filter(same).count();
        let request = Request {
            access,
            offset,
            length,
            turn,
        };
        state.asked.push(request);
        state
            .strike(&request)
            .and_then(|wrong| act(&mut state, &request, wrong))
            .map_err(|cause| request.fault(cause))
    }
}

impl State {
    /// What goes wrong with this access, where it does not fail as a whole.
    fn strike(&mut self, request: &Request) -> Result<Option<Wrong>, Cause> {
        let place = request.place();
        let errno = |errno: Errno| Err(Cause::Device(errno as i32));
        if self.gone {
            return errno(Errno::ENODEV);
        }
        if place.start < self.dead.end && self.dead.start < place.end {
            return errno(Errno::EIO);
        }
        let plan = self.plan.filter(|(planned, _)| planned == request);
        match plan.map(|(_, wrong)| wrong) {
            Some(Wrong::Fails(number)) => {
                if request.access == Access::Flush {
                    self.lose();
                }
                errno(number)
            }
            Some(Wrong::Dies) => {
                self.dead = place;
                errno(Errno::EIO)
            }
            Some(Wrong::Vanishes) => {
                self.lose();
                self.gone = true;
                errno(Errno::ENODEV)
            }
            wrong => Ok(wrong),
        }
    }

    fn lose(&mut self) {
        for place in std::mem::take(&mut self.unflushed) {
            self.now.take(place, &self.durable);
        }
    }
}

impl Medium for Device {
    fn len(&self) -> u64 {
        u64::try_from(self.0.lock().unwrap().now.len()).unwrap()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let length = buf.len();
        self.access(Access::Read, offset, length, |state, request, wrong| {
            let start = request.place().start;
            if wrong == Some(Wrong::Short) {
                state.now.read(start, &mut buf[..length / 2]);
                return Err(Cause::OutOfRange);
            }
            state.now.read(start, buf);
            if let Some(Wrong::Differs(at)) = wrong {
                buf[at.min(length - 1)] ^= 1;
            }
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        self.access(
            Access::Write,
            offset,
            data.len(),
            |state, request, wrong| {
                let place = request.place();
                let done = match wrong {
                    Some(Wrong::Loses) => return Ok(()),
                    Some(Wrong::Short) => data.len() / 2,
                    _ => data.len(),
                };
                state.now.write(place.start, &data[..done]);
                if wrong == Some(Wrong::Alters) {
                    state.now.flip(place.start + 200);
                }
                state.unflushed.push(place);
                match wrong {
                    Some(Wrong::Short) => Err(Cause::Device(Errno::EIO as i32)),
                    _ => Ok(()),
                }
            },
        )
    }

    fn flush(&self) -> Result<(), Fault> {
        self.access(Access::Flush, 0, 0, |state, _, _| {
            for place in std::mem::take(&mut state.unflushed) {
                state.durable.take(place, &state.now);
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device that fails")
    }
}
