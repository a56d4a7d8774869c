//! A process that ends with the value that stands for it, and with this program.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// Dropping it kills the process and waits for its end.
#[derive(Debug)]
pub(super) struct Process {
    release: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// A command whose process the kernel kills when the thread that started it
/// ends, however that happens.
pub(super) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

impl Process {
    /// Starts `command`, made by [`mortal`].
    pub(super) fn start(command: Command) -> io::Result<Self> {
        let (release, released) = channel();
        let (answer, started) = channel();
        // A thread of its own, since the process must not end with the thread
        // that happens to ask for it.
        let keeper = thread::Builder::new()
            .name("process".into())
            .spawn(move || keep(command, &answer, &released))?;
        started
            .recv()
            .map_err(|_| io::Error::other("the starting thread ended"))??;
        Ok(Self {
            release: Some(release),
            keeper: Some(keeper),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.release = None;
        if let Some(keeper) = self.keeper.take() {
            // It has nothing to say but that it ended.
            let _ = keeper.join();
        }
    }
}

fn keep(mut command: Command, answer: &Sender<io::Result<()>>, released: &Receiver<()>) {
    match command.spawn() {
        Ok(child) => {
            // The command holds this side's copies of what the child was given.
            drop(command);
            let _ = answer.send(Ok(()));
            // Ends with an error when the other side is dropped: that is the call.
            let _ = released.recv();
            end(child);
        }
        Err(error) => {
            let _ = answer.send(Err(error));
        }
    }
}

/// Kills exactly this process, and leaves nothing of it.
pub(super) fn end(mut child: Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
