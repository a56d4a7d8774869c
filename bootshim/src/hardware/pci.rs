//! Where a device is on a PCI bus.
//!
//! A function that is not there does not answer everywhere: some boards hang, or end
//! in an exception. So nobody is asked whose device is not there, and elsewhere than
//! on PCs nobody at all whose host bridge is not known to bear it.

/// The host bridge of QEMU's boards for arm64: Red Hat's, on PCI Express.
pub const QEMU_BRIDGE: u32 = 0x0008_1b36;
/// Header type, in the 32 bits from here on, and the bit of a device with several
/// functions.
const HEADER_TYPE: u8 = 0x0c;
const SEVERAL: u32 = 0x80 << 16;
/// What is read where nothing answers.
const NOTHING: u32 = 0xffff_ffff;

/// Where on bus 0 the device with this number is: device and function. `read` gives
/// 32 bits from the configuration of a function. Where there is a `bridge`, only it
/// is known to bear being asked.
pub fn find(
    id: u32,
    bridge: Option<u32>,
    mut read: impl FnMut(u8, u8, u8) -> Option<u32>,
) -> Option<(u8, u8)> {
    if bridge.is_some() && read(0, 0, 0) != bridge {
        return None;
    }
    for device in 0..32 {
        let Some(first) = read(device, 0, 0).filter(|found| *found != NOTHING) else {
            continue;
        };
        if first == id {
            return Some((device, 0));
        }
        let several = read(device, 0, HEADER_TYPE).is_some_and(|header| header & SEVERAL != 0);
        let functions = if several { 1..8 } else { 1..1 };
        for function in functions {
            if read(device, function, 0) == Some(id) {
                return Some((device, function));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    const ID: u32 = 0x25ab_8086;

    /// A bus with these functions, on which the rest must not be asked for, but
    /// function 0.
    fn bus(functions: &[(u8, u8, u32)]) -> impl FnMut(u8, u8, u8) -> Option<u32> {
        let there: BTreeMap<_, _> = functions
            .iter()
            .map(|(device, function, id)| ((*device, *function), *id))
            .collect();
        move |device, function, register| {
            let several = there
                .keys()
                .any(|(of, number)| *of == device && *number > 0);
            let found = there.get(&(device, function)).copied();
            assert!(function == 0 || several, "{device}.{function} hangs");
            assert!(function == 0 || there.contains_key(&(device, 0)), "hangs");
            match register {
                0 => Some(found.unwrap_or(NOTHING)),
                _ => Some(if several { SEVERAL } else { 0 }),
            }
        }
    }

    #[test]
    fn a_device_is_found_without_asking_for_functions_of_one_that_is_not_there() {
        let board = [
            (0, 0, 0x29c0_8086),
            (0x1f, 0, 0x2918_8086),
            (0x1f, 3, 0x2930_8086),
        ];
        assert_eq!(find(ID, None, bus(&board)), None);
        for at in [(4, 0), (0x1f, 2), (31, 7)] {
            let mut board = board.to_vec();
            board.push((at.0, at.1, ID));
            assert_eq!(find(ID, None, bus(&board)), Some(at));
        }
    }

    #[test]
    fn behind_a_host_bridge_that_is_not_known_nobody_is_asked() {
        let mut asked = 0;
        let found = find(ID, Some(QEMU_BRIDGE), |device, function, _| {
            asked += 1;
            assert_eq!((device, function), (0, 0));
            Some(ID)
        });
        assert_eq!((found, asked), (None, 1));
        let board = [(0, 0, QEMU_BRIDGE), (2, 0, ID)];
        assert_eq!(find(ID, Some(QEMU_BRIDGE), bus(&board)), Some((2, 0)));
    }
}
