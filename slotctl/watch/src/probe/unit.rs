//! A unit of systemd, as process 1 says over the bus how it is.

use super::bus::{Bus, Object, Refusal, Value};
use super::{Outcome, Trouble};
use std::path::Path;
use std::time::Duration;

const MANAGER: Object<'_> = Object {
    owner: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A unit, and how often it had been restarted when it was asked last.
#[derive(Debug)]
pub(super) struct Unit {
    name: String,
    restarts: Option<u32>,
}

/// What systemd says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    load: String,
    active: String,
    sub: String,
    /// Why it failed, and how often systemd has restarted it; of services alone.
    result: Option<String>,
    restarts: Option<u32>,
}

impl Unit {
    pub(super) fn new(name: String) -> Unit {
        let restarts = None;
        Unit { name, restarts }
    }

    /// Asks once.
    pub(super) fn ask(&mut self, bus: &Path, limit: Duration) -> Outcome {
        let said = self.said(bus, limit).map_err(|refusal| match refusal {
            // systemd itself: the unit cannot be loaded.
            Refusal::Error { name, words } if name.starts_with("org.freedesktop.systemd1.") => {
                Trouble::Fails(format!("{words} ({})", self.name))
            }
            refusal => refusal.unknown(&self.name),
        })?;
        self.judge(&said)
    }

    fn said(&self, bus: &Path, limit: Duration) -> Result<Said, Refusal> {
        let mut bus = Bus::connect(bus, limit)?;
        let path = text(bus.call(MANAGER, "LoadUnit", &[&self.name])?);
        let unit = Object {
            owner: MANAGER.owner,
            path: &path,
            interface: "org.freedesktop.DBus.Properties",
        };
        let mut get = |interface, property| bus.call(unit, "Get", &[interface, property]);
        let mut said = Said {
            load: text(get(UNIT, "LoadState")?),
            active: text(get(UNIT, "ActiveState")?),
            sub: text(get(UNIT, "SubState")?),
            ..Said::default()
        };
        if self.name.ends_with(".service") {
            said.result = Some(text(get(SERVICE, "Result")?));
            said.restarts = match get(SERVICE, "NRestarts")? {
                Value::Number(restarts) => Some(restarts),
                _ => None,
            };
        }
        Ok(said)
    }

    fn judge(&mut self, said: &Said) -> Outcome {
        let before = std::mem::replace(&mut self.restarts, said.restarts);
        let fails = |words: String| Err(Trouble::Fails(format!("{words} ({})", self.name)));
        match said.load.as_str() {
            "not-found" => return fails("there is no such unit".to_owned()),
            "masked" => return fails("masked".to_owned()),
            _ => {}
        }
        if !matches!(said.active.as_str(), "active" | "reloading") {
            let mut words = said.active.clone();
            if said.sub != said.active {
                words = format!("{words} ({})", said.sub);
            }
            match said.result.as_deref() {
                None | Some("" | "success") => {}
                Some(result) => words = format!("{words}, result {result}"),
            }
            return fails(words);
        }
        match (before, said.restarts) {
            (Some(before), Some(now)) if now > before => fails(format!(
                "restarted by systemd since it was asked last, {now} in all"
            )),
            _ => Ok(()),
        }
    }
}

/// Other values are no state that passes.
fn text(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(active: &str, sub: &str, restarts: u32) -> Said {
        Said {
            load: "loaded".to_owned(),
            active: active.to_owned(),
            sub: sub.to_owned(),
            result: Some("success".to_owned()),
            restarts: Some(restarts),
        }
    }

    fn judged(said: &[Said]) -> Vec<Result<(), String>> {
        let mut unit = Unit::new("x.service".to_owned());
        let plain = |outcome: Outcome| {
            outcome.map_err(|trouble| match trouble {
                Trouble::Fails(said) => said,
                Trouble::Unknown(said) => format!("unknown: {said}"),
            })
        };
        said.iter().map(|said| plain(unit.judge(said))).collect()
    }

    #[test]
    fn a_unit_passes_while_it_is_active() {
        let target = Said {
            result: None,
            restarts: None,
            ..service("active", "active", 0)
        };
        for said in [
            service("active", "running", 0),
            service("active", "exited", 0),
            service("reloading", "reload", 0),
            target,
        ] {
            assert_eq!(judged(std::slice::from_ref(&said)), [Ok(())], "{said:?}");
        }
    }

    #[test]
    fn one_that_is_not_active_is_quoted_as_systemd_says_it() {
        let failed = Said {
            result: Some("exit-code".to_owned()),
            ..service("failed", "failed", 0)
        };
        let restarting = Said {
            result: Some("signal".to_owned()),
            ..service("activating", "auto-restart", 3)
        };
        let missing = Said {
            load: "not-found".to_owned(),
            ..service("inactive", "dead", 0)
        };
        let masked = Said {
            load: "masked".to_owned(),
            ..service("inactive", "dead", 0)
        };
        let table = [
            (failed, "failed, result exit-code (x.service)"),
            (
                restarting,
                "activating (auto-restart), result signal (x.service)",
            ),
            (
                service("inactive", "dead", 0),
                "inactive (dead) (x.service)",
            ),
            (missing, "there is no such unit (x.service)"),
            (masked, "masked (x.service)"),
            (Said::default(), " (x.service)"),
        ];
        for (said, words) in table {
            assert_eq!(judged(&[said]), [Err(words.to_owned())]);
        }
    }

    #[test]
    fn one_that_systemd_restarts_again_and_again_fails_although_it_is_active_whenever_asked() {
        let active = |restarts| service("active", "running", restarts);
        let passes = judged(&[
            active(2),
            active(2),
            active(3),
            active(3),
            active(5),
            active(0),
            active(0),
        ]);
        let passes: Vec<bool> = passes.iter().map(Result::is_ok).collect();
        // Who resets the counter has not restarted it.
        assert_eq!(passes, [true, true, false, true, false, true, true]);
        let passes = judged(&[
            active(2),
            service("activating", "auto-restart", 3),
            active(3),
        ]);
        assert!(passes[2].is_ok(), "it failed once, not twice");
    }
}
