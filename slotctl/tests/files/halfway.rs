//! An install in the middle.

use crate::bench::Bench;
use crate::ran::Ran;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

/// An install that was fed half of its image, waits for the rest, and is
/// writing.
pub struct Halfway {
    child: Child,
    pipe: ChildStdin,
    rest: Vec<u8>,
}

impl Halfway {
    pub fn begin(bench: &Bench) -> Halfway {
        Halfway::begin_with(bench, "v2.slotimg")
    }

    pub fn begin_with(bench: &Bench, image: &str) -> Halfway {
        let mut image = bench.read(image);
        let rest = image.split_off(image.len() / 2);
        let mut command = bench.command("--disk disk.img --json install -");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&image).unwrap();
        // It says that it writes after the record said so.
        let mut line = String::new();
        let mut said = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("\"writing\""), "{line}");
        Halfway { child, pipe, rest }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    pub fn signalled(self, signal: Signal) -> Ran {
        self.signal(signal);
        self.ended()
    }

    /// Everything but the end of the image: it still waits.
    pub fn feed_the_rest(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.pipe.write_all(&rest).unwrap();
    }

    pub fn fed_the_rest(mut self) -> Ran {
        self.feed_the_rest();
        self.ended()
    }

    pub fn ended(self) -> Ran {
        drop(self.pipe);
        Ran::new("install -", &self.child.wait_with_output().unwrap())
    }
}
