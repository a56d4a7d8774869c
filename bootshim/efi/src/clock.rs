//! How long a start takes, by the counter of the processor: it is always there,
//! and reading it costs nothing.

use core::fmt;
use core::time::Duration;
use uefi::boot;

/// Where the processor does not say how fast it counts, it is held against the
/// firmware's idea of this long, this often. The shortest counts: whatever comes
/// between makes it longer.
const SAMPLES_PER_SECOND: u64 = 4000;
const SAMPLE: Duration = Duration::from_micros(1_000_000 / SAMPLES_PER_SECOND);
const SAMPLES: usize = 3;

/// A moment, or a length of time, in ticks of the counter.
pub type Ticks = u64;

/// Where the time of this start went, since the program began.
pub struct Clock {
    begun: Ticks,
    /// Kernel and initrd came from the disk into memory, which was made for them.
    pub reading: Ticks,
    /// They were hashed.
    pub hashing: Ticks,
    /// The firmware loaded the kernel.
    pub load_image: Ticks,
}

/// What a [`Clock`] shows; the rest of the whole is the program's own.
pub struct Shown {
    whole: u64,
    reading: u64,
    hashing: u64,
    load_image: u64,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Clock {
        Clock {
            begun: ticks(),
            reading: 0,
            hashing: 0,
            load_image: 0,
        }
    }

    /// Does something, and adds how long it took.
    pub fn count<T>(to: &mut Ticks, work: impl FnOnce() -> T) -> T {
        let began = ticks();
        let done = work();
        *to = to.saturating_add(since(began));
        done
    }

    /// When the program began, and now, in microseconds since the counter began.
    pub fn micros(&self) -> (u64, u64) {
        let frequency = frequency();
        (micros(self.begun, frequency), micros(ticks(), frequency))
    }

    /// What it shows now. Finding out how fast the counter runs takes time of its
    /// own, up to a millisecond, which belongs to the program.
    pub fn show(&self) -> Shown {
        let frequency = frequency();
        let whole = since(self.begun);
        let millis = |ticks| millis(ticks, frequency);
        Shown {
            whole: millis(whole),
            reading: millis(self.reading),
            hashing: millis(self.hashing),
            load_image: millis(self.load_image),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown {
            whole,
            reading,
            hashing,
            load_image,
        } = self;
        let own = [reading, hashing, load_image]
            .into_iter()
            .fold(*whole, |rest, part| rest.saturating_sub(*part));
        write!(
            f,
            "ready in {whole} ms: {reading} ms reading, {hashing} ms hashing, \
             {load_image} ms LoadImage, {own} ms bootshim"
        )
    }
}

/// What has passed since a moment.
fn since(moment: Ticks) -> Ticks {
    ticks().wrapping_sub(moment)
}

fn millis(ticks: Ticks, frequency: u64) -> u64 {
    micros(ticks, frequency) / 1000
}

fn micros(ticks: Ticks, frequency: u64) -> u64 {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(frequency.max(1));
    u64::try_from(micros).unwrap_or(u64::MAX)
}

/// The counter.
#[cfg(target_arch = "x86_64")]
pub fn ticks() -> Ticks {
    // SAFETY: every x86_64 processor has the time stamp counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The counter.
#[cfg(target_arch = "aarch64")]
pub fn ticks() -> Ticks {
    let ticks: u64;
    // SAFETY: reads the virtual counter, which is there for every privilege
    // level that firmware starts programs in.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks) };
    ticks
}

/// Ticks in a second.
#[cfg(target_arch = "aarch64")]
fn frequency() -> u64 {
    let frequency: u64;
    // SAFETY: as for the counter.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) frequency) };
    match frequency {
        0 => measured(),
        stated => stated,
    }
}

/// Ticks in a second.
#[cfg(target_arch = "x86_64")]
fn frequency() -> u64 {
    stated().unwrap_or_else(measured)
}

/// What the processor says of it, in leaf 0x15 of CPUID (Intel's manual, volume
/// 3, 20.7.3): the crystal's frequency, and how the counter stands to it. Leaf
/// 0x16 is no help: it is rounded to the name on the box.
#[cfg(target_arch = "x86_64")]
fn stated() -> Option<u64> {
    use core::arch::x86_64::__cpuid;
    const RATIO: u32 = 0x15;
    if __cpuid(0).eax < RATIO {
        return None;
    }
    let leaf = __cpuid(RATIO);
    let (crystal, over, under) = (leaf.ecx, leaf.ebx, leaf.eax);
    let frequency = u64::from(crystal)
        .checked_mul(u64::from(over))?
        .checked_div(u64::from(under))?;
    (frequency != 0).then_some(frequency)
}

fn measured() -> u64 {
    let sample = || {
        let from = ticks();
        boot::stall(SAMPLE);
        since(from)
    };
    let shortest = (0..SAMPLES).map(|_| sample()).min().unwrap_or(0);
    shortest.saturating_mul(SAMPLES_PER_SECOND)
}
