//! A web server that misbehaves as it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Serves one file at any path until it is dropped.
pub struct Rude {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    ending: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// A request, as it is answered.
pub struct Asked {
    /// Counted from 0.
    pub number: usize,
    pub range: Range<usize>,
    /// All of it, in small letters.
    pub text: String,
}

impl Asked {
    /// What stands in its first line, in small letters.
    pub fn path(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }
}

/// What it was asked for, and what it sent.
#[derive(Clone, Debug)]
pub struct Seen {
    pub range: Range<usize>,
    /// All of the request, in small letters.
    pub text: String,
    /// How many bytes of the file.
    pub sent: usize,
}

/// An answer; what makes it a wrong one is done to it afterwards.
pub struct Reply {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// What was cut off it.
    pub rest: Vec<u8>,
    pub then: Then,
}

/// What happens to the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Keep,
    Close,
    /// Nothing more, for as long as the client bears it.
    Silence,
    /// A byte every few milliseconds, for as long as the client bears it.
    Trickle,
}

impl Reply {
    fn new(status: &'static str, body: &[u8]) -> Reply {
        let reply = Reply {
            status,
            headers: Vec::new(),
            body: body.to_vec(),
            rest: Vec::new(),
            then: Then::Keep,
        };
        reply.with("content-length", &body.len().to_string())
    }

    /// What a server should say.
    pub fn honest(asked: &Asked, file: &[u8]) -> Reply {
        let part = asked.range.start..asked.range.end.min(file.len());
        Reply::new("206 Partial Content", &file[part.clone()]).says(part, file.len())
    }

    /// The whole file, whatever was asked for.
    pub fn whole(file: &[u8]) -> Reply {
        Reply::new("200 OK", file)
    }

    /// No file at all.
    pub fn status(status: &'static str) -> Reply {
        Reply::new(status, &[])
    }

    /// With this header instead of the one it has.
    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With the lengths of a part, whatever it has.
    pub fn says(self, part: Range<usize>, total: usize) -> Reply {
        let (first, last) = (part.start, part.end - 1);
        self.with("content-length", &part.len().to_string())
            .with("content-range", &format!("bytes {first}-{last}/{total}"))
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Reply {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Only the first so many bytes of it, where it has more.
    pub fn cut(mut self, length: usize, then: Then) -> Reply {
        if self.body.len() > length {
            self.rest = self.body.split_off(length);
            self.then = then;
        }
        self
    }
}

impl Rude {
    pub fn new(behave: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Rude {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ending = Arc::new(AtomicBool::new(false));
        let behave: Arc<Behaviour> = Arc::new(behave);
        let (log, flag) = (Arc::clone(&seen), Arc::clone(&ending));
        let listener = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let (log, behave) = (Arc::clone(&log), Arc::clone(&behave));
                thread::spawn(move || serve(client, &log, &*behave));
            }
        });
        Rude {
            address,
            seen,
            ending,
            listener: Some(listener),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/image", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the listener; without it there is nothing to wait for.
        if TcpStream::connect(&self.address).is_ok()
            && let Some(listener) = self.listener.take()
        {
            let _ = listener.join();
        }
    }
}

type Behaviour = dyn Fn(&Asked) -> Reply + Send + Sync;

fn serve(mut client: TcpStream, log: &Mutex<Vec<Seen>>, behave: &Behaviour) {
    client.set_nodelay(true).unwrap();
    while let Some(text) = request(&mut client) {
        let range = range(&text);
        let number = {
            let mut log = log.lock().unwrap();
            log.push(Seen {
                range: range.clone(),
                text: text.clone(),
                sent: 0,
            });
            log.len() - 1
        };
        let asked = Asked {
            number,
            range,
            text,
        };
        let reply = behave(&asked);
        log.lock().unwrap()[number].sent = match reply.status.starts_with('2') {
            true => reply.body.len(),
            false => 0,
        };
        let mut head = format!("HTTP/1.1 {}\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // A client that goes away is no failure.
        let sent = client
            .write_all(head.as_bytes())
            .and_then(|()| client.write_all(&reply.body));
        match reply.then {
            Then::Keep if sent.is_ok() => {}
            Then::Silence => {
                let _ = client.read(&mut [0; 64]);
                return;
            }
            Then::Trickle => {
                for byte in reply.rest {
                    if client.write_all(&[byte]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                return;
            }
            Then::Keep | Then::Close => {
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

fn request(client: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(text).unwrap().to_lowercase())
}

fn range(text: &str) -> Range<usize> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes="));
    let (first, last) = line.unwrap().split_once('-').unwrap();
    first.parse().unwrap()..last.parse::<usize>().unwrap() + 1
}

/// Every byte of a file was sent exactly once.
#[track_caller]
pub fn each_byte_once(seen: &[Seen], length: usize) {
    let mut sent: Vec<Range<usize>> = seen
        .iter()
        .map(|one| one.range.start..one.range.start + one.sent)
        .filter(|range| !range.is_empty())
        .collect();
    sent.sort_by_key(|range| range.start);
    let mut at = 0;
    for range in &sent {
        assert_eq!(range.start, at, "{sent:?}");
        at = range.end;
    }
    assert_eq!(at, length);
}
