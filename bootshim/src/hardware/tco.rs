//! The watchdog in Intel's chipsets, TCO of version 2 as Linux counts them: from
//! the ICH6 to the 9 series. What differs in it from others is where its registers
//! are, and which number means which time (Intel's datasheet 316972, the ICH9,
//! chapters 10.1, 13.1 and 13.9; Linux' `lpc_ich.c` and `iTCO_wdt.c`).
//!
//! Later chipsets have it elsewhere; their firmware describes it in a WDAT
//! ([`crate::hardware::wdat`]).

const INTEL: u16 = 0x8086;

/// The longest period of one stage, in seconds: 10 bits of 0.6 s each.
pub const LONGEST: u32 = 613;
const LARGEST: u32 = 0x3ff;
/// What is below is ignored by the chip.
const SMALLEST: u32 = 4;

/// Whether the device at 00:1f.0 with these two numbers is an LPC bridge that has
/// it (`lpc_ich.c`: those with `iTCO_version` 2).
pub fn is_at(vendor: u16, device: u16) -> bool {
    vendor == INTEL
        && matches!(
            device,
            // ICH6, 631xESB, ICH7, ICH8, ICH9, ICH10
            0x2640..=0x2642 | 0x2670..=0x267f | 0x27b0 | 0x27b8..=0x27b9 | 0x27bc..=0x27bd
            | 0x2810..=0x2812 | 0x2814..=0x2815 | 0x2912 | 0x2914 | 0x2916..=0x2919
            | 0x3a14 | 0x3a16 | 0x3a18 | 0x3a1a
            // 5 and 6 series, C600, DH89xxCC, 7 and 8 series, C610, 9 series
            | 0x3b00..=0x3b16 | 0x1c41..=0x1c5f | 0x1d40..=0x1d41 | 0x2310
            | 0x1e40..=0x1e5f | 0x8c40..=0x8c5f | 0x9c40..=0x9c47 | 0x8d40..=0x8d5f
            | 0x8cc1..=0x8cc6 | 0x9cc1..=0x9cc9
        )
}

/// The first I/O port of its registers, by the bridge's ABASE (at 0x40) and
/// ACPI_CNTL (at 0x44); `None` where they are switched off.
pub fn ports(base: u32, control: u8) -> Option<u64> {
    let base = base & 0xff80;
    (base != 0 && control & 0x80 != 0).then(|| u64::from(base | 0x60))
}

/// Where the chipset's General Control and Status register is in memory, by the
/// bridge's RCBA (at 0xf0); `None` where it is switched off.
pub fn general_control(base: u32) -> Option<u64> {
    let address = u64::from(base & 0xffff_c000);
    (base & 1 != 0 && address != 0).then_some(address | 0x3410)
}

/// PWR_FLR in the byte of [`PMCON_3`]; a one clears it.
pub const POWER_FAILED: u8 = 1 << 1;
/// General PM Configuration 3 of the bridge: what it says survives every reset.
pub const PMCON_3: u8 = 0xa4;

/// Whether the power was away since somebody cleared that, by the first byte of
/// GEN_PMCON_3 (Intel's datasheet 316972, the ICH9, 13.8.1.3; the same in the chipsets
/// up to the 9 series). Switched off at its button, with the mains still there, a
/// machine says no.
pub fn power_failed(gen_pmcon_3: u8) -> bool {
    // Nothing answers with all bits set.
    gen_pmcon_3 != 0xff && gen_pmcon_3 & POWER_FAILED != 0
}

/// What to write there so that this, and nothing else, is cleared.
pub fn power_seen(gen_pmcon_3: u8) -> u8 {
    gen_pmcon_3 | POWER_FAILED
}

/// The ticks of a stage of so many seconds, and the seconds of these ticks: no
/// fewer than asked for, unless there are no more. The reset comes at the end of a
/// second stage.
pub fn ticks(seconds: u32) -> (u32, u32) {
    let seconds = seconds.clamp(1, LONGEST);
    let ticks = seconds.saturating_mul(10).div_ceil(6);
    let ticks = ticks.clamp(SMALLEST, LARGEST);
    (ticks, ticks.saturating_mul(6) / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_chipsets_that_have_it_are_known_and_no_others() {
        for device in [
            0x2640, 0x2918, 0x3b07, 0x1c4f, 0x1e44, 0x8c56, 0x9c43, 0x8cc4,
        ] {
            assert!(is_at(INTEL, device), "{device:x}");
        }
        // ICH5; Bay Trail, whose NO_REBOOT is elsewhere; Sunrise Point, whose TCO
        // is at the SMBus; nothing; another vendor's.
        for device in [0x24d0, 0x0f1c, 0xa145, 0x9d48, 0xffff, 0] {
            assert!(!is_at(INTEL, device), "{device:x}");
        }
        assert!(!is_at(0x1022, 0x2918));
    }

    #[test]
    fn its_registers_are_where_the_bridge_says_unless_they_are_off() {
        assert_eq!(ports(0x0601, 0x80), Some(0x660));
        assert_eq!(ports(0x1801, 0x83), Some(0x1860));
        assert_eq!(ports(0x0601, 0), None);
        assert_eq!(ports(0x0001, 0x80), None);
        assert_eq!(general_control(0xfed1_c001), Some(0xfed1_f410));
        assert_eq!(general_control(0xfed1_c000), None);
        assert_eq!(general_control(1), None);
    }

    #[test]
    fn a_minute_is_a_hundred_ticks_and_ten_minutes_and_a_bit_are_all_there_are() {
        assert_eq!(ticks(60), (100, 60));
        assert_eq!(ticks(613), (1022, 613));
        assert_eq!(ticks(u32::MAX), (1022, 613));
        assert_eq!(ticks(0), (4, 2));
    }

    #[test]
    fn the_power_has_failed_where_the_chipset_says_so_and_only_that_is_cleared() {
        assert!(power_failed(0x02));
        assert!(power_failed(0xc3));
        for without in [0x00, 0x01, 0xfd, 0xff] {
            assert!(!power_failed(without), "{without:x}");
        }
        assert_eq!(power_seen(0xc1), 0xc3);
    }

    proptest! {
        #[test]
        fn no_stage_is_shorter_than_asked_for(seconds in 1..=LONGEST) {
            let (ticks, lasts) = ticks(seconds);
            prop_assert!((SMALLEST..=LARGEST).contains(&ticks));
            prop_assert!(ticks * 6 >= seconds * 10);
            prop_assert!(lasts >= seconds);
        }

        #[test]
        fn any_numbers_of_a_bridge_are_read(base: u32, control: u8, vendor: u16, device: u16) {
            let _ = is_at(vendor, device);
            prop_assert!(ports(base, control).is_none_or(|port| port <= 0xffe0));
            prop_assert!(general_control(base).is_none_or(|at| at <= 0xffff_f410));
        }
    }
}
