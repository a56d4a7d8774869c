//! https://, with an authority of one's own and with those of the system.

use super::nginx::{Nginx, openssl};
use super::yard::{Yard, serving};
use crate::ran::says;
use std::fs;

/// Words that name a configuration with this authority.
fn trusting(yard: &Yard, ca: &str) -> String {
    let file = yard.bench.directory().join("slotctl.toml");
    let text = format!("compatible = \"plc-4\"\n[source]\nca = {ca:?}\n");
    fs::write(&file, text).unwrap();
    format!("--config {}", file.display())
}

fn trusting_nginx(yard: &Yard, nginx: &Nginx) -> String {
    trusting(yard, &nginx.authority().display().to_string())
}

#[test]
fn an_image_comes_over_tls_from_a_server_that_the_named_authority_vouches_for() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let config = trusting_nginx(&yard, &nginx);
    yard.installs(&format!("{} {config}", nginx.tls_url("wide.slotimg")));
    assert!(nginx.log().len() > 6);
}

#[test]
fn a_server_that_nobody_known_vouches_for_is_refused() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let error = yard.refuses(&nginx.tls_url("wide.slotimg"), 6, "bad-certificate");
    says(&error["advice"], "[source]");
    assert!(nginx.log().is_empty());
}

#[test]
fn no_variable_of_the_environment_adds_an_authority() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let authority = nginx.authority().display().to_string();
    let variables = [("SSL_CERT_FILE", authority.as_str()), ("SSL_CERT_DIR", "/")];
    let ran = yard.install_with(&nginx.tls_url("small.slotimg"), &variables);
    ran.error(6, "bad-certificate");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let config = trusting_nginx(&yard, &nginx);
    let address = format!("https://localhost:{}/wide.slotimg", nginx.tls_port);
    yard.refuses(&format!("{address} {config}"), 6, "bad-certificate");
}

#[test]
fn a_file_of_authorities_that_is_missing_or_broken_is_one_clear_error() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let broken = yard.bench.directory().join("broken.pem");
    let key = yard.bench.directory().join("key.pem");
    openssl(
        yard.bench.directory(),
        "genpkey -algorithm ed25519 -out key.pem",
    );
    let pem = fs::read_to_string(nginx.authority()).unwrap();
    fs::write(&broken, pem.replace("MII", "MIJ")).unwrap();
    for ca in [
        "/nowhere/ca.pem",
        broken.to_str().unwrap(),
        key.to_str().unwrap(),
    ] {
        let config = trusting(&yard, ca);
        let words = format!("{} {config}", nginx.tls_url("small.slotimg"));
        let error = yard.refuses(&words, 2, "bad-ca");
        assert!(error["found"].as_str().unwrap().starts_with(ca), "{error}");
    }
    // Who does not use TLS does not need it.
    let config = trusting(&yard, "/nowhere/ca.pem");
    yard.installs(&format!("{} {config}", nginx.url("small.slotimg")));
}

#[test]
fn an_authority_has_an_absolute_path() {
    let yard = Yard::new();
    let config = trusting(&yard, "ca.pem");
    let words = format!("https://127.0.0.1:1/x {config}");
    let error = yard.fails(&words, 2, "bad-config");
    says(&error["found"], "line 3");
}

#[test]
fn a_redirect_leads_to_tls_and_never_away_from_it() {
    let lines = "location /up/ { return 302 https://127.0.0.1:PORT_TLS/small.slotimg; }\n\
                 location /down/ { return 302 http://127.0.0.1:PORT/small.slotimg; }";
    let (yard, nginx) = (Yard::new(), serving(lines));
    let config = trusting_nginx(&yard, &nginx);
    let down = format!("{} {config}", nginx.tls_url("down/"));
    let error = yard.refuses(&down, 6, "network");
    says(&error["found"], "away from https");
    yard.installs(&format!("{} {config}", nginx.url("up/")));
}
