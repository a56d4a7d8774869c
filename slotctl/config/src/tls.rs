//! What is spoken with servers: the authorities that their certificates must be from.

use controller::code::Code;
use controller::error::{Error, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Where Debian keeps those of the system. No variable of the environment leads
/// elsewhere.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How servers are spoken with whose certificates are from the authorities in `ca`, or
/// else from those of the system. `table` of the configuration names `ca`.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn with_authorities(ca: Option<&Path>, table: &str) -> Result<TlsConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(load(ca, table)?)
        .unversioned_rustls_crypto_provider(provider);
    Ok(tls.build())
}

fn load(ca: Option<&Path>, table: &str) -> Result<RootCerts> {
    let path = ca.unwrap_or(Path::new(SYSTEM));
    let failed = |found: String| {
        let found = format!("{}: {found}", path.display());
        let error = Error::new(Code::BadCa, found)
            .expected("https:// needs certificates of authorities, in PEM");
        error.advice(match ca {
            Some(_) => format!("correct `ca` of {table} in slotctl.toml"),
            None => format!("install ca-certificates, or name the authority of the server as `ca` of {table} in slotctl.toml"),
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
