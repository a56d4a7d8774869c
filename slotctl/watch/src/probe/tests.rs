use super::*;
use config::{Importance, Page};
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

fn ask(target: Target, limit: Duration) -> Outcome {
    let mut ask = of(&Check {
        name: "x".to_owned(),
        target,
        interval: LIMIT,
        timeout: limit,
        grace: Duration::ZERO,
        successes: 1,
        failures: 1,
        importance: Importance::Required,
    });
    ask()
}

fn fails(said: impl Into<String>) -> Outcome {
    Err(Trouble::Fails(said.into()))
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Err(Trouble::Fails(said)) => said,
        other => panic!("{other:?}"),
    }
}

fn page(address: &str) -> Page {
    Page {
        address: format!("http://{address}/health"),
        ca: None,
    }
}

fn http(address: &str, limit: Duration) -> Outcome {
    let target = Target::Http {
        page: page(address),
        status: None,
        contains: None,
    };
    ask(target, limit)
}

fn http_at(address: &str) -> Outcome {
    http(address, LIMIT)
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
        let said = failure(http_at(&address));
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
        fails(format!("Connection refused (http://{address}/health)"))
    );
    assert_eq!(
        ask(Target::Tcp(address.clone()), LIMIT),
        fails(format!("Connection refused ({address})"))
    );
}

#[test]
fn a_page_that_never_answers_fails_after_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(
        http(&address, SHORT),
        fails(format!("no answer within 200ms (http://{address}/health)"))
    );
    assert_eq!(
        ask(Target::Postgresql(Place::Port(address.clone())), SHORT),
        fails(format!("no answer within 200ms ({address})"))
    );
}

#[test]
fn an_open_port_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(ask(Target::Tcp(address), LIMIT), Ok(()));
}

#[test]
fn a_status_and_a_text_can_be_demanded() {
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 14\r\n\r\nplease, log in";
    let table = [
        (Some(401), None, ""),
        (Some(401), Some("log in"), ""),
        (Some(200), Some("log in"), "status 401 Unauthorized"),
        (None, Some("log in"), "status 401 Unauthorized"),
        (
            Some(401),
            Some("welcome"),
            "\"welcome\" is not in the answer",
        ),
    ];
    for (status, contains, said) in table {
        let (address, asked) = server(answer);
        let target = Target::Http {
            page: page(&address),
            status,
            contains: contains.map(str::to_owned),
        };
        let expected = match said {
            "" => Ok(()),
            said => fails(format!("{said} (http://{address}/health)")),
        };
        assert_eq!(ask(target, LIMIT), expected);
        asked.join().unwrap();
    }
}

/// Writes for as long as somebody reads.
#[test]
fn a_page_without_end_is_read_to_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let target = Target::Http {
        page: page(&address),
        status: None,
        contains: Some("y".to_owned()),
    };
    assert_eq!(
        ask(target, LIMIT),
        fails(format!(
            "\"y\" is not in the answer (http://{address}/health)"
        ))
    );
    serve.join().unwrap();
}

#[test]
fn what_a_page_says_is_held_against_the_bounds() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\nlag 7\nother x\nnan NaN";
    let answer: &'static str = Box::leak(answer.replace("17", "21").into_boxed_str());
    let table = [
        ("lag", Some(7.0), Some(7.0), ""),
        ("lag", None, Some(6.5), "7, at most 6.5"),
        ("lag", Some(8.0), None, "7, at least 8"),
        ("other", Some(8.0), None, "\"x\" is no number"),
        ("nan", None, Some(8.0), "NaN, at most 8"),
        ("la", Some(8.0), None, "no line \"la\""),
    ];
    for (series, min, max, said) in table {
        let (address, asked) = server(answer);
        let target = Target::Metric {
            source: Source::Page(page(&address)),
            series: Some(series.to_owned()),
            min,
            max,
        };
        let expected = match said {
            "" => Ok(()),
            said => fails(format!("{said} (http://{address}/health)")),
        };
        assert_eq!(ask(target, LIMIT), expected, "{series}");
        asked.join().unwrap();
    }
}

#[test]
fn a_name_without_an_address_is_not_known_to_fail() {
    let target = Target::Tcp("nowhere.invalid:80".to_owned());
    let said = "no address (nowhere.invalid:80)".to_owned();
    assert_eq!(ask(target, LIMIT), Err(Trouble::Unknown(said)));
}

#[test]
fn a_kind_that_is_not_known_is_asked_in_vain() {
    let why =
        controller::error::Error::new(controller::code::Code::UnsupportedCheck, "kind `ping`");
    let said = "kind `ping`".to_owned();
    assert_eq!(
        ask(Target::Unknown(why), LIMIT),
        Err(Trouble::Unknown(said))
    );
}
