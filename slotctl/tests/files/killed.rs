//! `kill -9` of an install at random moments, from the first byte of the image
//! to behind the flip.

use crate::bench::Bench;
use bootshim::record::{SlotId, State};
use fakedisk::noise;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const KILLS: u32 = if cfg!(feature = "long") { 200 } else { 20 };
/// Another one tries other moments.
const SEED: u32 = 0x5107;

/// When an install is killed.
struct Moment {
    /// So many bytes of the image were taken from us by then.
    fed: usize,
    /// So much later, in parts of 2^16 of what its end takes.
    later: u32,
}

impl Moment {
    /// Of four kills one comes within the head of the image, one somewhere in
    /// it, and two while the install ends: flush, read back, manifest, flip.
    fn random(number: u32, image: usize) -> Moment {
        let bytes = noise(&format!("kill {SEED} {number}"), 8);
        let dice = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let below = |limit: usize| usize::try_from(dice(0)).unwrap() % limit;
        Moment {
            fed: match number % 4 {
                0 => below(image / 16),
                1 => below(image),
                _ => image,
            },
            later: dice(4) % (1 << 16),
        }
    }
}

/// An install that reads its image from us.
fn begin(bench: &Bench) -> Child {
    let mut command = bench.command("--disk disk.img --quiet install -");
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Feeds the install, and kills it.
fn kill(bench: &Bench, image: &[u8], moment: &Moment, ending: Duration) {
    let mut child = begin(bench);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&image[..moment.fed]).unwrap();
    if moment.fed == image.len() {
        // The end of the pipe is the end of the image.
        drop(pipe);
    }
    std::thread::sleep(ending * moment.later / (1 << 16));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How long an install takes from the last byte of its image on.
fn ending(image: &[u8]) -> Duration {
    let bench = Bench::new();
    let mut child = begin(&bench);
    child.stdin.take().unwrap().write_all(image).unwrap();
    let began = Instant::now();
    assert!(child.wait().unwrap().success());
    began.elapsed()
}

#[test]
fn an_install_that_is_killed_at_any_moment_leaves_a_controller_that_boots_and_installs() {
    let image = Bench::new().read("v2.slotimg");
    let ending = ending(&image);
    let [mut before, mut writing, mut flipped] = [0; 3];
    for number in 0..KILLS {
        let bench = Bench::new();
        let disk = bench.read("disk.img");
        kill(&bench, &image, &Moment::random(number, image.len()), ending);
        bench.nothing_but_slot_b_was_touched(&disk);
        let (next, phase) = match bench.record().slot(SlotId::new(1).unwrap()).state {
            State::Empty => ("a", &mut before),
            State::Writing => ("a", &mut writing),
            State::Trying => ("b", &mut flipped),
            other => panic!("kill {number}: slot b is {other}"),
        };
        *phase += 1;
        assert_eq!(bench.ask("next-boot")["slot"], next, "kill {number}");
        bench.on_disk(&format!("verify {next}")).ok();
        bench.next_install_works();
    }
    // Past the harness, which shows only what failed.
    let mut screen = std::io::stdout();
    writeln!(
        screen,
        "kill -9: {KILLS} installs, seed {SEED:#x}: {before} killed before the record said \
         writing, {writing} while it did, {flipped} after the flip, 0 violations"
    )
    .unwrap();
}
