//! nginx, and how many bytes it gave.

use super::workdir::{Service, wait_until};
use super::{Error, Workdir};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const LOG: &str = "web/access.log";
/// What is asked for last, so that everything before it is in the log.
const LAST: &str = "/last";

/// Serves the workdir on 127.0.0.1 until it is dropped.
#[derive(Debug)]
pub struct Web {
    workdir: Workdir,
    port: u16,
    _service: Service,
}

impl Web {
    /// Starts it.
    pub fn new(workdir: &Workdir) -> Result<Self, Error> {
        workdir.empty("web")?;
        let failed = || Error::host("a free port on 127.0.0.1");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
        let port = free.local_addr().map_err(failed())?.port();
        drop(free);
        let (root, web) = (workdir.directory().display(), workdir.word("web"));
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|name| format!("{name}_temp_path {web};"));
        let settings = format!(
            "daemon off; master_process off; user root; pid {web}/pid; error_log {web}/error.log;\n\
             events {{}}\nhttp {{ {} sendfile on; keepalive_requests 1000000;\n\
             log_format bytes '$bytes_sent $request_uri'; access_log {web}/access.log bytes;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n",
            paths.concat()
        );
        workdir.write("web/nginx.conf", &settings)?;
        let file = workdir.word("web/nginx.conf");
        let words = ["/usr/sbin/nginx", "-e", "stderr", "-c", &file];
        let service = workdir.start(&words, "web/nginx.log")?;
        wait_until("nginx", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        })?;
        Ok(Self {
            workdir: workdir.clone(),
            port,
            _service: service,
        })
    }

    /// Where a file of the workdir is found.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// Bytes that went out since it was last asked, and the number of requests.
    pub fn served(&self) -> Result<(u64, u64), Error> {
        let last = self.url(LAST.trim_start_matches('/'));
        self.workdir
            .run(&["curl", "-s", "-o", "/dev/null", &last])?;
        let path = self.workdir.path(LOG);
        let mut text = String::new();
        wait_until("the log of nginx", || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with(&format!("{LAST}\n"))
        })?;
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let bytes = lines.filter(|(_, request)| *request != LAST);
        let bytes = bytes.filter_map(|(bytes, _)| bytes.parse::<u64>().ok());
        let (sum, count) = bytes.fold((0u64, 0u64), |(sum, count), bytes| {
            (sum.saturating_add(bytes), count.saturating_add(1))
        });
        // nginx appends: what it writes next begins at the start.
        fs::write(&path, "").map_err(Error::host(LOG))?;
        Ok((sum, count))
    }
}
