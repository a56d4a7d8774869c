//! A page of production. Every time over a new connection, without a proxy: production
//! is asked, nobody in between.

use super::{Outcome, Reading, Trouble, one_line, plain, too_slow, value_in};
use config::{Page, tls};
use rustls::CertificateError as Certificate;
use std::io::Read;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

/// So much of an answer is read, at most.
const BODY_MAX: u64 = 1 << 20;

/// A page, and what it is asked with.
pub(super) struct Web {
    page: Page,
    limit: Duration,
    /// Made when it is first asked: the authorities may come with a file system.
    agent: Option<Agent>,
}

impl Web {
    pub(super) fn new(page: Page, limit: Duration) -> Web {
        let agent = None;
        Web { page, limit, agent }
    }

    /// Asks once, for an answer with this status, or one of 200 to 299, and this text.
    pub(super) fn passes(&mut self, status: Option<u16>, contains: Option<&str>) -> Outcome {
        let mut answer = self.get()?;
        let said = answer.status();
        let wanted = match status {
            Some(status) => said.as_u16() == status,
            None => said.is_success(),
        };
        if !wanted {
            return Err(self.fails(format!("status {said}")));
        }
        let Some(wanted) = contains else {
            return Ok(());
        };
        let body = self.body(&mut answer)?;
        if String::from_utf8_lossy(&body).contains(wanted) {
            return Ok(());
        }
        Err(self.fails(format!("{wanted:?} is not in the answer")))
    }

    /// The number that it says.
    pub(super) fn number(&mut self, series: Option<&str>) -> Result<Reading, Trouble> {
        let mut answer = self.get()?;
        if !answer.status().is_success() {
            return Err(self.fails(format!("status {}", answer.status())));
        }
        let body = self.body(&mut answer)?;
        let text = String::from_utf8_lossy(&body);
        match value_in(&text, series) {
            Some(value) => Ok(Reading {
                value: one_line(
                    value
                        .get(..value.floor_char_boundary(64))
                        .unwrap_or_default(),
                ),
                whose: self.page.address.clone(),
            }),
            None => Err(self.fails(format!("no line {:?}", series.unwrap_or_default()))),
        }
    }

    fn get(&mut self) -> Result<Response<Body>, Trouble> {
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.new_agent()?,
        };
        let answer = agent.get(&self.page.address).call();
        self.agent = Some(agent);
        answer.map_err(|error| self.trouble(&error))
    }

    fn new_agent(&self) -> Result<Agent, Trouble> {
        let mut config = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(self.limit))
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections(0);
        if self.page.address.starts_with("https:") {
            let tls = tls::with_authorities(self.page.ca.as_deref(), "the check");
            let tls = tls.map_err(|error| Trouble::Unknown(error.to_string()))?;
            config = config.tls_config(tls);
        }
        Ok(config.build().new_agent())
    }

    fn body(&self, answer: &mut Response<Body>) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        let mut reader = answer.body_mut().as_reader().take(BODY_MAX);
        match reader.read_to_end(&mut body) {
            Ok(_) => Ok(body),
            Err(error) => Err(self.trouble(&ureq::Error::Io(error))),
        }
    }

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        let address = &self.page.address;
        let said = |words: String| format!("{words} ({address})");
        match error {
            ureq::Error::Timeout(_) => Trouble::Fails(too_slow(self.limit, address)),
            ureq::Error::HostNotFound => Trouble::Unknown(said("no address".to_owned())),
            ureq::Error::Rustls(error) => self.of_tls(error),
            ureq::Error::Io(error) => {
                let inner = error.get_ref();
                let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
                let inner = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>());
                match (tls, inner) {
                    (Some(error), _) => self.of_tls(error),
                    (None, Some(inner)) => self.trouble(inner),
                    (None, None) => Trouble::Fails(said(plain(error))),
                }
            }
            error => Trouble::Fails(said(one_line(&error.to_string()))),
        }
    }

    /// By a clock that is years off, no certificate is valid: that says nothing of
    /// production.
    fn of_tls(&self, error: &rustls::Error) -> Trouble {
        let words = format!("{} ({})", one_line(&error.to_string()), self.page.address);
        let rustls::Error::InvalidCertificate(why) = error else {
            return Trouble::Fails(words);
        };
        match why {
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => Trouble::Unknown(words),
            _ => Trouble::Fails(words),
        }
    }

    fn fails(&self, words: String) -> Trouble {
        Trouble::Fails(format!("{words} ({})", self.page.address))
    }
}
