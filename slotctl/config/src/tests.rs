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
grace = "30s"
successes = 2
failures = 3
importance = "informative"

[[check]]
name = "site"
kind = "http"
target = "https://localhost/"
status = 401
contains = "log in"
ca = "/etc/slotctl/site.pem"

[[check]]
name = "alive"
kind = "heartbeat"
target = "/run/production/alive"
max_age = "20s"

[[check]]
name = "bus"
kind = "dbus"
target = "org.example.Production"

[[check]]
name = "rows"
kind = "postgresql"
target = "/run/postgresql/.s.PGSQL.5432"

[[check]]
name = "lag"
kind = "metric"
target = "http://127.0.0.1:9100/metrics"
series = 'lag_seconds{line="2"}'
min = 0
max = 1.5
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
    let page = |address: &str, ca: Option<&str>| Page {
        address: address.to_owned(),
        ca: ca.map(PathBuf::from),
    };
    assert_eq!(
        targets,
        [
            Target::Http {
                page: page("http://127.0.0.1:8080/health", None),
                status: None,
                contains: None,
            },
            Target::Tcp("[::1]:5432".into()),
            Target::Command(command.to_vec()),
            Target::Systemd("production.service".into()),
            Target::Http {
                page: page("https://localhost/", Some("/etc/slotctl/site.pem")),
                status: Some(401),
                contains: Some("log in".into()),
            },
            Target::Heartbeat {
                file: PathBuf::from("/run/production/alive"),
                max_age: Duration::from_secs(20),
            },
            Target::Dbus("org.example.Production".into()),
            Target::Postgresql(Place::Socket("/run/postgresql/.s.PGSQL.5432".into())),
            Target::Metric {
                source: Source::Page(page("http://127.0.0.1:9100/metrics", None)),
                series: Some("lag_seconds{line=\"2\"}".into()),
                min: Some(0.0),
                max: Some(1.5),
            },
        ]
    );
    let manners = |check: &Check| {
        let row = (check.successes, check.failures);
        (check.grace.as_secs(), row, check.importance)
    };
    assert_eq!(
        manners(&config.checks[0]),
        (0, (1, 1), Importance::Required)
    );
    assert_eq!(
        manners(&config.checks[3]),
        (30, (2, 3), Importance::Informative)
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
            with_check("kind = 3\ntarget = \"a:1\""),
            "line 4, column 8",
            "integer `3`",
            "a string",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"ftp://a/\""),
            "line 5, column 10",
            "ftp://a/",
            "https://",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"http://a/\"\nstatus = 99"),
            "line 6, column 10",
            "99",
            "100 to 599",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"http://a/\"\nstatus = \"ok\""),
            "line 6, column 10",
            "\"ok\"",
            "",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"http://a/\"\ncontains = \"\""),
            "line 6, column 12",
            "0 characters",
            "1 to 256",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"https://a/\"\nca = \"ca.pem\""),
            "line 6, column 6",
            "ca.pem",
            "an absolute path",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"http://a/\"\nca = \"/ca.pem\""),
            "line 6, column 6",
            "http://a/",
            "`https://` address alone",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\nstatus = 200"),
            "line 6, column 10",
            "`status` in a check of the kind `tcp`",
            "`http` alone",
        ),
        (
            with_check("kind = \"dbus\"\ntarget = \"a.b\"\nca = \"/ca.pem\""),
            "line 6, column 6",
            "`ca` in a check of the kind `dbus`",
            "`http` and `metric` alone",
        ),
        (
            with_check("kind = \"http\"\ntarget = \"http://a/\"\nmax_age = \"9s\""),
            "line 6, column 11",
            "`max_age`",
            "`heartbeat` alone",
        ),
        (
            with_check("kind = \"heartbeat\"\ntarget = \"/run/alive\""),
            "line 4, column 8",
            "without max_age",
            "`max_age`",
        ),
        (
            with_check("kind = \"heartbeat\"\ntarget = \"alive\"\nmax_age = \"9s\""),
            "line 5, column 10",
            "alive",
            "absolute path",
        ),
        (
            with_check("kind = \"heartbeat\"\ntarget = \"/run/alive\"\nmax_age = \"4s\""),
            "line 6, column 11",
            "4s",
            "interval of 5s",
        ),
        (
            with_check("kind = \"dbus\"\ntarget = \"production\""),
            "line 5, column 10",
            "production",
            "org.example.Production",
        ),
        (
            with_check("kind = \"dbus\"\ntarget = \":1.7\""),
            "line 5, column 10",
            ":1.7",
            "org.example.Production",
        ),
        (
            with_check("kind = \"postgresql\"\ntarget = \"5432\""),
            "line 5, column 10",
            "5432",
            ".s.PGSQL.5432",
        ),
        (
            with_check("kind = \"metric\"\ntarget = \"/run/lag\""),
            "line 4, column 8",
            "without min or max",
            "`min`, `max` or both",
        ),
        (
            with_check("kind = \"metric\"\ntarget = \"/run/lag\"\nmin = 2\nmax = 1.5"),
            "line 7, column 7",
            "max 1.5 below min 2",
            "",
        ),
        (
            with_check("kind = \"metric\"\ntarget = \"/run/lag\"\nmin = nan"),
            "line 6, column 7",
            "NaN",
            "finite",
        ),
        (
            with_check("kind = \"metric\"\ntarget = \"lag\"\nmin = 1"),
            "line 5, column 10",
            "lag",
            "absolute path",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\nsuccesses = 0"),
            "line 6, column 13",
            "0",
            "1 to 1000",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\nfailures = -1"),
            "line 6, column 12",
            "`-1`",
            "",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\nimportance = \"some\""),
            "line 6, column 14",
            "`some`",
            "`required` or `informative`",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\ngrace = \"4min\""),
            "line 6, column 9",
            "stable_for 1min, grace 4min and interval 5s",
            "less than the deadline",
        ),
        (
            with_check("kind = \"tcp\"\ntarget = \"a:1\"\nsuccesses = 100"),
            "line 6, column 13",
            "100 times the interval 5s",
            "less than the deadline",
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
    fn a_good_file_cut_anywhere_is_read_or_refused_in_one_line(at in 0usize..1500) {
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

/// A slot may be older than the file that it reads.
#[test]
fn a_kind_that_is_not_known_is_no_mistake_and_says_where_it_stands() {
    let config = parsed(&with_check("kind = \"ping\"\ntarget = 5")).unwrap_err();
    assert_eq!(config.code, Code::BadConfig, "what is no text is one");
    let text = with_check("kind = \"ping\"\ntarget = \"a\"\nhops = 3");
    let config = parsed(&text).unwrap();
    assert_eq!(config.unknown_keys, ["check.0.hops"]);
    let Target::Unknown(error) = &config.checks[0].target else {
        panic!("{:?}", config.checks)
    };
    assert_eq!(error.code, Code::UnsupportedCheck);
    let said = error.to_string();
    assert!(
        said.starts_with(
            "/etc/slotctl/slotctl.toml, line 4, column 8: kind `ping`, which this version does not know, expected `http`, `tcp`, "
        ),
        "{said}"
    );
}

#[test]
fn what_never_decides_need_not_be_confirmed_in_time() {
    let slow = "kind = \"tcp\"\ntarget = \"a:1\"\ninterval = \"1h\"";
    assert!(parsed(&with_check(slow)).is_err());
    let slow = format!("{slow}\nimportance = \"informative\"");
    assert!(parsed(&with_check(&slow)).is_ok());
}

/// The files of packages, by their names.
fn packaged(own: &str, files: &[(&str, &str)]) -> (Config, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut config = parsed(&format!("compatible = \"plc-4\"\n{own}")).unwrap();
    let wrong = add_packaged(&mut config, folder.path());
    let place = folder.path().display().to_string();
    let plain = |text: String| text.replace(&place, "D");
    let wrong = wrong.iter().map(|error| plain(error.to_string())).collect();
    let unknown_keys = std::mem::take(&mut config.unknown_keys);
    config.unknown_keys = unknown_keys.into_iter().map(plain).collect();
    (config, wrong)
}

fn tcp(name: &str, port: u16) -> String {
    format!("[[check]]\nname = \"{name}\"\nkind = \"tcp\"\ntarget = \"a:{port}\"\n")
}

fn names(config: &Config) -> Vec<&str> {
    config
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect()
}

#[test]
fn packages_bring_their_checks_in_the_order_of_their_names() {
    let (web, rows, temporary) = (tcp("web", 80), tcp("rows", 5432), tcp("new", 1));
    let files = [
        ("50-web.toml", web.as_str()),
        ("10-rows.toml", &rows),
        ("20-none.toml", ""),
        ("web.toml.dpkg-new", &temporary),
    ];
    let (config, wrong) = packaged(&tcp("own", 1), &files);
    assert_eq!(names(&config), ["own", "rows", "web"]);
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut config = parsed("compatible = \"plc-4\"").unwrap();
    let nowhere = add_packaged(&mut config, Path::new("/nonexistent/checks.d"));
    assert_eq!((nowhere, config.checks), (vec![], vec![]));
}

#[test]
fn a_check_of_a_package_is_replaced_by_a_persons_of_the_same_name() {
    let broken = "[[check]]\nname = \"web\"\nkind = \"tcp\"\ntarget = \"nowhere\"\n";
    for theirs in [&tcp("web", 80), broken] {
        let (config, wrong) = packaged(&tcp("web", 8080), &[("web.toml", theirs)]);
        assert_eq!(config.checks.len(), 1);
        assert_eq!(config.checks[0].target, Target::Tcp("a:8080".into()));
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn two_packages_with_one_name_are_a_mistake_that_names_both() {
    let files = [("a.toml", tcp("web", 80)), ("b.toml", tcp("web", 81))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let (config, wrong) = packaged("", &files);
    assert_eq!(config.checks[0].target, Target::Tcp("a:80".into()));
    assert_eq!(
        wrong,
        [
            "D/b.toml, line 2, column 8: check \"web\" is in D/a.toml, too, expected one name each; correct the file"
        ]
    );
    // Whoever has named it has chosen.
    let (config, wrong) = packaged(&tcp("web", 8080), &files);
    assert_eq!((names(&config), wrong), (vec!["web"], vec![]));
}

#[test]
fn a_broken_file_of_a_package_costs_its_own_checks_alone() {
    let twice = tcp("x", 1).repeat(2);
    let seldom = tcp("seldom", 1) + "interval = \"1h\"\n";
    let odd = tcp("odd", 1) + "colour = 1\n[watch]\ndeadline = \"1h\"\n";
    let files = [
        ("a.toml", "[[check]"),
        ("b.toml", &twice),
        ("c.toml", &seldom),
        ("d.toml", &odd),
    ];
    let (config, wrong) = packaged(&tcp("own", 1), &files);
    assert_eq!(names(&config), ["own", "odd"]);
    let begins = ["D/a.toml, line 1", "D/b.toml, line 6", "D/c.toml, line 5"];
    assert_eq!(wrong.len(), begins.len(), "{wrong:?}");
    for (wrong, begin) in wrong.iter().zip(begins) {
        assert!(wrong.starts_with(begin), "{wrong}");
    }
    // Rules are for persons to make.
    assert_eq!(config.watch, Watch::default());
    assert_eq!(
        config.unknown_keys,
        ["check.0.colour (D/d.toml)", "watch (D/d.toml)"]
    );
}
