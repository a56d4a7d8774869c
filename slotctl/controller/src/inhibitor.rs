//! Who holds up a restart: programs with an inhibitor lock of systemd's, such as a
//! backup that must not be cut off. Asked of logind, which keeps the locks, since
//! `systemctl reboot` asks nobody when root calls it. (Its `--check-inhibitors` would
//! also refuse wherever another user is logged in.)

use crate::child;
use std::time::{Duration, Instant};

/// How long the bus may take: logind may have to be started first.
const ANSWER: Duration = Duration::from_secs(10);

const LIST: [&str; 6] = [
    "--json=short",
    "call",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "ListInhibitors",
];

/// What it is for, who has it, why, its mode, and the numbers of user and process.
type Lock = (String, String, String, String, u32, u32);

#[derive(serde::Deserialize)]
struct Answer {
    data: (Vec<Lock>,),
}

/// Those that hold up a restart, in words; or why nobody says.
pub(crate) fn holders() -> Result<Vec<String>, String> {
    let answer = child::ask("busctl", &LIST, Instant::now() + ANSWER)?;
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|error| format!("busctl: {error}"))?;
    Ok(answer.data.0.iter().filter_map(holder).collect())
}

/// A lock of mode `delay` is waited for by logind itself, and the holder of one of mode
/// `block-weak` (systemd 257) leaves it to root.
fn holder((what, who, why, mode, _, process): &Lock) -> Option<String> {
    let holds = mode == "block" && what.split(':').any(|what| what == "shutdown");
    holds.then(|| format!("{who} (process {process}), \"{why}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_blocks_a_shutdown_holds_up_a_restart() {
        let said = |what: &str, mode: &str| {
            let [what, who, why, mode] = [what, "backup", "it runs", mode].map(str::to_owned);
            holder(&(what, who, why, mode, 0, 49))
        };
        let named = Some("backup (process 49), \"it runs\"".to_owned());
        assert_eq!(said("shutdown", "block"), named);
        assert_eq!(said("sleep:shutdown:idle", "block"), named);
        assert_eq!(said("sleep:idle:handle-power-key", "block"), None);
        assert_eq!(said("shutdown", "delay"), None);
        assert_eq!(said("shutdown", "block-weak"), None);
    }
}
