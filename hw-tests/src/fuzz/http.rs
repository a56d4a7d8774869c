//! What a web server answers.

use controller::code::Exit;
use controller::error::Error;
use install::source::{Patience, Settings, Source};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

/// A server in this process that says the same to everybody.
struct Server {
    address: String,
}

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);
/// One case at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A server that says the same to everybody is not worth waiting for.
const HASTY: Patience = Patience {
    stall: Duration::from_secs(5),
    window: Duration::from_secs(5),
    attempts: 2,
    pause: Duration::from_millis(1),
};

/// Whatever a server says, the image that came from it is read to its end or
/// there is an error: of the network, or of the image.
pub fn http(data: &[u8]) {
    // A server may send a client elsewhere; a test must not go there.
    let lower = data.to_ascii_lowercase();
    if lower.windows(8).any(|word| word == b"location") {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *ANSWER.lock().unwrap() = data.to_vec();
    let error = match Source::open_with(&SERVER.address, &Settings::default(), HASTY) {
        Ok(source) => read(source).err(),
        Err(error) => {
            assert_eq!(error.exit(), Exit::Network, "{error:?}");
            Some(error)
        }
    };
    if let Some(error) = error {
        assert!(
            matches!(error.exit(), Exit::Network | Exit::NotAuthentic),
            "{error:?}"
        );
    }
}

fn read(mut source: Source) -> Result<(), Error> {
    let (header, _) = source.head()?;
    let (mut at, mut left) = (header.payload_offset(), header.payload_len);
    let mut part = vec![0; 4096];
    while left > 0 {
        let length = left.min(4096);
        part.truncate(usize::try_from(length).unwrap());
        // One after another, as many as the header claims.
        let end = at.saturating_add(length);
        source.want(std::iter::once(at..end).collect())?;
        at = end;
        source.fill(&mut part, images::Part::Chunk(0))?;
        left -= length;
    }
    source.end(&header)
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/image", listener.local_addr().unwrap());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that has gone is no failure.
                let _ = answer(client);
            }
        });
        Server { address }
    }
}

fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match client.read(&mut request[length..])? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    let answer = ANSWER.lock().unwrap().clone();
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Write)
}
