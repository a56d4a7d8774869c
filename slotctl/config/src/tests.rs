use super::*;
use controller::code::Code;
use proptest::prelude::*;

fn parsed(text: &str) -> Result<Config> {
    parse(text, Path::new("/etc/slotctl/slotctl.toml"))
}

const WHOLE: &str = r#"
compatible = "plc-4"

[watch]
device = "/dev/watchdog1"
timeout = "30s"
deadline = "3min"
stable_for = "90s"
shutdown_max = "1h"

[[check]]
name = "web"
kind = "http"
target = "http://127.0.0.1:8080/health"
interval = "1s"
timeout = "2s"

[[check]]
name = "database"
kind = "tcp"
target = "[::1]:5432"

[[check]]
name = "fieldbus"
kind = "command"
target = "/usr/bin/fieldbus --ask  all"

[[check]]
name = "unit"
kind = "systemd"
target = "production.service"
"#;

#[test]
fn a_whole_file_is_read_as_it_is_written() {
    let config = parsed(WHOLE).unwrap();
    assert_eq!(config.compatible, "plc-4");
    assert_eq!(
        config.watch,
        Watch {
            device: PathBuf::from("/dev/watchdog1"),
            timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(180),
            stable_for: Duration::from_secs(90),
            shutdown_max: Duration::from_secs(3600),
        }
    );
    let targets: Vec<Target> = config.checks.iter().map(|c| c.target.clone()).collect();
    let command = ["/usr/bin/fieldbus", "--ask", "all"].map(str::to_owned);
    assert_eq!(
        targets,
        [
            Target::Http("http://127.0.0.1:8080/health".into()),
            Target::Tcp("[::1]:5432".into()),
            Target::Command(command.to_vec()),
            Target::Systemd("production.service".into()),
        ]
    );
    assert_eq!(config.checks[0].interval, Duration::from_secs(1));
    assert_eq!(config.checks[1].interval, Duration::from_secs(5));
    assert_eq!(config.checks[1].timeout, Duration::from_secs(5));
    assert!(config.unknown_keys.is_empty());
}

#[test]
fn all_but_compatible_has_a_default() {
    let config = parsed("compatible = \"plc-4\"").unwrap();
    assert_eq!(config.watch, Watch::default());
    assert!(config.checks.is_empty());
}

#[test]
fn unknown_keys_are_named_and_do_not_stop_anything() {
    let text = "compatible = \"plc-4\"\ncolour = 1\n[watch]\nmood = \"good\"\n[[check]]\nname = \"web\"\nkind = \"tcp\"\ntarget = \"a:1\"\nretries = 3\n[new]\nx = 1\n";
    let mut unknown = parsed(text).unwrap().unknown_keys;
    unknown.sort();
    assert_eq!(unknown, ["check.0.retries", "colour", "new", "watch.mood"]);
}

fn with_watch(line: &str) -> String {
    format!("compatible = \"plc-4\"\n[watch]\n{line}\n")
}

fn with_check(lines: &str) -> String {
    format!("compatible = \"plc-4\"\n[[check]]\nname = \"web\"\n{lines}\n")
}

#[test]
fn every_mistake_is_named_with_line_and_column_and_what_was_expected() {
    let check = "[[check]]\nname = \"web\"\nkind = \"tcp\"\ntarget = \"a:1\"\n";
    let table: Vec<(String, &str, &str, &str)> = vec![
        (
            String::new(),
            "line 1, column 1",
            "missing field `compatible`",
            "",
        ),
        (
            "compatible = 5".into(),
            "line 1, column 14",
            "integer `5`",
            "a string",
        ),
        (
            "compatible = \"\"".into(),
            "line 1, column 14",
            "0 characters",
            "1 to 128",
        ),
        (
            "compatible = \"a\\nb\"".into(),
            "line 1, column 14",
            "a\\nb",
            "no control",
        ),
        (
            "compatible = \"plc-4\"\n[watch".into(),
            "line 2, column 7",
            "table",
            "]",
        ),
        (
            "compatible = \"a\"\ncompatible = \"b\"".into(),
            "line 2, column 1",
            "duplicate key",
            "",
        ),
        (
            with_watch("timeout = 60"),
            "line 3, column 11",
            "integer `60`",
            "a duration such as `90s`",
        ),
        (
            with_watch("timeout = \"60\""),
            "line 3, column 11",
            "\"60\"",
            "a duration such as `90s`",
        ),
        (
            with_watch("timeout = \"0s\""),
            "line 3, column 11",
            "0s",
            "whole seconds",
        ),
        (
            with_watch("timeout = \"1500ms\""),
            "line 3, column 11",
            "1s 500ms",
            "whole seconds",
        ),
        (
            with_watch("timeout = \"20h\""),
            "line 3, column 11",
            "20h",
            "65535s",
        ),
        (
            with_watch("deadline = \"0s\""),
            "line 3, column 12",
            "0s",
            "more than 0s",
        ),
        (
            with_watch("deadline = \"99 years\""),
            "line 3, column 12",
            "99 years",
            "at most 30 days",
        ),
        (
            with_watch("device = \"watchdog\""),
            "line 3, column 10",
            "watchdog",
            "an absolute path",
        ),
        (
            with_watch("  stable_for = true"),
            "line 3, column 16",
            "boolean `true`",
            "a duration",
        ),
        (
            with_check("kind = \"tcp\""),
            "line 2, column 1",
            "missing field `target`",
            "",
        ),
        (
            with_check("kind = \"ping\""),
            "line 4, column 8",
            "`ping`",
            "`http`, `tcp`, `command`, `systemd`",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"https://a/\""),
            "line 5, column 10",
            "https://a/",
            "http://",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"/health\""),
            "line 5, column 10",
            "/health",
            "http://",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a\""),
            "line 5, column 10",
            "\"a\"",
            "host and port",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:0\""),
            "line 5, column 10",
            "a:0",
            "host and port",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:70000\""),
            "line 5, column 10",
            "a:70000",
            "host and port",
        ),
        (
            with_check("kind = \"command\"\ntarget = \"true\""),
            "line 5, column 10",
            "true",
            "absolute path",
        ),
        (
            with_check("kind = \"systemd\"\ntarget = \"a b\""),
            "line 5, column 10",
            "a b",
            "production.service",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\ninterval = \"1ms\""),
            "line 6, column 12",
            "1ms",
            "at least 100ms",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\ninterval = \"4min\""),
            "line 6, column 12",
            "no time before the deadline of 5min",
            "less than the deadline",
        ),
        (
            format!("compatible = \"a\"\n[watch]\ndeadline = \"30s\"\n{check}"),
            "line 3, column 12",
            "stable_for 1min",
            "less than the deadline",
        ),
        (
            format!("compatible = \"a\"\n{check}{check}"),
            "line 7, column 8",
            "\"web\" is there twice",
            "one name",
        ),
        (
            format!("compatible = \"a\"\nwatch = 3\n{check}"),
            "line 2, column 9",
            "integer `3`",
            "a table",
        ),
    ];
    for (text, place, found, expected) in table {
        let error = parsed(&text).unwrap_err();
        assert_eq!(error.code, Code::BadConfig, "{text}");
        let said = &error.found;
        assert!(said.starts_with("/etc/slotctl/slotctl.toml, "), "{said}");
        assert!(
            said.contains(&format!("{place}:")),
            "{text}\n{place}\n{said}"
        );
        assert!(said.contains(found), "{text}\n{said}");
        assert!(
            error.expected.contains(expected),
            "{text}\n{said}\n{}",
            error.expected
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_missing_file_is_no_mistake() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(load(&directory.path().join("slotctl.toml")), Ok(None));
}

#[test]
fn a_file_that_is_no_text_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("slotctl.toml");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = load(&path).unwrap_err();
    assert!(error.found.contains("UTF-8"), "{error}");
}

#[test]
fn the_example_that_is_shipped_is_a_good_one() {
    let config = parsed(include_str!("../../dist/slotctl.toml")).unwrap();
    assert_eq!(config.watch, Watch::default());
    assert!(config.unknown_keys.is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\PC|\n)*") {
        let _ = parsed(&text);
    }

    #[test]
    fn a_good_file_cut_anywhere_is_read_or_refused_in_one_line(at in 0usize..700) {
        let cut = WHOLE.get(..at.min(WHOLE.len())).unwrap();
        if let Err(error) = parsed(cut) {
            prop_assert!(!error.to_string().contains('\n'));
            prop_assert!(error.found.contains("line "));
        }
    }
}

#[test]
fn a_configuration_that_was_named_must_be_there() {
    let error = find(Some(Path::new("nowhere.toml"))).unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

#[test]
fn the_authorities_of_servers_are_named_by_an_absolute_path() {
    let with = |source: &str| parsed(&format!("compatible = \"plc-4\"\n[source]\n{source}\n"));
    let config = with("ca = \"/etc/slotctl/ca.pem\"").unwrap();
    assert_eq!(config.source.ca, Some(PathBuf::from("/etc/slotctl/ca.pem")));
    assert_eq!(with("").unwrap().source, Download::default());
    assert_eq!(with("cb = 1").unwrap().unknown_keys, ["source.cb"]);
    let error = with("ca = \"ca.pem\"").unwrap_err();
    assert!(error.found.contains("line 3, column 6"), "{error}");
}
