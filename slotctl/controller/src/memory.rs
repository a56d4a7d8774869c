//! What the machine has of memory, beside what a start needs of it.

use crate::disk::Disk;
use images::manifest::Manifest;
use images::memory::Need;

/// What is to be said of this image before it is installed: nothing where the disk is not
/// the one this controller runs from, or there is enough.
pub fn warning(disk: &Disk, image: &Manifest) -> Option<String> {
    disk.handover()?;
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    short(Need::of(image), total(&told)?)
}

/// All memory that Linux has, by `/proc/meminfo`, in bytes.
fn total(told: &str) -> Option<u64> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn short(need: Need, total: u64) -> Option<String> {
    (need.whole() > total).then(|| {
        let has = total >> 20;
        format!(
            "warning: this image may not start here: it takes {need}; this machine has {has} MiB"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_less_memory_than_a_start_takes_is_told_in_numbers() {
        let told = "MemTotal:         409600 kB\nMemFree:           10000 kB\n";
        let total = total(told).unwrap();
        let need = |initrd| Need {
            kernel: 8 << 20,
            initrd,
            initramfs: initrd,
        };
        assert_eq!(short(need(130 << 20), total), None);
        let words = short(need(140 << 20), total).unwrap();
        assert!(words.contains("at least 428 MiB"), "{words}");
        assert!(words.contains("this machine has 400 MiB"), "{words}");
    }

    #[test]
    fn what_linux_does_not_say_is_no_warning() {
        for odd in ["", "MemFree: 1 kB", "MemTotal: x kB", "MemTotal: 7"] {
            assert_eq!(total(odd), None, "{odd}");
        }
    }
}
