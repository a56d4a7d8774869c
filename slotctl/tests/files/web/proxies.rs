//! Through a real proxy: tinyproxy, as Debian has it.

use super::nginx::{free_port, listens};
use super::yard::{Yard, serving};
use crate::ran::says;
use std::fs;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Forwards to everybody; makes tunnels to port 443 only, as is usual; knows the
/// user `me` with the password `s3cret`.
struct Proxy {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Proxy {
    fn new(tunnels_to: u16) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        // Another program may take the port between the two: the next is free then.
        for _ in 0..20 {
            let port = free_port();
            let path = folder.path().join("tinyproxy.conf");
            let log = folder.path().join("log");
            fs::write(
                &path,
                format!(
                    "Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nLogLevel Connect\n\
                     LogFile \"{}\"\nConnectPort {tunnels_to}\nBasicAuth me s3cret\n",
                    log.display()
                ),
            )
            .unwrap();
            let mut command = Command::new("tinyproxy");
            command.arg("-d").arg("-c").arg(&path);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = command.spawn().expect("tinyproxy of tinyproxy-bin");
            if listens(&mut child, port) {
                return Proxy {
                    folder,
                    child,
                    port,
                };
            }
        }
        panic!("tinyproxy does not start");
    }

    fn url(&self) -> String {
        format!("http://me:s3cret@127.0.0.1:{}", self.port)
    }

    /// The request lines that it was sent.
    fn requests(mut self) -> Vec<String> {
        self.end();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let lines = log.lines().filter(|line| line.contains("Request (file"));
        lines.map(str::to_owned).collect()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_plain_address_is_asked_of_the_proxy_without_a_tunnel() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let proxy = Proxy::new(443);
    let url = proxy.url();
    yard.install_with(&nginx.url("small.slotimg"), &[("http_proxy", &url)])
        .ok();
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    let whole = format!("GET http://127.0.0.1:{}/small.slotimg HTTP/1.1", nginx.port);
    assert!(
        requests.iter().all(|line| line.contains(&whole)),
        "{requests:?}"
    );
}

#[test]
fn a_secure_address_goes_through_a_tunnel() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let proxy = Proxy::new(nginx.tls_port);
    let config = yard.bench.directory().join("slotctl.toml");
    let ca = nginx.authority();
    fs::write(
        &config,
        format!("compatible = \"plc-4\"\n[source]\nca = {ca:?}\n"),
    )
    .unwrap();
    let words = format!(
        "{} --config {}",
        nginx.tls_url("small.slotimg"),
        config.display()
    );
    yard.install_with(&words, &[("HTTPS_PROXY", &proxy.url())])
        .ok();
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    let tunnel = format!("CONNECT 127.0.0.1:{}", nginx.tls_port);
    assert!(
        requests.iter().all(|line| line.contains(&tunnel)),
        "{requests:?}"
    );
}

#[test]
fn an_exception_is_asked_directly_and_all_proxy_counts_for_the_rest() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let nobody = "http://127.0.0.1:1";
    let address = nginx.url("small.slotimg");
    let refused = yard.install_with(&address, &[("all_proxy", nobody)]);
    refused.error(6, "network");
    let variables = [("all_proxy", nobody), ("no_proxy", "127.0.0.0/8")];
    yard.install_with(&address, &variables).ok();
}

#[test]
fn a_proxy_that_wants_a_password_says_so_once() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let proxy = Proxy::new(443);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let ran = yard.install_with(&nginx.url("small.slotimg"), &[("http_proxy", &url)]);
    let error = ran.with_status(6).json()["error"].clone();
    says(&error["found"], "407");
}

#[test]
fn the_proxy_is_named_when_it_is_the_proxy() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let (plain, secure) = (nginx.url("small.slotimg"), nginx.tls_url("small.slotimg"));
    let wants_password = Proxy::new(nginx.tls_port);
    let wants_password = format!("http://127.0.0.1:{}", wants_password.port);
    let makes_no_tunnel = Proxy::new(1);
    let makes_no_tunnel = makes_no_tunnel.url();
    for (address, proxy, why) in [
        (&plain, "http://127.0.0.1:1", "refused"),
        (&secure, "http://127.0.0.1:1", "refused"),
        (&plain, "http://proxy.invalid:8080", "lookup"),
        (&secure, "http://proxy.invalid:8080", "lookup"),
        (&plain, &wants_password, "407"),
        (&secure, &wants_password, "407"),
        (&secure, &makes_no_tunnel, "403"),
    ] {
        let variables = [("http_proxy", proxy), ("https_proxy", proxy)];
        let ran = yard.install_with(address, &variables).with_status(6);
        let error = ran.json()["error"].clone();
        let found = error["found"].as_str().unwrap();
        let shown = proxy.replace("me:s3cret@", "");
        assert!(found.contains(&format!("the proxy {shown}")), "{error}");
        assert!(found.contains(why) && !found.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_is_no_proxy_is_wrong_use() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let variables = [("http_proxy", "socks5://127.0.0.1:1")];
    let ran = yard.install_with(&nginx.url("small.slotimg"), &variables);
    ran.error(2, "bad-proxy");
}
