//! Programs as checks: what they say, and that nothing is left of them.

use super::{Controller, Test, Tested, named};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

pub fn tests() -> Vec<Test> {
    named![
        a_program_passes_by_its_exit_status_and_is_quoted_where_it_fails,
        a_program_that_hangs_is_ended_with_all_that_it_began,
        what_a_program_leaves_behind_is_ended_whatever_its_session,
        a_program_has_clean_signals_and_no_descriptors_of_ours,
        a_program_can_end_its_own_children_by_a_signal,
        a_hundred_runs_leave_no_descriptor_and_no_process,
    ]
}

/// A check whose program is not there.
const NO_FILE: &str = "";

/// A controller with one check for each of these scripts.
fn controller(scripts: &[(&str, &str)], interval: &str, timeout: &str) -> Controller {
    controller_by(Controller::start_in, scripts, interval, timeout)
}

fn controller_by(
    start: fn(&Path, &str) -> Controller,
    scripts: &[(&str, &str)],
    interval: &str,
    timeout: &str,
) -> Controller {
    let own = tempfile::tempdir().unwrap();
    let mut toml = "compatible = \"plc-4\"\n\
         [watch]\ndevice = \"DIR/watchdog\"\ndeadline = \"2h\"\nstable_for = \"100ms\"\n"
        .to_owned();
    for (name, script) in scripts {
        let path = own.path().join(name);
        let script = script.replace("DIR", own.path().to_str().unwrap());
        // The only programs that a controller of these tests finds are its own.
        let path_of_all = "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin";
        fs::write(&path, format!("#!/bin/bash\n{path_of_all}\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        if script == NO_FILE {
            fs::remove_file(&path).unwrap();
        }
        toml.push_str(&format!(
            "[[check]]\nname = \"{name}\"\nkind = \"command\"\ntarget = \"DIR/{name}\"\n\
             interval = \"{interval}\"\ntimeout = \"{timeout}\"\n"
        ));
    }
    let mut controller = start(own.path(), &toml);
    controller.own = Some(own);
    controller
}

/// The processes that descend from the one that watches: they have its environment.
fn processes(controller: &Controller) -> Vec<String> {
    let mark = controller.directory.to_str().unwrap().as_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let about = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        if about("environ")
            .windows(mark.len())
            .any(|part| part == mark)
        {
            let words = String::from_utf8_lossy(&about("cmdline")).replace('\0', " ");
            found.push(format!("{} {words}", entry.file_name().display()));
        }
    }
    found
}

/// What was killed is gone in a moment; what is left behind in these tests lives for minutes.
#[track_caller]
pub fn nothing_is_left(controller: &Controller) {
    let begun = Instant::now();
    loop {
        let found = processes(controller);
        if found.len() == 1 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{found:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_program_passes_by_its_exit_status_and_is_quoted_where_it_fails() -> Tested {
    let mut plc = controller(
        &[
            ("true", "exit 0"),
            ("loud", "yes | head -c 1000000"),
            ("three", "exit 3"),
            ("bus", "echo starting; echo no bus >&2; exit 1"),
            ("killed", "kill -9 $$"),
            ("missing", NO_FILE),
        ],
        "200ms",
        "5s",
    );
    let directory = plc.directory.display().to_string();
    plc.expect_all(&[
        "check true passes",
        "check loud passes",
        &format!("check three fails: exit status 3 ({directory}/three)"),
        &format!("check bus fails: exit status 1, no bus ({directory}/bus)"),
        &format!("check killed fails: ended by signal 9 ({directory}/killed)"),
        &format!("check missing fails: No such file or directory ({directory}/missing)"),
    ]);
    Ok(())
}

/// All the ways of a process to be on its own.
const STRAYS: &str = "
    sleep 200 &
    setsid sleep 200 &
    (setsid bash -c 'sleep 200 & exit' &)
    setsid -f timeout 200 sleep 200
    nohup sleep 200 >/dev/null 2>&1 &
    setsid bash -c \"trap '' TERM INT HUP; sleep 200\" &
    until [ \"$(pgrep -g 0,$$ -c sleep)\" -ge 1 ]; do :; done
";

fn a_program_that_hangs_is_ended_with_all_that_it_began() -> Tested {
    let script = format!("{STRAYS}\nsleep 1000");
    let mut plc = controller(&[("hangs", &script)], "1h", "500ms");
    plc.expect("check hangs fails: no answer within 500ms");
    nothing_is_left(&plc);
    Ok(())
}

fn what_a_program_leaves_behind_is_ended_whatever_its_session() -> Tested {
    let script = format!("{STRAYS}\necho gone; exit 1");
    for start in [Controller::start_in, Controller::start_without_groups] {
        let mut plc = controller_by(start, &[("leaves", &script)], "1h", "20s");
        plc.expect("check leaves fails: exit status 1, gone");
        nothing_is_left(&plc);
    }
    Ok(())
}

fn a_program_has_clean_signals_and_no_descriptors_of_ours() -> Tested {
    let script = "sed -n 's/^Sig\\(Blk\\|Ign\\):.//p' /proc/self/status >DIR/signals
        ls /proc/self/fd >DIR/open
        exit 1";
    let mut plc = controller(&[("looks", script)], "1h", "20s");
    plc.expect("check looks fails: exit status 1");
    // Two signals are the C library's own: nobody can set them.
    let own = 3 << 31;
    for (line, what) in plc
        .file("signals")
        .unwrap()
        .lines()
        .zip(["blocked", "ignored"])
    {
        let signals = u64::from_str_radix(line, 16).unwrap();
        assert_eq!(signals & !own, 0, "{what}");
    }
    // The last is the folder that it reads.
    assert_eq!(plc.file("open").unwrap(), "0\n1\n2\n3\n");
    Ok(())
}

fn a_program_can_end_its_own_children_by_a_signal() -> Tested {
    let script = "timeout 0.1 sleep 1000; echo timeout $?; exit 1";
    let mut plc = controller(&[("probe", script)], "1h", "20s");
    plc.expect("check probe fails: exit status 1, timeout 124");
    Ok(())
}

fn a_hundred_runs_leave_no_descriptor_and_no_process() -> Tested {
    let script = "
        until [ -p DIR/go ]; do :; done
        setsid sleep 1000 &
        echo turn >DIR/turns
        read -r _ <DIR/go";
    let plc = controller(&[("again", script)], "100ms", "60s");
    let fifo = |name: &str| {
        let path = plc.directory.join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        // For both, so that opening waits for nobody.
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    let mut turns = BufReader::new(fifo("turns")).lines();
    // The program waits for this one.
    let mut go: File = fifo("go");
    let open = Path::new("/proc")
        .join(plc.process.id().to_string())
        .join("fd");
    let mut counts = Vec::new();
    for _ in 0..100 {
        turns.next().unwrap().unwrap();
        counts.push((fs::read_dir(&open).unwrap().count(), processes(&plc).len()));
        go.write_all(b"go\n").unwrap();
    }
    // The first may see a thread that has not begun yet.
    let later = &counts[10..];
    let most = |count: fn(&(usize, usize)) -> usize| {
        let (early, late) = later.split_at(later.len() / 2);
        (early.iter().map(count).max(), late.iter().map(count).max())
    };
    for (early, late) in [most(|count| count.0), most(|count| count.1)] {
        assert!(late <= early, "{counts:?}");
    }
    Ok(())
}
