//! Pages over TLS, of a server of OpenSSL's.

use super::questions::toml;
use super::{Controller, Test, Tested, named, prepare};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub fn tests() -> Vec<Test> {
    named![a_certificate_is_held_against_authorities_and_the_clock_is_not_productions_fault]
}

/// A program that must succeed.
fn run(folder: &Path, words: &str) {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap());
    let output = command.args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A certificate for 127.0.0.1 by the authority, valid from the begin of a year to that
/// of another.
fn certificate(folder: &Path, name: &str, years: (u32, u32)) {
    let template = format!(
        "cn = \"server\"\nip_address = 127.0.0.1\ntls_www_server\nsigning_key\n\
         activation_date = \"{}-01-01 00:00:00 UTC\"\nexpiration_date = \"{}-01-01 00:00:00 UTC\"\n",
        years.0, years.1
    );
    fs::write(folder.join("template"), template).unwrap();
    run(
        folder,
        &format!(
            "certtool --generate-certificate --template template --load-privkey key.pem \
             --load-ca-certificate ca.pem --load-ca-privkey key.pem --outfile {name}.pem"
        ),
    );
}

fn authority(folder: &Path, name: &str) {
    fs::write(
        folder.join("template"),
        format!("cn = \"{name}\"\nca\ncert_signing_key\nexpiration_days = 3650\n"),
    )
    .unwrap();
    run(
        folder,
        &format!(
            "certtool --generate-self-signed --template template --load-privkey key.pem --outfile {name}.pem"
        ),
    );
}

/// It says `200 ok` and how the connection is encrypted.
struct Server(Child, u16);

impl Server {
    fn start(folder: &Path, certificate: &str) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Command::new("openssl")
            .args(["s_server", "-www", "-key", "key.pem", "-cert"])
            .arg(format!("{certificate}.pem"))
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = said.map_while(Result::ok).any(|line| line == "ACCEPT");
        assert!(ready);
        Server(process, port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_certificate_is_held_against_authorities_and_the_clock_is_not_productions_fault() -> Tested {
    let own = tempfile::tempdir()?;
    let folder = own.path();
    run(
        folder,
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
    );
    authority(folder, "ca");
    authority(folder, "other");
    certificate(folder, "good", (2000, 2100));
    certificate(folder, "old", (2000, 2001));
    certificate(folder, "young", (2100, 2101));
    let servers = ["good", "old", "young"].map(|name| Server::start(folder, name));
    let [good, old, young] = servers.each_ref().map(|server| server.1);
    let page = |port: u16, ca: &str, contains: &str| {
        format!(
            "kind = \"http\"\ntarget = \"https://127.0.0.1:{port}/\"\n\
             ca = \"DIR/{ca}.pem\"\ncontains = \"{contains}\""
        )
    };
    let checks = [
        ("good", page(good, "ca", "Cipher")),
        ("text", page(good, "ca", "no such text")),
        ("other", page(good, "other", "Cipher")),
        ("old", page(old, "ca", "Cipher")),
        ("young", page(young, "ca", "Cipher")),
        ("none", page(good, "none", "Cipher")),
    ];
    let checks = checks.each_ref().map(|(name, text)| (*name, text.as_str()));
    fs::write(folder.join("watchdog"), "")?;
    prepare(folder, &toml("2h", &checks), true);
    let mut plc = Controller::launch(folder);
    plc.expect_all(&[
        "check good passes",
        "check text fails: \"no such text\" is not in the answer (https://127.0.0.1:",
        "check other fails: invalid peer certificate: ",
        "check old could not be asked: invalid peer certificate: ",
        "check young could not be asked: invalid peer certificate: ",
        &format!(
            "check none could not be asked: {}/none.pem: ",
            folder.display()
        ),
    ]);
    Ok(())
}
