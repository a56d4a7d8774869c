//! A PostgreSQL of the distribution's, from its start to its end.

use super::questions::toml;
use super::{Controller, Limited, Test, Tested, is_root, named, prepare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

pub fn tests() -> Vec<Test> {
    named![a_database_passes_once_it_takes_connections_and_is_quoted_until_then]
}

/// It refuses to run as root.
const NOBODY: u32 = 65534;

/// A program of PostgreSQL's, as somebody without rights.
fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .filter(|program| program.exists())
        .collect();
    found.sort();
    let program = found.last().expect("a PostgreSQL of Debian's");
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command.arg(program);
    command
}

struct Database {
    server: Server,
    /// What it logs, from the moment on that it listens.
    log: JoinHandle<String>,
}

/// One that recovers until the file `go` is there: as after a power cut, only longer.
fn recovering(folder: &Path, port: u16) -> Database {
    let data = folder.join("data");
    let word = folder.join("word");
    fs::write(&word, "secret\n").unwrap();
    if is_root() {
        for path in [folder, &word] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let made = program("initdb")
        .args(["-N", "--no-locale", "-E", "UTF8", "-U", "keeper"])
        .args(["--auth-local=peer", "--auth-host=scram-sha-256"])
        .arg(format!("--pwfile={}", word.display()))
        .arg("-D")
        .arg(&data)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let place = folder.display();
    let settings = format!(
        "unix_socket_directories = '{place}'\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
         fsync = off\nlog_line_prefix = '%h '\n\
         restore_command = 'until [ -e {place}/go ]; do sleep 0.1; done; exit 1'\n"
    );
    for (name, text) in [
        ("postgresql.auto.conf", settings.as_str()),
        ("recovery.signal", ""),
    ] {
        let path = data.join(name);
        fs::write(&path, text).unwrap();
        if is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let mut process = program("postgres")
        .arg("-D")
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(Limited(process.stderr.take().unwrap()));
    let mut said = String::new();
    while !said.contains("listening on Unix socket") {
        assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let log = std::thread::spawn(move || {
        // Silence is no end of it.
        let lines = log.into_inner().0;
        std::io::read_to_string(lines).unwrap()
    });
    let server = Server(process);
    Database { server, log }
}

struct Server(Child);

impl Server {
    fn send(&self, signal: Signal) {
        let process = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(process, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            // At once, but it removes its shared memory.
            self.send(Signal::SIGQUIT);
            let _ = self.0.wait();
        }
    }
}

fn a_database_passes_once_it_takes_connections_and_is_quoted_until_then() -> Tested {
    let own = tempfile::tempdir().unwrap();
    fs::set_permissions(own.path(), Permissions::from_mode(0o755)).unwrap();
    let folder = own.path().join("rows");
    fs::create_dir(&folder).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut database = recovering(&folder, port);
    let socket = format!("{}/.s.PGSQL.{port}", folder.display());
    let at = |target: &str| format!("kind = \"postgresql\"\ntarget = \"{target}\"");
    let (by_socket, by_port) = (at(&socket), at(&format!("127.0.0.1:{port}")));
    fs::write(own.path().join("watchdog"), "").unwrap();
    prepare(
        own.path(),
        &toml("2h", &[("rows", &by_socket), ("port", &by_port)]),
        true,
    );
    let mut plc = Controller::launch(own.path());
    let starting = "fails: the database system is starting up";
    plc.expect_all(&[
        &format!("check rows {starting} ({socket})"),
        &format!("check port {starting} (127.0.0.1:{port})"),
    ]);
    fs::write(folder.join("go"), "").unwrap();
    // The one is refused by his name, the other is asked for a password.
    plc.expect_all(&[
        "check rows passes",
        "check port passes",
        "confirmed: all checks passed",
    ]);
    database.server.send(Signal::SIGINT);
    plc.expect_all(&["check rows fails: ", "check port fails: "]);
    assert!(database.server.0.wait()?.success());
    let log = database.log.join().unwrap();
    // Who is in the middle of it when that comes is said to have been too slow.
    let (before, _) = log.split_once("received fast shutdown request").unwrap();
    let lines = before.lines().filter(|line| line.starts_with("127.0.0.1 "));
    let noise: Vec<&str> = lines.filter(|line| !line.contains("starting up")).collect();
    assert_eq!(noise, [""; 0], "who asks for a password logs nothing");
    Ok(())
}
