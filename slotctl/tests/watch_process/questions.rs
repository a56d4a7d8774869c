//! Checks that packages bring, of a later version, and of files; and what is left of a
//! question that hangs.

use super::programs::nothing_is_left;
use super::{BAD_MANNERS, Controller, Test, Tested, is_root, named, prepare};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub fn tests() -> Vec<Test> {
    named![
        a_heartbeat_passes_while_the_file_is_written_and_fails_when_it_is_not,
        a_number_in_a_file_is_held_against_its_bounds,
        a_file_that_hangs_is_given_up_and_nothing_is_left_of_the_question,
        packages_vouch_for_a_trial_and_a_broken_file_of_one_fails_it,
        a_broken_file_of_a_package_costs_a_good_slot_its_own_checks_alone,
        a_kind_of_a_later_version_confirms_nothing_and_is_named_at_the_deadline,
        without_a_bus_units_and_names_could_not_be_asked,
    ]
}

/// Rules, and these checks, each of which is asked ten times a second.
pub fn toml(deadline: &str, checks: &[(&str, &str)]) -> String {
    let mut toml = format!(
        "compatible = \"plc-4\"\n\
         [watch]\ndevice = \"DIR/watchdog\"\ndeadline = \"{deadline}\"\nstable_for = \"100ms\"\n"
    );
    for (name, rest) in checks {
        let often = if rest.contains("interval") {
            ""
        } else {
            "interval = \"100ms\"\n"
        };
        toml.push_str(&format!("[[check]]\nname = \"{name}\"\n{rest}\n{often}"));
    }
    toml
}

/// Begins to watch in a folder with these files.
fn start(toml: &str, on_trial: bool, files: &[(&str, &str)]) -> Controller {
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("watchdog"), "").unwrap();
    prepare(own.path(), toml, on_trial);
    for (name, text) in files {
        let path = own.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut controller = Controller::launch(own.path());
    controller.own = Some(own);
    controller
}

fn a_heartbeat_passes_while_the_file_is_written_and_fails_when_it_is_not() -> Tested {
    let alive = "kind = \"heartbeat\"\ntarget = \"DIR/alive\"\nmax_age = \"2s\"";
    let mut plc = start(&toml("2h", &[("alive", alive)]), false, &[]);
    plc.expect("check alive fails: it is not there (");
    let file = plc.directory.join("alive");
    let (stop, stopped) = channel::<()>();
    let beat = Duration::from_millis(100);
    let production = std::thread::spawn(move || {
        while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
            fs::write(&file, "").unwrap();
        }
    });
    plc.expect("check alive passes");
    drop(stop);
    production.join().unwrap();
    plc.expect("check alive fails: not written for ");
    Ok(())
}

fn a_number_in_a_file_is_held_against_its_bounds() -> Tested {
    let lag = "kind = \"metric\"\ntarget = \"DIR/lag\"\nmax = 10";
    let none = "kind = \"metric\"\ntarget = \"DIR/none\"\nmax = 10";
    let line = "kind = \"metric\"\ntarget = \"DIR/lines\"\nseries = 'lag{line=\"2\"}'\nmin = 1";
    let toml = toml("2h", &[("lag", lag), ("none", none), ("line", line)]);
    let files = [
        ("lag", "12.5\n"),
        ("lines", "lag{line=\"1\"} 0\nlag{line=\"2\"} 1\n"),
    ];
    let mut plc = start(&toml, false, &files);
    plc.expect_all(&[
        "check lag fails: 12.5, at most 10 (",
        "check none fails: it is not there (",
        "check line passes",
    ]);
    fs::write(plc.directory.join("lag"), "-3e0").unwrap();
    plc.expect("check lag passes");
    Ok(())
}

/// Nobody writes into the pipe.
fn a_file_that_hangs_is_given_up_and_nothing_is_left_of_the_question() -> Tested {
    let hangs = "kind = \"metric\"\ntarget = \"DIR/hangs\"\nmax = 10\n\
                 timeout = \"300ms\"\ninterval = \"1h\"\nimportance = \"informative\"";
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("watchdog"), "").unwrap();
    mkfifo(&own.path().join("hangs"), Mode::S_IRWXU).unwrap();
    prepare(own.path(), &toml("2h", &[("hangs", hangs)]), false);
    let mut plc = Controller::launch(own.path());
    plc.expect("check hangs (informative) fails: no answer within 300ms (");
    nothing_is_left(&plc);
    Ok(())
}

const PASSES: &str = "[[check]]\nname = \"theirs\"\nkind = \"command\"\ntarget = \"/bin/true\"\n\
                      interval = \"100ms\"\n";

fn packages_vouch_for_a_trial_and_a_broken_file_of_one_fails_it() -> Tested {
    let toml = toml("2h", &[]);
    let mut plc = start(&toml, true, &[("checks.d/a.toml", PASSES)]);
    plc.expect("confirmed: all checks passed for 100ms");
    let files = [("checks.d/a.toml", PASSES), ("checks.d/b.toml", PASSES)];
    let mut plc = start(&toml, true, &files);
    let folder = plc.directory.join("checks.d").display().to_string();
    plc.expect(&format!(
        "this start is given up: {folder}/b.toml, line 2, column 8: check \"theirs\" is in {folder}/a.toml, too"
    ));
    assert_eq!(plc.exit(), "GaveUp");
    Ok(())
}

fn a_broken_file_of_a_package_costs_a_good_slot_its_own_checks_alone() -> Tested {
    let files = [("checks.d/a.toml", "[[check"), ("checks.d/b.toml", PASSES)];
    let mut plc = start(&toml("2h", &[]), false, &files);
    plc.expect_all(&["; watching without the checks in it", "check theirs passes"]);
    plc.stop();
    assert_eq!(plc.exit(), "Stopped");
    Ok(())
}

fn a_kind_of_a_later_version_confirms_nothing_and_is_named_at_the_deadline() -> Tested {
    let later = "kind = \"ping\"\ntarget = \"10.0.0.1\"\nhops = 3";
    let known = "kind = \"command\"\ntarget = \"/bin/true\"";
    let mut plc = start(&toml("2s", &[("later", later), ("web", known)]), true, &[]);
    let place = plc.directory.join("slotctl.toml").display().to_string();
    plc.expect_all(&[
        "unknown key check.0.hops in the configuration is ignored",
        &format!("check later could not be asked: {place}, line 8, column 8: kind `ping`, which this version does not know"),
        "check web passes",
        &format!("this start is given up: check later: could not be asked: {place}, line 8, "),
    ]);
    assert_eq!(plc.exit(), "GaveUp");
    Ok(())
}

/// Watches where the system's bus is the one that listens in `bus`.
pub fn launch_with_bus(directory: &Path, bus: &Path) -> Controller {
    let user = if is_root() { "-m" } else { "-rm" };
    let script = format!(
        "PATH=/usr/sbin:/usr/bin
         mount -t tmpfs none /run && mkdir /run/dbus && mount --bind {} /run/dbus || exit
         PATH={}; {BAD_MANNERS}",
        bus.display(),
        directory.display(),
    );
    let mut unshare = Command::new("/usr/bin/unshare");
    unshare.args([user, "/bin/sh", "-c", &script]);
    Controller::launch_by(&mut unshare, directory)
}

fn without_a_bus_units_and_names_could_not_be_asked() -> Tested {
    let unit = "kind = \"systemd\"\ntarget = \"production.service\"";
    let name = "kind = \"dbus\"\ntarget = \"org.example.Production\"";
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("watchdog"), "").unwrap();
    fs::create_dir(own.path().join("bus")).unwrap();
    prepare(
        own.path(),
        &toml("2s", &[("unit", unit), ("name", name)]),
        true,
    );
    let mut plc = launch_with_bus(own.path(), &own.path().join("bus"));
    let why = "could not be asked: No such file or directory (/run/dbus/system_bus_socket)";
    plc.expect_all(&[
        &format!("check unit {why}"),
        &format!("check name {why}"),
        &format!("this start is given up: check unit: {why}, since "),
    ]);
    assert_eq!(plc.exit(), "GaveUp");
    let log = plc.file("events.log").unwrap();
    assert!(!log.contains("check-failed"), "{log}");
    Ok(())
}
