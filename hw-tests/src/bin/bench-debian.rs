//! `bench-debian`: what slotctl costs a controller with a Debian, on an emulated machine:
//! how long production stands still over an update, beside a restart of the same Debian
//! without slotctl; its first start; sizes; the memory of its service. The figures go to
//! `target/bench/debian.json`.

use hw_tests::machine::{Answers, Error, Machine, START, WebServer, target};
use hw_tests::pipeline::Pipeline;
use hw_tests::standstill::{Standstill, follow, medians, restart};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const ROUNDS: usize = 5;
/// For all starts of one machine.
const LIFE: Duration = Duration::from_secs(3600);

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-debian: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Error> {
    let pipeline = Pipeline::of_debian("bench-debian", 1..=2)?;
    let disk = pipeline.disk("factory.img", 512)?;
    let mut machine = pipeline
        .machine("bench-debian")
        .life(LIFE)
        .disk(&disk)
        .start()?;
    let answers = machine.answers()?;
    let first = follow(&mut machine, &answers, Duration::ZERO, Duration::ZERO)?;
    println!("first start: {}", first.fields());
    let good = rounds("good slot", || restart(&mut machine, &answers))?;
    let memory = memory(&mut machine)?;
    println!("memory: {memory}");
    install(&pipeline, &mut machine)?;
    let updates = rounds("update", || update(&mut machine, &answers))?;
    drop((answers, machine));

    let disk = target().join("plain-debian.img");
    let mut machine = pipeline
        .machine("bench-plain")
        .life(LIFE)
        .disk(disk)
        .start()?;
    let answers = machine.answers()?;
    follow(&mut machine, &answers, Duration::ZERO, Duration::ZERO)?;
    let plain = rounds("plain", || restart(&mut machine, &answers))?;

    let figures = json!({
        "first_start": first.fields(),
        "update": medians(&updates),
        "good": medians(&good),
        "plain": medians(&plain),
        "memory": memory,
        "sizes": sizes(&pipeline)?,
    });
    let directory = target().join("bench");
    let file = directory.join("debian.json");
    let failed = || Error::host(file.display().to_string());
    std::fs::create_dir_all(&directory).map_err(failed())?;
    std::fs::write(&file, format!("{figures:#}\n")).map_err(failed())?;
    println!("{figures:#}\n{}", file.display());
    Ok(())
}

fn rounds(
    name: &str,
    mut once: impl FnMut() -> Result<Standstill, Error>,
) -> Result<Vec<Standstill>, Error> {
    let seen = std::iter::repeat_with(|| {
        let seen = once()?;
        println!("{name}: {}", seen.fields());
        Ok(seen)
    });
    seen.take(ROUNDS).collect()
}

/// Version 2 into slot b, over HTTP, for the updates that follow.
fn install(pipeline: &Pipeline, machine: &mut Machine) -> Result<(), Error> {
    let server = WebServer::new(pipeline.directory())?;
    let address = server.url_for_machine(&Pipeline::image(2));
    does(
        machine,
        &format!("slotctl install --slot b --no-activate {address}"),
    )
}

/// The slot that does not run goes on trial and is confirmed: what an update does once it
/// is installed.
fn update(machine: &mut Machine, answers: &Answers) -> Result<Standstill, Error> {
    let other = match machine
        .status()?
        .get("running")
        .is_some_and(|slot| slot == "a")
    {
        true => "b",
        false => "a",
    };
    does(machine, &format!("slotctl activate {other}"))?;
    let seen = restart(machine, answers)?;
    machine.expect("slotctl watch: confirmed", START)?;
    Ok(seen)
}

fn does(machine: &mut Machine, words: &str) -> Result<(), Error> {
    let ran = machine.run_within(words, START)?;
    match ran.status {
        0 => Ok(()),
        _ => Err(machine.not_as_expected(words, &ran.stderr)),
    }
}

/// The memory of `slotctl watch` on a good slot, in bytes: its share of what it has in
/// memory, and what systemd counts, which has the pages of its program's file, too.
fn memory(machine: &mut Machine) -> Result<Value, Error> {
    let mut number = |words: &str| {
        let said = machine.run(words)?.stdout;
        let number: Result<u64, _> = said.trim().parse();
        number.map_err(|_| machine.not_as_expected("a number", &said))
    };
    let share = "pid=$(systemctl show -P MainPID slotctl-watch); \
        awk '/^Pss:/ { print $2 }' /proc/$pid/smaps_rollup";
    Ok(json!({
        "watch_pss": number(share)? << 10,
        "watch_current": number("systemctl show -P MemoryCurrent slotctl-watch")?,
    }))
}

/// In bytes.
fn sizes(pipeline: &Pipeline) -> Result<Value, Error> {
    let length = |path: &Path| {
        let data = std::fs::metadata(path).map_err(Error::host(path.display().to_string()))?;
        Ok::<_, Error>(data.len())
    };
    let part = |name: &str| length(Path::new(&pipeline.part(name)));
    let version = env!("CARGO_PKG_VERSION");
    let package = |name: &str| length(&target().join(format!("deb/{name}_{version}_amd64.deb")));
    Ok(json!({
        "image": length(&pipeline.directory().join(Pipeline::image(1)))?,
        "root": part("root-v1.erofs")?,
        "initrd": part("initrd.img")?,
        "slotctl.deb": package("slotctl")?,
        "slotctl-initramfs.deb": package("slotctl-initramfs")?,
    }))
}
