//! One thread reads all lines of a machine, so that their order is kept.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::screen::Screen;
use super::timeline::{Speaker, Timeline};

/// A line that has not ended after so many milliseconds is a prompt.
const PROMPT_AFTER: u16 = 2000;

struct Wire {
    stream: UnixStream,
    speaker: Speaker,
    screen: Screen,
}

/// Adds to `timeline` what comes from the two serial ports and from QEMU, until
/// QEMU closes its line.
pub(super) fn spawn(
    console: UnixStream,
    shell: UnixStream,
    qemu: UnixStream,
    timeline: Arc<Timeline>,
) -> io::Result<()> {
    let mut wires = Vec::with_capacity(3);
    for (stream, speaker) in [
        (console, Speaker::Console),
        (shell, Speaker::Shell),
        (qemu, Speaker::Qemu),
    ] {
        stream.set_nonblocking(true)?;
        wires.push(Wire {
            stream,
            speaker,
            screen: Screen::default(),
        });
    }
    thread::Builder::new()
        .name("machine".into())
        .spawn(move || {
            while read_once(&mut wires, &timeline) {}
            timeline.end();
        })?;
    Ok(())
}

/// Waits for something and reads it; false when QEMU has closed its line.
fn read_once(wires: &mut [Wire], timeline: &Timeline) -> bool {
    let mut ready: Vec<_> = wires
        .iter()
        .map(|wire| PollFd::new(wire.stream.as_fd(), PollFlags::POLLIN))
        .collect();
    let begun = wires.iter().any(|wire| wire.screen.has_begun());
    let timeout = if begun {
        PollTimeout::from(PROMPT_AFTER)
    } else {
        PollTimeout::NONE
    };
    match poll(&mut ready, timeout) {
        Ok(0) => {
            for wire in wires {
                if let Some(line) = wire.screen.break_line() {
                    timeline.add(wire.speaker, line);
                }
            }
            true
        }
        Ok(_) | Err(nix::Error::EINTR) => drain(wires, timeline),
        Err(_) => false,
    }
}

/// Reads what there is on all lines; false when QEMU has closed its own.
fn drain(wires: &mut [Wire], timeline: &Timeline) -> bool {
    // QEMU's own line is fetched first and added last: when it says "reset", all
    // that the machine said before that is in the timeline.
    let mut fetched = Vec::with_capacity(wires.len());
    for wire in wires.iter_mut().rev() {
        let mut bytes = Vec::new();
        let open = fetch(&mut wire.stream, &mut bytes);
        fetched.push((bytes, open));
    }
    let mut qemu_is_there = true;
    for (wire, (bytes, open)) in wires.iter_mut().zip(fetched.into_iter().rev()) {
        for line in wire.screen.draw(&bytes) {
            timeline.add(wire.speaker, line);
        }
        if wire.speaker == Speaker::Qemu {
            qemu_is_there = open;
        }
    }
    qemu_is_there
}

/// Reads all there is; false at the end of the stream.
fn fetch(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> bool {
    match stream.read_to_end(bytes) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}
