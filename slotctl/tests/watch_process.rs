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
#[path = "watch_process/holder.rs"]
mod holder;
#[path = "watch_process/pages.rs"]
mod pages;
#[path = "watch_process/postgresql.rs"]
mod postgresql;
#[path = "watch_process/programs.rs"]
mod programs;
#[path = "watch_process/questions.rs"]
mod questions;
#[path = "files/ran.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod ran;
#[path = "files/samples.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod samples;
#[path = "files/system.rs"]
#[allow(dead_code, reason = "shared with the tests on files")]
mod system;
#[path = "watch_process/units.rs"]
mod units;

/// Tests by the names of their functions.
macro_rules! named {
    ($($test:ident),* $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($test), $test)),*]
    };
}
use named;

use bench::Bench;
use bootshim::handover::Handover;
use bootshim::record::SlotId;
use controller::disk::Disk;
use controller::error::Result;
use controller::running::Running;
use halfway::Halfway;
use libtest_mimic::{Arguments, Failed, Trial as Test};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use watch::events::Events;
use watch::{BlackBox, Facts, Source, Trial, Up};

type Tested = std::result::Result<(), Failed>;

const WATCH: &str = "watch-in";

/// Who starts it leaves it a descriptor, and signals that are ignored.
const BAD_MANNERS: &str = "trap '' INT QUIT; exec 7</dev/null; exec \"$0\" \"$@\"";

fn main() -> ExitCode {
    let tasks = [controller::disk::ASK, watch::LOOK, watch::READ, watch::RUN];
    if let Some(exit) = controller::helper::begun(&tasks) {
        return exit;
    }
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == WATCH) {
        return child(&PathBuf::from(words.next().expect("a directory")));
    }
    let mut tests = programs::tests();
    tests.extend(questions::tests());
    tests.extend(holder::tests());
    tests.extend(pages::tests());
    tests.extend(postgresql::tests());
    tests.extend(units::tests());
    tests.extend(named![
        a_signal_of_whomever_is_a_shutdown_where_the_system_goes_down_or_nobody_knows,
        a_person_who_stops_it_on_a_good_slot_disarms_the_watchdog,
        a_shutdown_is_petted_on_after_watch_has_come_to_its_end,
        a_healthy_trial_is_confirmed_and_then_stopped_by_a_person,
        a_sick_trial_is_given_up_and_restarted,
        what_programs_said_is_kept_before_the_restart_is_begun,
        a_service_manager_that_hangs_holds_up_the_restart_for_a_while_and_never_the_petting,
        a_trial_that_a_person_stops_stays_armed,
        a_trial_is_confirmed_while_an_install_writes_and_neither_disturbs_the_other,
    ]);
    tests.push(Test::test("killall5_is_a_shutdown", killall5).with_ignored_flag(true));
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
    let home = directory.join("var/lib/slotctl");
    let kernel_log = directory.join("kmsg");
    let black_box = BlackBox::at(Box::new(Nobody), directory, &home, &kernel_log);
    match watch::run(
        config,
        &directory.join("checks.d"),
        trial,
        events,
        black_box,
    ) {
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

/// Knows no boot record.
struct Nobody;

impl Source for Nobody {
    fn facts(&self) -> Result<Option<Facts>> {
        Ok(None)
    }

    fn version(&self, _: SlotId) -> Option<String> {
        None
    }
}

/// On trial while the file `trial` is there; what was done is in `done`.
struct FileTrial(PathBuf);

impl FileTrial {
    fn end(&self, how: &str) -> Result<()> {
        fs::write(self.0.join("done"), how).expect("a place to write");
        // A good slot has none.
        let _ = fs::remove_file(self.0.join("trial"));
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

    fn came_up(&mut self, _: bool) -> Result<Up> {
        Ok(Up::Noted)
    }

    fn shut_down(&mut self) -> Result<()> {
        self.end("shut down")
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

    fn came_up(&mut self, _: bool) -> Result<Up> {
        Ok(Up::Noted)
    }

    fn shut_down(&mut self) -> Result<()> {
        self.with(|running| running.shut_down()).map(drop)
    }
}

/// A watching process, and what is around it.
/// What a process says, as long as it is not silent for more than two minutes: ten
/// times what any test here waits for.
struct Limited(ChildStderr);

/// In milliseconds.
const SILENCE_MAX: i32 = 120_000;

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut readable = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut readable, PollTimeout::try_from(SILENCE_MAX).unwrap())? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.0.read(buffer),
        }
    }
}

struct Controller {
    directory: PathBuf,
    /// Kept until the test ends, where it is not somebody else's.
    own: Option<tempfile::TempDir>,
    process: Child,
    said: BufReader<Limited>,
}

impl Controller {
    /// On trial.
    fn start(toml: &str) -> Controller {
        let own = tempfile::tempdir().unwrap();
        let mut controller = Controller::start_in(own.path(), toml);
        controller.own = Some(own);
        controller
    }

    fn start_in(directory: &Path, toml: &str) -> Controller {
        fs::write(directory.join("watchdog"), "").unwrap();
        prepare(directory, toml, true);
        Controller::launch(directory)
    }

    /// Where nobody can use control groups.
    fn start_without_groups(directory: &Path, toml: &str) -> Controller {
        fs::write(directory.join("watchdog"), "").unwrap();
        prepare(directory, toml, true);
        let user = if is_root() { "-m" } else { "-rm" };
        let script = format!("/bin/mount -t tmpfs none /sys/fs/cgroup || exit; {BAD_MANNERS}");
        let mut unshare = Command::new("/usr/bin/unshare");
        Controller::launch_by(unshare.args([user, "/bin/sh", "-c", &script]), directory)
    }

    /// Begins to watch in a directory that is prepared.
    fn launch(directory: &Path) -> Controller {
        Controller::launch_by(Command::new("/bin/sh").args(["-c", BAD_MANNERS]), directory)
    }

    /// The same, by a command that runs the words behind its own.
    fn launch_by(command: &mut Command, directory: &Path) -> Controller {
        command.args([std::env::current_exe().unwrap().as_os_str(), WATCH.as_ref()]);
        Controller::spawn(command.arg(directory).env("PATH", directory), directory)
    }

    fn spawn(command: &mut Command, directory: &Path) -> Controller {
        let mut process = command
            .env_remove("NOTIFY_SOCKET")
            // A proxy that is not there: checks must not use one.
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(Limited(process.stderr.take().unwrap()));
        Controller {
            directory: directory.to_owned(),
            own: None,
            process,
            said,
        }
    }

    /// Waits for a line that contains `words`.
    fn expect(&mut self, words: &str) {
        self.expect_all(&[words]);
    }

    /// Waits for lines that contain each of these words, in any order.
    fn expect_all(&mut self, words: &[&str]) {
        let mut missing = words.to_vec();
        let mut said = String::new();
        while !missing.is_empty() {
            let before = said.len();
            let read = self.said.read_line(&mut said);
            let more = read.as_ref().is_ok_and(|read| *read > 0);
            assert!(more, "{missing:?} was not said ({read:?}), but:\n{said}");
            missing.retain(|words| !said[before..].contains(words));
        }
    }

    fn stop(&self) {
        self.send(Signal::SIGTERM);
    }

    fn send(&self, signal: Signal) {
        let process = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        kill(process, signal).unwrap();
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

/// What `watch` finds in `directory`, except for the watchdog. `toml` names a device in
/// `DIR`: that of this machine is left alone.
fn prepare(directory: &Path, toml: &str, on_trial: bool) {
    if on_trial {
        fs::write(directory.join("trial"), "").unwrap();
    }
    let toml = toml.replace("DIR", directory.to_str().unwrap());
    fs::write(directory.join("slotctl.toml"), toml).unwrap();
    service_manager(directory);
}

/// Stand-ins for the programs that restart a machine, which stop who calls them as the
/// end of a system does, and for those that say whether it goes down: what the file
/// `system` says, `up`, `down` or anything else.
fn service_manager(directory: &Path) {
    fs::write(directory.join("system"), "up").unwrap();
    let system = format!("read system <{}", directory.join("system").display());
    let restart = ": >\"$0.called\"; kill -TERM $PPID";
    let units = directory.join("list-units");
    let units = format!("[ -e {0} ] && . {0}", units.display());
    let systemctl = format!(
        "case $1 in reboot) {restart}; exit;; list-units) {units}; exit;; esac; {system}\n\
         case $system in up) echo running;; down) echo stopping;; esac"
    );
    let runlevel = format!(
        "{system}\ncase $system in up) echo N 2;; down) echo 2 6;; *) echo unknown; exit 1;; esac"
    );
    let programs = [
        ("reboot", restart),
        ("systemctl", systemctl.as_str()),
        ("runlevel", runlevel.as_str()),
    ];
    for (name, script) in programs {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
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

fn a_healthy_trial_is_confirmed_and_then_stopped_by_a_person() -> Tested {
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

fn a_sick_trial_is_given_up_and_restarted() -> Tested {
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

/// A trial that fails, on a system with systemd and a data partition, where `list-units`
/// does this.
fn fails_with_systemd(list_units: &str) -> (tempfile::TempDir, Controller) {
    let own = tempfile::tempdir().unwrap();
    for folder in ["run/systemd/system", "var/lib"] {
        fs::create_dir_all(own.path().join(folder)).unwrap();
    }
    fs::write(own.path().join("kmsg"), "6,1,1000000,-;a line\n").unwrap();
    fs::write(own.path().join("list-units"), list_units).unwrap();
    let journalctl = own.path().join("journalctl");
    let said = r#"{"SYSLOG_IDENTIFIER":"postgres","MESSAGE":"FATAL: no room"}"#;
    let script = format!("#!/bin/sh\necho '{said}'\n");
    fs::write(&journalctl, script).unwrap();
    fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).unwrap();
    // A petting every quarter of a second.
    let toml =
        toml("command", "/bin/false", "1s").replace("[watch]\n", "[watch]\ntimeout = \"1s\"\n");
    let controller = Controller::start_in(own.path(), &toml);
    (own, controller)
}

fn what_programs_said_is_kept_before_the_restart_is_begun() -> Tested {
    let listed = "echo 'postgresql@15-main.service loaded failed failed PostgreSQL'";
    let (_own, mut plc) = fails_with_systemd(listed);
    plc.expect_all(&[
        "this start is given up",
        "is kept: `slotctl log --failure 1`",
    ]);
    assert_eq!(plc.exit(), "GaveUp");
    let kept = plc.file("var/lib/slotctl/failures/1.json").unwrap();
    for words in [
        r#""reason":"check web: exit status 1 (/bin/false), failing since "#,
        r#""name":"postgresql@15-main.service","state":"failed""#,
        r#""by":"postgres","text":"FATAL: no room""#,
        r#""kernel":["[    1.000000] a line"]"#,
    ] {
        assert!(kept.contains(words), "{words}: {kept}");
    }
    Ok(())
}

fn a_service_manager_that_hangs_holds_up_the_restart_for_a_while_and_never_the_petting() -> Tested {
    let (_own, mut plc) = fails_with_systemd("exec /bin/sleep 200");
    plc.expect("this start is given up");
    let before = plc.file("watchdog").unwrap().len();
    plc.expect("is kept: `slotctl log --failure 1`");
    let pettings = plc.file("watchdog").unwrap().len() - before;
    assert!(pettings >= 10, "{pettings}");
    assert_eq!(plc.exit(), "GaveUp");
    let kept = plc.file("var/lib/slotctl/failures/1.json").unwrap();
    let missing = r#""missing":[{"what":"units","why":"systemctl gave no answer in time"}"#;
    assert!(kept.contains(missing), "{kept}");
    Ok(())
}

fn a_trial_that_a_person_stops_stays_armed() -> Tested {
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

/// What comes out of the watchdog's device, a pipe here, so that each petting is seen
/// and the end of the last one who has it open.
struct Pettings(fs::File);

impl Pettings {
    fn of(directory: &Path) -> Pettings {
        let path = directory.join("watchdog");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut options = fs::OpenOptions::new();
        // No wait for the one who writes.
        let options = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let pipe = options.open(path).unwrap();
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        Pettings(pipe)
    }

    /// Waits for so many.
    fn expect(&mut self, pettings: usize) {
        self.0.read_exact(&mut vec![0; pettings]).unwrap();
    }

    /// All that come until nobody has the device open any more.
    fn until_the_end(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// A watchdog of one second.
fn impatient(shutdown_max: &str) -> String {
    let watch = format!("[watch]\ntimeout = \"1s\"\nshutdown_max = \"{shutdown_max}\"\n");
    toml("command", "/bin/false", "2min").replace("[watch]\n", &watch)
}

/// Told to stop by somebody who is not process 1, while the system is as told: how it
/// ended, what the record was told, and what the watchdog got.
fn stopped_while(system: &str, signal: Signal, on_trial: bool) -> (String, Option<String>, String) {
    let own = tempfile::tempdir().unwrap();
    let pettings = Pettings::of(own.path());
    prepare(own.path(), &impatient("1s"), on_trial);
    let mut plc = Controller::launch(own.path());
    plc.expect("check web fails: exit status 1");
    fs::write(own.path().join("system"), system).unwrap();
    plc.send(signal);
    let exit = plc.exit();
    (exit, plc.file("done"), pettings.until_the_end())
}

fn a_signal_of_whomever_is_a_shutdown_where_the_system_goes_down_or_nobody_knows() -> Tested {
    for system in ["down", "nobody knows"] {
        for on_trial in [true, false] {
            let (exit, done, pettings) = stopped_while(system, Signal::SIGTERM, on_trial);
            assert_eq!(exit, "SystemGoesDown", "{system}, on trial: {on_trial}");
            assert_eq!(done.as_deref(), Some("shut down"));
            // Nothing ended this shutdown, and still the pipe came to its end.
            assert!(!pettings.contains('V'), "{system}, on trial: {on_trial}");
        }
    }
    Ok(())
}

fn a_person_who_stops_it_on_a_good_slot_disarms_the_watchdog() -> Tested {
    for (system, signal) in [("up", Signal::SIGTERM), ("nobody knows", Signal::SIGINT)] {
        let (exit, done, pettings) = stopped_while(system, signal, false);
        assert_eq!((exit.as_str(), done), ("Stopped", None), "{system}");
        assert!(pettings.ends_with('V'), "{system}");
    }
    Ok(())
}

fn a_shutdown_is_petted_on_after_watch_has_come_to_its_end() -> Tested {
    let own = tempfile::tempdir().unwrap();
    let mut pettings = Pettings::of(own.path());
    prepare(own.path(), &impatient("30min"), false);
    let mut plc = Controller::launch(own.path());
    plc.expect("check web fails: exit status 1");
    fs::write(own.path().join("system"), "down").unwrap();
    plc.send(Signal::SIGTERM);
    plc.expect("the shutdown has 30min; then the watchdog ends it");
    assert_eq!(plc.exit(), "SystemGoesDown");
    // Who pets now is somebody else. More than the pipe could have held before:
    pettings.expect(20);
    let [keeper] = with_open(&own.path().join("watchdog"))[..] else {
        return Err("one process has the watchdog open".into());
    };
    kill(keeper, Signal::SIGTERM).unwrap();
    assert!(!pettings.until_the_end().contains('V'));
    Ok(())
}

/// The processes that have a file open, other than this one.
fn with_open(path: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = process.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        let files = fs::read_dir(process.path().join("fd"));
        let mut files = files.into_iter().flatten().flatten();
        let open = files.any(|file| fs::read_link(file.path()).is_ok_and(|link| link == path));
        if open && Pid::from_raw(id) != Pid::this() {
            found.push(Pid::from_raw(id));
        }
    }
    found
}

/// In a system of its own, whose process 1 is a shell.
fn killall5() -> Tested {
    let own = tempfile::tempdir().unwrap();
    let pettings = Pettings::of(own.path());
    prepare(own.path(), &impatient("1s"), true);
    fs::write(own.path().join("system"), "nobody knows").unwrap();
    let script = "setsid \"$0\" \"$1\" \"$2\" & read go; /sbin/killall5 -15; wait";
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "/bin/sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([WATCH.as_ref(), own.path().as_os_str()])
        .stdin(Stdio::piped());
    let path = format!("{}:/usr/bin:/bin", own.path().display());
    let mut plc = Controller::spawn(command.env("PATH", path), own.path());
    plc.expect("check web fails: exit status 1");
    plc.process
        .stdin
        .take()
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    assert_eq!(plc.exit(), "SystemGoesDown");
    assert_eq!(plc.file("done").as_deref(), Some("shut down"));
    assert!(!pettings.until_the_end().contains('V'));
    Ok(())
}

fn a_trial_is_confirmed_while_an_install_writes_and_neither_disturbs_the_other() -> Tested {
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
