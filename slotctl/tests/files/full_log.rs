//! The event log on a disk that is full, through `watch`, which keeps it; and two of them.

use crate::bench::Bench;
use crate::environment::in_own_mounts;
use std::fs;

/// A place for the log with room for a folder, and a file as the kernel's log.
const PREPARED: &str = "
    log=log/slotctl/events.log
    mkdir log; mount -t tmpfs -o size=8k none log
    mkdir log/slotctl; mount --bind log /var/lib
    : >kmsg; mount --bind kmsg /dev/kmsg
    : >watchdog; mount -t tmpfs none /run
    watch() { timeout 60 \"$SLOTCTL\" --config slotctl.toml watch >/dev/null 2>said & }
    stop() { kill -INT $!; wait $!; }
    until_in() { until grep -qs \"$2\" \"$1\"; do kill -0 $!; sleep 0.05; done; }
";

/// A bench with a file as the watchdog, and a check that fails.
fn bench() -> Bench {
    let bench = Bench::new();
    let text = format!(
        "compatible = \"plc-4\"\n[watch]\ndevice = \"{}\"\nstable_for = \"1s\"\n[[check]]\nname = \"web\"\n\
         kind = \"command\"\ntarget = \"/bin/false\"\ninterval = \"1s\"\n",
        bench.file("watchdog").display()
    );
    fs::write(bench.file("slotctl.toml"), text).unwrap();
    bench
}

#[test]
fn a_full_disk_under_the_log_stops_nothing_and_the_kernel_is_told() {
    let bench = bench();
    in_own_mounts(
        &bench,
        &format!(
            "{PREPARED}
             dd if=/dev/zero of=log/rest 2>/dev/null || :
             watch; until_in kmsg 'check-failed: check web fails'; stop
             grep -q 'check web fails' said
             rm log/rest
             watch; until_in $log check-failed; stop
             slotctl log >after"
        ),
    )
    .ok();
    let said = String::from_utf8(bench.read("after")).unwrap();
    let lines = said.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["event"].as_str().unwrap().to_owned()
    });
    let events: Vec<_> = lines.collect();
    assert!(events.contains(&"check-failed".to_owned()), "{said}");
    assert_eq!(events.last().unwrap(), "watch-stopped", "{said}");
}

#[test]
fn a_clock_that_jumped_back_leaves_the_log_in_the_order_of_what_happened() {
    let bench = bench();
    let later = r#"{"time":"2999-01-01T00:00:00Z","boot":7,"uptime":5.0,"event":"confirmed","text":"slot b is good"}"#;
    fs::write(bench.file("later"), format!("{later}\n")).unwrap();
    let ran = in_own_mounts(
        &bench,
        &format!(
            "{PREPARED}
             cp later $log
             watch; until_in $log check-failed; stop
             slotctl log"
        ),
    )
    .ok();
    let first = ran.stdout.lines().next().unwrap();
    assert!(first.contains("2999-01-01"), "{}", ran.stdout);
    assert!(ran.stdout.lines().count() > 2, "{}", ran.stdout);
}

#[test]
fn a_second_watch_is_refused_and_the_first_goes_on() {
    let bench = bench();
    let ran = in_own_mounts(
        &bench,
        &format!(
            "{PREPARED}
             watch; until_in $log check-failed
             code=0; slotctl --config slotctl.toml watch >second || code=$?; test $code = 7
             kill -0 $!; stop; watch; until_in said 'check web fails'; stop
             cat second"
        ),
    );
    let error = ran.ok().error(0, "busy");
    assert_eq!(
        error["found"],
        "another `slotctl watch` runs on this controller"
    );
    assert_eq!(error["changed"], "it goes on, and nothing was changed");
}
