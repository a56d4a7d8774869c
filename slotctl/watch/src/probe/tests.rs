use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// Answers one request with `answer`, and gives back what was asked.
fn server(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 1024];
        let length = stream.read(&mut asked).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    };
    (address, std::thread::spawn(serve))
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn http_at(address: &str) -> Result<(), String> {
    ask(&Target::Http(format!("http://{address}/health")), LIMIT)
}

#[test]
fn a_health_page_that_says_yes_passes() {
    let (address, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(http_at(&address), Ok(()));
    assert!(
        asked
            .join()
            .unwrap()
            .starts_with("GET /health HTTP/1.1\r\n")
    );
}

#[test]
fn any_other_status_fails_and_is_named() {
    let table = [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "503",
        ),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "302",
        ),
    ];
    for (answer, status) in table {
        let (address, asked) = server(answer);
        let said = http_at(&address).unwrap_err();
        asked.join().unwrap();
        assert!(said.starts_with(&format!("status {status}")), "{said}");
        assert!(
            said.ends_with(&format!("(http://{address}/health)")),
            "{said}"
        );
    }
}

#[test]
fn what_is_not_http_fails() {
    let (address, asked) = server("SSH-2.0-OpenSSH\r\n");
    assert!(http_at(&address).is_err());
    asked.join().unwrap();
}

#[test]
fn nobody_there_is_said_in_plain_words() {
    let address = free_port();
    assert_eq!(
        http_at(&address),
        Err(format!("Connection refused (http://{address}/health)"))
    );
    assert_eq!(
        ask(&Target::Tcp(address.clone()), LIMIT),
        Err(format!("Connection refused ({address})"))
    );
}

#[test]
fn a_page_that_never_answers_fails_after_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(
        ask(&Target::Http(format!("http://{address}/")), SHORT),
        Err(format!("no answer within 200ms (http://{address}/)"))
    );
}

#[test]
fn an_open_port_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(ask(&Target::Tcp(address), LIMIT), Ok(()));
}
