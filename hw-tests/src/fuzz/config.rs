//! `slotctl.toml`.

use config::Importance;
use controller::code::Code;
use std::path::Path;
use std::time::Duration;

/// Any text gives a configuration that makes sense, or one clear mistake.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match config::parse(text, Path::new("slotctl.toml")) {
        Ok(config) => {
            let watch = &config.watch;
            assert!(!config.compatible.is_empty() && watch.device.is_absolute());
            assert!(watch.timeout >= Duration::from_secs(1));
            assert!(watch.timeout <= Duration::from_secs(65_535));
            for (place, check) in config.checks.iter().enumerate() {
                let before = &config.checks[..place];
                assert!(before.iter().all(|other| other.name != check.name));
                assert!(!check.name.contains(char::is_control));
                assert!(check.interval.min(check.timeout) >= Duration::from_millis(100));
                assert!((1..=1000).contains(&check.successes));
                assert!((1..=1000).contains(&check.failures));
                let passes = check.interval * check.successes;
                let decides = check.importance == Importance::Required;
                let needed = check.grace + passes + watch.stable_for;
                assert!(!decides || needed < watch.deadline);
            }
        }
        Err(error) => {
            assert_eq!(error.code, Code::BadConfig);
            assert!(error.found.starts_with("slotctl.toml"));
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
