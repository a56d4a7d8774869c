//! An order as it is written: TOML, so that a person reads it and git shows what
//! changed. What is signed is the text itself, so that it needs no second encoding.

use super::{COUNTER_LIMIT, Controllers, LENGTH_MAX, Order, OrderId, Run, What, When, Window};
use crate::calendar::Calendar;
use crate::digest_of_hex;
use controller::duration;
use images::{Digest, hex};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest order with its signatures, in bytes.
pub const SIZE_MAX: usize = 64 * 1024;

const FORMAT: u32 = 1;
/// What stands for each controller.
const ALL: &str = "*";
/// The longest name of a controller, in bytes.
const NAME_MAX: usize = 128;

/// What is wrong in the text of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub(super) String);

fn mistake<T>(what: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake(what.into()))
}

/// Of an order nothing may be overlooked: what is not known may be a condition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct File {
    format: u32,
    counter: u64,
    controllers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approve: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<toml::value::Datetime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<toml::value::Datetime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    approval: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

/// The format of an order, whatever else it has.
#[derive(Deserialize)]
#[serde(expecting = "a table")]
struct Format {
    format: u32,
}

impl Order {
    /// Reads the text of an order.
    ///
    /// # Errors
    /// [`Mistake`].
    pub fn parse(text: &str) -> Result<Order, Mistake> {
        let wrong = |error: toml::de::Error| {
            let line = error.span().and_then(|at| text.get(..at.start));
            let line = line.map_or(1, |before| before.matches('\n').count() + 1);
            Mistake(format!("line {line}: {}", error.message()))
        };
        // Before the keys of a later format are called unknown.
        let Format { format } = toml::from_str(text).map_err(wrong)?;
        if format != FORMAT {
            return mistake(format!("format {format}, and known is {FORMAT}"));
        }
        let file: File = toml::from_str(text).map_err(wrong)?;
        let order = Order {
            counter: file.counter,
            controllers: match file.controllers.as_slice() {
                [all] if all == ALL => Controllers::All,
                _ => Controllers::Named(file.controllers.clone()),
            },
            what: file.what()?,
        };
        order.check()?;
        Ok(order)
    }

    /// The text of an order.
    ///
    /// # Errors
    /// [`Mistake`] if [`Order::parse`] would refuse it.
    pub fn to_text(&self) -> Result<String, Mistake> {
        self.check()?;
        let text = toml::to_string(&File::of(self)?);
        text.map_err(|error| Mistake(error.to_string()))
    }

    /// The rules that need more than one key.
    fn check(&self) -> Result<(), Mistake> {
        if !(1..COUNTER_LIMIT).contains(&self.counter) {
            return mistake(format!(
                "counter {} is not from 1 to 2^48 - 1",
                self.counter
            ));
        }
        if let Controllers::Named(names) = &self.controllers {
            if names.is_empty() {
                return mistake("no controllers: name them, or \"*\" for each");
            }
            check_names("controllers", names)?;
        }
        match &self.what {
            What::Run(run) => run.when.check(),
            What::Revoke(_) | What::Approve(_) => Ok(()),
        }
    }
}

impl When {
    fn check(&self) -> Result<(), Mistake> {
        if let (Some(before), Some(after)) = (self.not_before, self.not_after)
            && before >= after
        {
            return mistake(format!(
                "not_before {before} is not before not_after {after}"
            ));
        }
        let room = match (&self.window, self.not_before, self.not_after) {
            (Some(window), ..) => window.length,
            (None, Some(before), Some(after)) => {
                LENGTH_MAX.min(after.duration_since(before).unsigned_abs())
            }
            (None, Some(_), None) => LENGTH_MAX,
            (None, None, _) if self.spread.is_zero() => LENGTH_MAX,
            (None, None, _) => {
                return mistake("spread without a begin: a window, or not_before");
            }
        };
        if room.is_zero() || room > LENGTH_MAX {
            return mistake("window_length is not from 1s to 7 days");
        }
        if !self.spread.is_zero() && self.spread >= room {
            let room = duration::spell(room);
            return mistake(format!(
                "spread leaves the last no time: it is not below {room}"
            ));
        }
        check_names("after", &self.after)
    }
}

fn check_names(key: &str, names: &[String]) -> Result<(), Mistake> {
    for (place, name) in names.iter().enumerate() {
        if name == ALL {
            return mistake(format!("{key}: \"*\" beside or instead of names"));
        }
        if name.trim() != name || !(1..=NAME_MAX).contains(&name.len()) {
            return mistake(format!("{key}: {name:?} is no name, 1 to {NAME_MAX} bytes"));
        }
        if name.chars().any(char::is_control) {
            return mistake(format!("{key}: {name:?} has control characters"));
        }
        if names.iter().skip(place + 1).any(|other| other == name) {
            return mistake(format!("{key}: {name:?} is there twice"));
        }
    }
    Ok(())
}

impl File {
    fn what(&self) -> Result<What, Mistake> {
        let id = |key, text: &str| digest(key, text).map(OrderId);
        let kinds = (&self.release, &self.revoke, &self.approve);
        let what = match kinds {
            (Some(release), None, None) => {
                return Ok(What::Run(Box::new(Run {
                    release: digest("release", release)?,
                    configuration: match &self.configuration {
                        Some(text) => Some(digest("configuration", text)?),
                        None => None,
                    },
                    when: self.when()?,
                })));
            }
            (None, Some(order), None) => What::Revoke(id("revoke", order)?),
            (None, None, Some(order)) => What::Approve(id("approve", order)?),
            _ => return mistake("not just one of release, revoke and approve"),
        };
        // A condition on it would be overlooked.
        if self.configuration.is_some() || self.when()? != When::default() {
            return mistake("conditions on an order that does not name a release");
        }
        Ok(what)
    }

    fn when(&self) -> Result<When, Mistake> {
        let length = |key, text: &Option<String>| match text.as_deref().map(duration::parse) {
            None => Ok(None),
            Some(Some(length)) if length.subsec_nanos() == 0 => Ok(Some(length)),
            Some(_) => mistake(format!(
                "{key} is not {}, in whole seconds",
                duration::EXPECTED
            )),
        };
        let window = match (&self.window, length("window_length", &self.window_length)?) {
            (None, None) => None,
            (Some(begin), Some(length)) => Some(Window {
                begin: Calendar::parse(begin).map_err(|no| Mistake(format!("window: {no}")))?,
                length,
            }),
            _ => return mistake("window and window_length are not both there"),
        };
        Ok(When {
            not_before: moment("not_before", self.not_before)?,
            not_after: moment("not_after", self.not_after)?,
            window,
            spread: length("spread", &self.spread)?.unwrap_or_default(),
            approval: self.approval,
            after: self.after.clone(),
        })
    }

    fn of(order: &Order) -> Result<File, Mistake> {
        let mut file = File {
            format: FORMAT,
            counter: order.counter,
            controllers: match &order.controllers {
                Controllers::All => vec![ALL.to_owned()],
                Controllers::Named(names) => names.clone(),
            },
            release: None,
            revoke: None,
            approve: None,
            configuration: None,
            not_before: None,
            not_after: None,
            window: None,
            window_length: None,
            spread: None,
            approval: false,
            after: Vec::new(),
        };
        match &order.what {
            What::Run(run) => file.put(run)?,
            What::Revoke(id) => file.revoke = Some(id.to_string()),
            What::Approve(id) => file.approve = Some(id.to_string()),
        }
        Ok(file)
    }

    fn put(&mut self, run: &Run) -> Result<(), Mistake> {
        let When {
            not_before,
            not_after,
            window,
            spread,
            approval,
            after,
        } = &run.when;
        self.release = Some(hex(&run.release));
        self.configuration = run.configuration.as_ref().map(|digest| hex(digest));
        self.not_before = written(*not_before)?;
        self.not_after = written(*not_after)?;
        self.window = window.as_ref().map(|window| window.begin.to_string());
        self.window_length = window.as_ref().map(|window| duration::spell(window.length));
        let spread: &Duration = spread;
        self.spread = (!spread.is_zero()).then(|| duration::spell(*spread));
        self.approval = *approval;
        self.after.clone_from(after);
        Ok(())
    }
}

fn digest(key: &str, text: &str) -> Result<Digest, Mistake> {
    let wrong = || {
        Mistake(format!(
            "{key} {text:?} is not 64 hexadecimal digits in lower case"
        ))
    };
    digest_of_hex(text).ok_or_else(wrong)
}

fn moment(key: &str, time: Option<toml::value::Datetime>) -> Result<Option<Timestamp>, Mistake> {
    let Some(time) = time else {
        return Ok(None);
    };
    // Without an offset it would be another moment on each controller.
    match time.to_string().parse::<Timestamp>() {
        Ok(moment) if moment.subsec_nanosecond() == 0 => Ok(Some(moment)),
        _ => mistake(format!(
            "{key} {time} is no time such as 2026-12-24T03:00:00Z, with its offset and in whole seconds"
        )),
    }
}

fn written(moment: Option<Timestamp>) -> Result<Option<toml::value::Datetime>, Mistake> {
    let Some(moment) = moment else {
        return Ok(None);
    };
    let written = moment.to_string().parse();
    written
        .map(Some)
        .map_err(|_| Mistake(format!("{moment} is no time that can be written")))
}
