//! Addresses as people and servers write them.

use super::nginx::Nginx;
use super::rude::{Asked, Reply, Rude};
use super::yard::{Yard, small};
use crate::ran::says;

fn honest(asked: &Asked) -> Reply {
    Reply::honest(asked, small("v2.slotimg"))
}

/// Sends from `/release/i` to `location`, has the image at `there`, and nothing
/// else.
fn redirecting(location: &'static str, there: &'static str) -> Rude {
    Rude::new(move |asked| match asked.path() {
        "/release/i" => Reply::status("302 Found").with("location", location),
        path if path == there => honest(asked),
        _ => Reply::status("404 Not Found"),
    })
}

#[test]
fn a_redirect_is_followed_as_curl_follows_it() {
    for (location, there) in [
        (
            "/get?from=https://store.example/i",
            "/get?from=https://store.example/i",
        ),
        (
            "get?from=//store.example/i",
            "/release/get?from=//store.example/i",
        ),
        ("../store/i", "/store/i"),
        ("../../../store/./i", "/store/i"),
        ("/store/x/../i", "/store/i"),
        ("./i2", "/release/i2"),
        ("?part=1", "/release/i?part=1"),
        ("/a b/i", "/a%20b/i"),
        ("  /a  ", "/a"),
        ("/i2?n=\"i\"", "/i2?n=%22i%22"),
        ("/{a}|`b`^<c>\\", "/%7ba%7d%7c%60b%60%5e%3cc%3e%5c"),
        ("/i2?a[]=[1]", "/i2?a%5b%5d=%5b1%5d"),
        ("/bücher/i", "/b%c3%bccher/i"),
        ("/100%/i", "/100%25/i"),
        ("/a%20b%2Fc", "/a%20b%2fc"),
        ("/i2#part", "/i2"),
        ("//HOST/i2", "/i2"),
        ("http://HOST", "/"),
        ("HTTP://HOST?q", "/?q"),
        ("http://me@HOST/i2", "/i2"),
    ] {
        let server = match location.contains("HOST") {
            false => redirecting(location, there),
            true => {
                let other = redirecting("", there);
                let location = location.replace("HOST", other.address());
                let first =
                    Rude::new(move |_| Reply::status("302 Found").with("location", &location));
                Yard::new().installs(&first.url());
                continue;
            }
        };
        Yard::new().installs(&format!("http://{}/release/i", server.address()));
    }
}

#[test]
fn a_redirect_that_leads_nowhere_ends_it_and_nothing_else_is_asked_for() {
    for location in [
        "",
        "#part",
        "http://",
        "http:///i",
        "ftp://HOST/i",
        "http://a b/i",
        "http:i",
    ] {
        let server = redirecting(location, "/");
        let url = format!("http://{}/release/i", server.address());
        let error = Yard::new().refuses(&url, 6, "network");
        says(&error["found"], "redirect");
        assert_eq!(server.seen().len(), 1, "{location}");
    }
    let silent = Rude::new(|_| Reply::status("302 Found"));
    Yard::new().refuses(&silent.url(), 6, "network");
    assert_eq!(silent.seen().len(), 1);
}

#[test]
fn what_a_person_writes_is_read_as_leniently() {
    let server = Rude::new(|asked| match asked.path() {
        "/store/%c3%bc?x=%5b1%5d" => honest(asked),
        _ => Reply::status("404 Not Found"),
    });
    for written in [
        "/store/ü?x=[1]",
        "/x/../store/%C3%BC?x=[1]",
        "/store/ü?x=[1]#part",
    ] {
        Yard::new().installs(&format!("HTTP://{}{written}", server.address()));
    }
}

#[test]
fn user_and_password_are_decoded_once() {
    for (written, credentials) in [
        // user:pa@ss
        ("user:pa%40ss@", "dxnlcjpwyubzcw=="),
        ("user:pa@ss@", "dxnlcjpwyubzcw=="),
        // u%40:a+b
        ("u%2540:a+b@", "dsu0mdphk2i="),
        // me:
        ("me@", "bwu6"),
    ] {
        let server = Rude::new(honest);
        Yard::new().installs(&format!("http://{written}{}/image", server.address()));
        let expected = format!("authorization: basic {credentials}\r\n");
        let seen = server.seen();
        assert!(
            seen.iter().all(|one| one.text.contains(&expected)),
            "{written}: {}",
            seen[0].text
        );
    }
}

#[test]
fn user_and_password_of_a_proxy_are_decoded_once() {
    for written in ["user:pa%40ss@", "user:pa@ss@"] {
        let proxy = Rude::new(honest);
        let variable = format!("http://{written}{}", proxy.address());
        let ran =
            Yard::new().install_with("http://127.0.0.1:1/image", &[("http_proxy", &variable)]);
        ran.ok();
        let expected = "proxy-authorization: basic dxnlcjpwyubzcw==\r\n";
        assert!(proxy.seen().iter().all(|one| one.text.contains(expected)));
    }
}

#[test]
fn an_address_of_version_6_is_one_in_brackets() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        println!("no IPv6 here");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nginx = Nginx::new(&format!("listen [::1]:{port};"));
    Yard::serve(&nginx.files(), "small.slotimg", small("v2.slotimg"));
    Yard::new().installs(&format!("http://[::1]:{port}/small.slotimg"));
    let there = format!("http://[::1]:{port}/small.slotimg");
    let first = Rude::new(move |_| Reply::status("302 Found").with("location", &there));
    Yard::new().installs(&first.url());
}
