//! Installs from a web server.

use crate::bench::Bench;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::thread;

/// A web server on a free port that answers one request.
struct Server {
    address: String,
    answering: thread::JoinHandle<()>,
}

impl Server {
    fn answering(answer: impl FnOnce(TcpStream) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answering = thread::spawn(move || answer(listener.accept().unwrap().0));
        Server { address, answering }
    }

    /// busybox's server, over the files of a bench.
    fn busybox(bench: &Bench) -> Server {
        let folder = bench.directory().to_owned();
        Server::answering(move |connection| {
            let (read, write) = (connection.try_clone().unwrap(), connection);
            let mut httpd = Command::new("busybox");
            httpd.args(["httpd", "-i", "-h"]).arg(folder);
            httpd
                .stdin(OwnedFd::from(read))
                .stdout(OwnedFd::from(write));
            httpd.status().expect("busybox of busybox-static");
        })
    }

    fn install(self, bench: &Bench, file: &str) -> (i32, Value) {
        let ran = bench.on_disk(&format!("install {}/{file}", self.address));
        self.answering.join().unwrap();
        (ran.status, ran.json())
    }
}

#[test]
fn an_image_is_installed_from_a_web_server() {
    let bench = Bench::new();
    bench.file("v2.slotimg");
    let (status, done) = Server::busybox(&bench).install(&bench, "v2.slotimg");
    assert_eq!((status, &done["state"]), (0, &"trying".into()));
    bench.on_disk("verify b").ok();
}

#[test]
fn an_image_that_the_server_does_not_have_is_an_error_of_the_network() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let (status, answer) = Server::busybox(&bench).install(&bench, "nothing.slotimg");
    assert_eq!(status, 6, "{answer}");
    assert!(
        answer["error"]["found"].as_str().unwrap().contains("404"),
        "{answer}"
    );
    assert_eq!(answer["error"]["changed"], "nothing was written");
    assert!(before == bench.read("disk.img"));
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_the_network() {
    // Port 1 is nobody's.
    let words = "install http://127.0.0.1:1/v2.slotimg";
    Bench::new().refuses(words, 6, "network");
}

#[test]
fn a_connection_that_is_lost_touches_only_the_slot_that_is_written() {
    let bench = Bench::new();
    let before = bench.read("disk.img");
    let image = bench.read("v2.slotimg");
    let server = Server::answering(move |mut connection| {
        // Whatever is asked for: the request has to be read before the end, or
        // the kernel throws the answer away.
        let mut request = [0; 4096];
        let _ = connection.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", image.len());
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&image[..image.len() / 2]).unwrap();
    });
    let (status, answer) = server.install(&bench, "v2.slotimg");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (6, &"network".into()),
        "{answer}"
    );
    bench.only_slot_b_was_touched(&before);
    bench.next_install_works();
}
