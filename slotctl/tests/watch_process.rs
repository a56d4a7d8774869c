//! `watch` as a real process: real checks, real signals, a plain file as the
//! watchdog, and stand-ins for the commands that restart a machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "files/bench.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod bench;
#[path = "files/halfway.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod halfway;
#[path = "files/plant.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod plant;
#[path = "files/ran.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod ran;

use bench::Bench;
use bootshim::handover::Handover;
use halfway::Halfway;
use libtest_mimic::{Arguments, Failed, Trial as Test};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use slotctl::config;
use slotctl::disk::Disk;
use slotctl::error::Result;
use slotctl::events::Events;
use slotctl::running::Running;
use slotctl::watch::{self, Trial};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};

const WATCH: &str = "watch-in";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == WATCH) {
        return child(&PathBuf::from(words.next().expect("a directory")));
    }
    let tests = vec![
        Test::test(
            "a_healthy_trial_is_confirmed_and_then_stopped_by_a_person",
            healthy,
        ),
        Test::test("a_sick_trial_is_given_up_and_restarted", sick),
        Test::test("a_trial_that_a_person_stops_stays_armed", stopped_on_trial),
        Test::test(
            "a_kind_of_check_for_later_fails_a_trial_with_a_clear_line",
            later_kind,
        ),
        Test::test(
            "a_trial_is_confirmed_while_an_install_writes_and_neither_disturbs_the_other",
            during_an_install,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// The process that watches.
fn child(directory: &Path) -> ExitCode {
    let config = config::load(&directory.join("slotctl.toml"));
    let events = Events::at(directory, Path::new("/nonexistent"), Some(7));
    let disk = directory.join("disk.img");
    let trial: &mut dyn Trial = if disk.exists() {
        &mut DiskTrial::new(Disk::open(&disk).expect("a disk"))
    } else {
        &mut FileTrial(directory.to_owned())
    };
    match watch::run(config, trial, events) {
        Ok(exit) => {
            fs::write(directory.join("exit"), format!("{exit:?}")).expect("a place to write");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// On trial while the file `trial` is there; what was done is in `done`.
struct FileTrial(PathBuf);

impl FileTrial {
    fn end(&self, how: &str) -> Result<()> {
        fs::write(self.0.join("done"), how).expect("a place to write");
        fs::remove_file(self.0.join("trial")).expect("a trial");
        Ok(())
    }
}

impl Trial for FileTrial {
    fn is_on_trial(&mut self) -> Result<bool> {
        Ok(self.0.join("trial").exists())
    }

    fn confirm(&mut self) -> Result<()> {
        self.end("confirm")
    }

    fn renew(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.end(&format!("give up: {reason}"))
    }

    fn give_back(&mut self) -> Result<()> {
        self.end("give back")
    }
}

/// The slot of a disk image that was started last.
struct DiskTrial(Disk, Handover);

impl DiskTrial {
    fn new(disk: Disk) -> DiskTrial {
        let handover = bench::handover(&disk.read_record().unwrap().0);
        DiskTrial(disk, handover)
    }

    fn with<T>(&self, act: impl FnOnce(&Running<'_>) -> Result<T>) -> Result<T> {
        act(&Running::new(&self.0, &self.1))
    }
}

impl Trial for DiskTrial {
    fn is_on_trial(&mut self) -> Result<bool> {
        self.with(|running| running.is_on_trial())
    }

    fn confirm(&mut self) -> Result<()> {
        self.with(|running| running.confirm()).map(drop)
    }

    fn renew(&mut self) -> Result<bool> {
        self.with(|running| running.renew())
    }

    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.with(|running| running.give_up_start(reason)).map(drop)
    }

    fn give_back(&mut self) -> Result<()> {
        self.with(|running| running.give_back()).map(drop)
    }
}

/// A watching process, and what is around it.
struct Controller {
    directory: PathBuf,
    /// Kept until the test ends, where it is not somebody else's.
    own: Option<tempfile::TempDir>,
    process: Child,
    said: BufReader<ChildStderr>,
}

impl Controller {
    /// On trial. `toml` names a device in `DIR`: that of this machine is left
    /// alone.
    fn start(toml: &str) -> Controller {
        let own = tempfile::tempdir().unwrap();
        let mut controller = Controller::start_in(own.path(), toml);
        controller.own = Some(own);
        controller
    }

    fn start_in(directory: &Path, toml: &str) -> Controller {
        let at = |name: &str| directory.join(name);
        fs::write(at("watchdog"), "").unwrap();
        fs::write(at("trial"), "").unwrap();
        let toml = toml.replace("DIR", directory.to_str().unwrap());
        fs::write(at("slotctl.toml"), toml).unwrap();
        for name in ["reboot", "systemctl"] {
            stand_in(&at(name));
        }
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([WATCH.as_ref(), directory.as_os_str()])
            .env("PATH", directory)
            .env_remove("NOTIFY_SOCKET")
            // A proxy that is not there: checks must not use one.
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        Controller {
            directory: directory.to_owned(),
            own: None,
            process,
            said,
        }
    }

    /// Waits for a line that contains `words`.
    fn expect(&mut self, words: &str) -> String {
        let mut said = String::new();
        loop {
            let before = said.len();
            let read = self.said.read_line(&mut said).unwrap();
            assert!(read > 0, "{words:?} was not said, but:\n{said}");
            if said[before..].contains(words) {
                return said[before..].to_owned();
            }
        }
    }

    fn stop(&self) {
        let process = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        kill(process, Signal::SIGTERM).unwrap();
    }

    /// Waits for the end of the process, and gives back how it ended.
    fn exit(&mut self) -> String {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "{rest}");
        self.file("exit").unwrap()
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.directory.join(name)).ok()
    }

    fn disarmed(&self) -> bool {
        self.file("watchdog").unwrap().ends_with('V')
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Ended already, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stops who calls it, as the end of a system does.
fn stand_in(path: &Path) {
    let script = "#!/bin/sh\n: >\"$0.called\"\nkill -TERM $PPID\n";
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A health page for as long as the test runs.
fn health_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/health", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    address
}

fn toml(kind: &str, target: &str, deadline: &str) -> String {
    format!(
        "compatible = \"plc-4\"\n\
         [watch]\ndevice = \"DIR/watchdog\"\ndeadline = \"{deadline}\"\nstable_for = \"300ms\"\n\
         [[check]]\nname = \"web\"\nkind = \"{kind}\"\ntarget = \"{target}\"\ninterval = \"100ms\"\n"
    )
}

fn healthy() -> std::result::Result<(), Failed> {
    let toml = toml("http", &health_page(), "2min");
    let mut plc = Controller::start(&toml);
    plc.expect("confirmed: all checks passed for 300ms");
    assert_eq!(plc.file("done").as_deref(), Some("confirm"));
    plc.stop();
    assert_eq!(plc.exit(), "Stopped");
    assert!(plc.disarmed());
    let log = plc.file("events.log").unwrap();
    assert!(log.contains(r#""boot":7"#), "{log}");
    Ok(())
}

fn sick() -> std::result::Result<(), Failed> {
    let toml = toml("command", "/bin/false", "1s");
    let mut plc = Controller::start(&toml);
    plc.expect("this start is given up: check web: exit status 1 (/bin/false), failing since");
    assert_eq!(plc.exit(), "GaveUp");
    let done = plc.file("done").unwrap();
    assert!(
        done.starts_with("give up: check web: exit status 1"),
        "{done}"
    );
    assert!(done.ends_with("; deadline 1s passed"), "{done}");
    let called = ["reboot.called", "systemctl.called"].map(|name| plc.file(name).is_some());
    assert!(called.contains(&true));
    assert!(!plc.disarmed());
    Ok(())
}

fn stopped_on_trial() -> std::result::Result<(), Failed> {
    let toml = toml("command", "/bin/false", "2min");
    let mut plc = Controller::start(&toml);
    plc.expect("check web fails: exit status 1");
    plc.stop();
    plc.expect("stopped during a trial: the watchdog restarts the machine");
    assert_eq!(plc.exit(), "Stopped");
    assert_eq!(plc.file("done"), None);
    assert!(!plc.disarmed());
    Ok(())
}

fn later_kind() -> std::result::Result<(), Failed> {
    let toml = toml("systemd", "production.service", "2min");
    let mut plc = Controller::start(&toml);
    plc.expect("this start is given up: check web: kind `systemd` is not supported");
    assert_eq!(plc.exit(), "GaveUp");
    Ok(())
}

fn during_an_install() -> std::result::Result<(), Failed> {
    let bench = Bench::new();
    bench.start_version_2();
    let install = Halfway::begin_with(&bench, "v3.slotimg");
    let toml = toml("command", "/bin/true", "2min");
    let mut plc = Controller::start_in(bench.directory(), &toml);
    plc.expect("confirmed: all checks passed for 300ms");
    let states = || {
        let slots = bench.ask("status")["slots"].clone();
        [0, 1, 2].map(|slot| slots[slot]["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(states(), ["good", "good", "writing"]);
    install.fed_the_rest().ok();
    assert_eq!(states(), ["good", "good", "trying"]);
    bench.on_disk("verify").ok();
    plc.stop();
    assert_eq!(plc.exit(), "Stopped");
    assert!(plc.disarmed());
    Ok(())
}
