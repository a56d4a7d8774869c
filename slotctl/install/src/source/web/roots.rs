//! The authorities that a server's certificate must be from.

use controller::code::Code;
use controller::error::{Error, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::path::Path;
use ureq::tls::{PemItem, RootCerts, parse_pem};

/// Where Debian keeps those of the system. No variable of the environment leads
/// elsewhere.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Those in `ca`, or else those of the system.
pub(super) fn load(ca: Option<&Path>) -> Result<RootCerts> {
    let path = ca.unwrap_or(Path::new(SYSTEM));
    let failed = |found: String| {
        let found = format!("{}: {found}", path.display());
        let error = Error::new(Code::BadCa, found)
            .expected("https:// needs certificates of authorities, in PEM");
        error.advice(match ca {
            Some(_) => "correct `ca` of [source] in slotctl.toml",
            None => {
                "install ca-certificates, or name the authority of the server as `ca` of [source] in slotctl.toml"
            }
        })
    };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut roots = Vec::new();
    let mut store = RootCertStore::empty();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => {
                let der = CertificateDer::from(certificate.der().to_vec());
                match store.add(der) {
                    Ok(()) => roots.push(certificate.to_owned()),
                    // Of a few hundred of the system one may be odd.
                    Err(_) if ca.is_none() => {}
                    Err(error) => return Err(failed(error.to_string())),
                }
            }
            Ok(_) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    if roots.is_empty() {
        return Err(failed("no certificate is in it".into()));
    }
    Ok(RootCerts::new_with_certs(&roots))
}
