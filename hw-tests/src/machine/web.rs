//! A web server for machines: busybox's, one process for each request.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::process::{end, mortal};
use super::{COMMAND, Error};

/// Serves a directory on 127.0.0.1 until it is dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Serves the files in `directory`.
    ///
    /// # Errors
    /// [`Error::Host`] when there is no free port.
    pub fn new(directory: &Path) -> Result<Self, Error> {
        let failed = || Error::host("a web server on 127.0.0.1");
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
        let address = socket.local_addr().map_err(failed())?;
        let ending = Arc::new(AtomicBool::new(false));
        let (directory, flag) = (directory.to_path_buf(), Arc::clone(&ending));
        let listener = thread::Builder::new()
            .name("web server".into())
            .spawn(move || listen(&socket, &directory, &flag))
            .map_err(failed())?;
        Ok(Self {
            address,
            ending,
            listener: Some(listener),
        })
    }

    /// Where a machine finds `path` (without a leading slash).
    #[must_use]
    pub fn url_for_machine(&self, path: &str) -> String {
        format!("http://10.0.2.2:{}/{path}", self.address.port())
    }

    /// Where this host finds `path` (without a leading slash).
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the listener; without it there is nothing to wait for.
        if TcpStream::connect(self.address).is_ok()
            && let Some(listener) = self.listener.take()
        {
            let _ = listener.join();
        }
    }
}

/// Asks for `url`: the HTTP status and the body.
pub(super) fn get(url: &str) -> Result<(u16, String), Error> {
    let failed = |error: ureq::Error| Error::Http {
        url: url.into(),
        reason: error.to_string(),
    };
    let request = ureq::get(url).config().http_status_as_error(false);
    let mut answer = request
        .timeout_global(Some(COMMAND))
        .build()
        .call()
        .map_err(failed)?;
    let body = answer.body_mut().read_to_string().map_err(failed)?;
    Ok((answer.status().as_u16(), body))
}

fn listen(socket: &TcpListener, directory: &Path, ending: &AtomicBool) {
    let mut requests: Vec<Child> = Vec::new();
    for connection in socket.incoming() {
        if ending.load(Ordering::SeqCst) {
            break;
        }
        requests.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        // A connection that cannot be served is closed, which the client sees.
        requests.extend(connection.and_then(|stream| serve(stream, directory)));
    }
    requests.into_iter().for_each(end);
}

fn serve(stream: TcpStream, directory: &Path) -> std::io::Result<Child> {
    let answers = stream.try_clone()?;
    mortal("busybox")
        .args(["httpd", "-i", "-h"])
        .arg(directory)
        .stdin(OwnedFd::from(stream))
        .stdout(OwnedFd::from(answers))
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_and_a_missing_one_is_not_found() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let server = WebServer::new(here).unwrap();
        let (status, body) = get(&server.url("Cargo.toml")).unwrap();
        assert!(status == 200 && body.contains("name = \"hw-tests\""));
        assert_eq!(get(&server.url("nothing")).unwrap().0, 404);
    }
}
