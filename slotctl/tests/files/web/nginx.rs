//! nginx, as Debian has it, on ports of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running nginx that serves the folder `files` of its own folder.
pub struct Nginx {
    folder: TempDir,
    child: Child,
    pub port: u16,
    pub tls_port: u16,
}

/// One request that was answered, as its log has it.
#[derive(Debug)]
pub struct Served {
    pub status: u16,
    /// Bytes of the body that were sent.
    pub sent: u64,
    pub range: Option<Range<u64>>,
}

impl Nginx {
    /// With these lines in its only server.
    pub fn new(lines: &str) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        certificates(folder.path());
        // Another program may take a port between the two: the next are free then.
        loop {
            let (port, tls_port) = (free_port(), free_port());
            let config = config(folder.path(), lines, port, tls_port);
            let path = folder.path().join("nginx.conf");
            fs::write(&path, config).unwrap();
            let mut command = Command::new("nginx");
            command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
            command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
            command.arg("-e").arg(folder.path().join("error.log"));
            command.stdin(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("nginx of nginx-light");
            if listens(&mut child, port) {
                return Nginx {
                    folder,
                    child,
                    port,
                    tls_port,
                };
            }
            let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
            assert!(said.contains("Address already in use"), "nginx: {said}");
        }
    }

    /// The folder that is served.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The certificate of the authority that signed its own.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    pub fn tls_url(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.tls_port)
    }

    /// What it answered; ends it, so that the log is whole.
    pub fn log(mut self) -> Vec<Served> {
        self.end();
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        log.lines().map(Served::read).collect()
    }

    fn end(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // It writes what it has of its log. One that has ended is no failure.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

impl Served {
    fn read(line: &str) -> Served {
        let mut words = line.split(' ');
        let status = words.next().unwrap().parse().unwrap();
        let sent = words.next().unwrap().parse().unwrap();
        let range = words.next().unwrap().strip_prefix("bytes=");
        let range = range.map(|range| {
            let (first, last) = range.split_once('-').unwrap();
            first.parse().unwrap()..last.parse::<u64>().unwrap() + 1
        });
        Served {
            status,
            sent,
            range,
        }
    }
}

/// Every byte of a file was sent exactly once.
#[track_caller]
pub fn each_byte_once(served: &[Served], length: usize) {
    let mut ranges: Vec<Range<u64>> = served
        .iter()
        .map(|one| one.range.clone().unwrap())
        .collect();
    ranges.sort_by_key(|range| range.start);
    assert_eq!(ranges.first().unwrap().start, 0);
    assert_eq!(ranges.last().unwrap().end, length as u64);
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].end, pair[1].start, "{ranges:?}");
    }
    let sent: u64 = served.iter().map(|one| one.sent).sum();
    assert_eq!(sent, length as u64);
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether a server takes connections, or has ended before it did.
pub fn listens(child: &mut Child, port: u16) -> bool {
    while child.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

fn config(folder: &Path, lines: &str, port: u16, tls_port: u16) -> String {
    let lines = lines
        .replace("PORT_TLS", &tls_port.to_string())
        .replace("PORT", &port.to_string());
    let mut config = String::new();
    for line in [
        "daemon off; master_process off; worker_processes 1; pid nginx.pid;",
        "events { worker_connections 64; }",
        "http {",
        "log_format brief '$status $body_bytes_sent $http_range $uri';",
        "access_log access.log brief; sendfile on; default_type application/octet-stream;",
        "client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;",
        "uwsgi_temp_path temp; scgi_temp_path temp;",
        "server {",
    ] {
        config.push_str(line);
        config.push('\n');
    }
    let _ = write!(
        config,
        "listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl;\n\
         ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.key;\n\
         root {0}/files;\n{lines}\n}}\n}}\n",
        folder.display(),
    );
    config
}

/// An authority, and a certificate by it for 127.0.0.1.
fn certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
    openssl(
        folder,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority"),
    );
    openssl(
        folder,
        &format!(
            "req -x509 {key} -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem \
             -subj /CN=server -addext subjectAltName=IP:127.0.0.1 \
             -addext basicConstraints=critical,CA:FALSE"
        ),
    );
}

pub fn openssl(folder: &Path, words: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(words.split_whitespace());
    let output = command.output().expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
}
