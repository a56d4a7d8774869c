//! By which command a drive writes down what it holds, where the firmware's own
//! flush does not reach it, and what its answers mean.
//!
//! Drives, bridges and firmware refuse some of these commands. So one is tried out
//! while there is nothing to write down: what is refused then is not what fails, and
//! the next one is tried. What fails later is a failure.

/// FLUSH CACHE EXT (ACS-3, 7.11).
const FLUSH_CACHE_EXT: u8 = 0xea;
/// FLUSH CACHE (ACS-3, 7.10), which older drives have alone.
const FLUSH_CACHE: u8 = 0xe7;
/// The word of IDENTIFY DEVICE that announces the former by its bit 13, where its two
/// highest bits are 01 (ACS-3, 7.12.7.36).
const SUPPORTED: usize = 83;
/// A port without a port multiplier, by two kinds of firmware: EDK2 says 0xffff,
/// others 0.
const NO_MULTIPLIER: [u16; 2] = [0xffff, 0];

/// ERR and DF in the status of an ATA device, ABRT in its error.
const ERR: u8 = 0x01;
const DF: u8 = 0x20;
const ABRT: u8 = 0x04;

/// SYNCHRONIZE CACHE (10) and (16) of the whole medium (SBC-3, 5.22 and 5.23), with
/// their lengths.
pub const SYNCHRONIZE_CACHE: [([u8; 16], u8); 2] = [(command(0x35), 10), (command(0x91), 16)];

const fn command(code: u8) -> [u8; 16] {
    [code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// A way to have an ATA drive write down what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ata {
    /// The command.
    pub command: u8,
    /// The port of a port multiplier, or one of the numbers for none.
    pub multiplier: u16,
}

impl Ata {
    /// The command's name.
    pub fn word(self) -> &'static str {
        match self.command {
            FLUSH_CACHE_EXT => "FLUSH CACHE EXT",
            _ => "FLUSH CACHE",
        }
    }

    /// All ways, the most likely first, by what the drive says of itself and how its
    /// path names its port.
    pub fn ways(identify: Option<&[u8; 512]>, multiplier: u16) -> [Ata; 4] {
        let announced = identify.is_none_or(announces_ext);
        let (first, second) = match announced {
            true => (FLUSH_CACHE_EXT, FLUSH_CACHE),
            false => (FLUSH_CACHE, FLUSH_CACHE_EXT),
        };
        let [none, zero] = NO_MULTIPLIER;
        let other = if multiplier == none { zero } else { none };
        [
            (first, multiplier),
            (second, multiplier),
            (first, other),
            (second, other),
        ]
        .map(|(command, multiplier)| Ata {
            command,
            multiplier,
        })
    }
}

fn announces_ext(identify: &[u8; 512]) -> bool {
    let (words, _) = identify.as_chunks::<2>();
    let word = words
        .get(SUPPORTED)
        .map_or(0, |word| u16::from_le_bytes(*word));
    word >> 14 == 1 && word & 1 << 13 != 0
}

/// What the firmware says of a command that it was to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was sent, and has ended.
    Success,
    /// It does not send that, or not there.
    Refused,
    /// The device gave an error.
    DeviceError,
    /// Anything else.
    Other,
}

/// What became of a command.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All is written down.
    Done,
    /// Whoever was asked does not know the command.
    Refused,
    /// Something else had to be said first.
    Again,
    /// It is not written down.
    Failed,
}

/// What an ATA drive's status and error mean; zeros where it gave none.
pub fn of_ata(said: Said, status: u8, error: u8) -> Answer {
    match said {
        Said::Refused => Answer::Refused,
        Said::Other => Answer::Failed,
        _ if status & DF != 0 => Answer::Failed,
        _ if status & ERR != 0 && error & ABRT != 0 => Answer::Refused,
        _ if status & ERR != 0 => Answer::Failed,
        Said::Success => Answer::Done,
        // Without a word of the drive's.
        Said::DeviceError => Answer::Refused,
    }
}

/// What the sense data of a SCSI unit means; `None` where all was good.
pub fn of_scsi(said: Said, sense: Option<&[u8]>) -> Answer {
    match (said, sense.map(sense_key)) {
        (Said::Refused, _) => Answer::Refused,
        (Said::Other, _) => Answer::Failed,
        // Nothing to say, or a fault that the unit has mended itself.
        (Said::Success, None | Some(Some(0x0 | 0x1))) => Answer::Done,
        // The unit was reset since it was asked last.
        (_, Some(Some(0x6))) => Answer::Again,
        // An illegal request, or not a word of the unit's.
        (_, None | Some(None | Some(0x5))) => Answer::Refused,
        (_, Some(Some(_))) => Answer::Failed,
    }
}

/// In either of the two formats (SPC-4, 4.5).
fn sense_key(sense: &[u8]) -> Option<u8> {
    let byte = match sense.first()? & 0x7f {
        0x70 | 0x71 => sense.get(2)?,
        0x72 | 0x73 => sense.get(1)?,
        _ => return None,
    };
    Some(byte & 0xf)
}

/// The first of these ways that is not refused, tried out while there is nothing to
/// write down. One that fails is no refusal: it will fail again where it counts.
pub fn first<W: Copy>(
    ways: impl IntoIterator<Item = W>,
    mut ask: impl FnMut(W) -> Answer,
) -> Option<W> {
    ways.into_iter()
        .find(|way| repeated(|| ask(*way)) != Answer::Refused)
}

/// Asks, and again where something else had to be said first.
pub fn repeated(mut ask: impl FnMut() -> Answer) -> Answer {
    // A unit may have to say that it was switched on, and that it was reset.
    for _ in 0..3 {
        match ask() {
            Answer::Again => {}
            answer => return answer,
        }
    }
    Answer::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn identify(word: u16) -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[166..168].copy_from_slice(&word.to_le_bytes());
        bytes
    }

    /// A drive behind a host adapter: what it knows, and by which number.
    struct Drive {
        commands: &'static [u8],
        multiplier: u16,
        asked: Vec<(u8, u16)>,
    }

    impl Drive {
        fn ask(&mut self, way: Ata) -> Answer {
            self.asked.push((way.command, way.multiplier));
            if way.multiplier != self.multiplier {
                return of_ata(Said::Refused, 0, 0);
            }
            match self.commands.contains(&way.command) {
                true => of_ata(Said::Success, 0x50, 0),
                false => of_ata(Said::DeviceError, 0x51, ABRT),
            }
        }
    }

    /// By which way a drive like this is flushed, and how often it was asked.
    fn found(announces: u16, commands: &'static [u8], multiplier: u16) -> (Option<u8>, usize) {
        let mut drive = Drive {
            commands,
            multiplier,
            asked: Vec::new(),
        };
        let ways = Ata::ways(Some(&identify(announces)), 0xffff);
        let way = first(ways, |way| drive.ask(way));
        assert!(way.is_none_or(|way| way.multiplier == multiplier));
        (way.map(|way| way.command), drive.asked.len())
    }

    #[test]
    fn a_drive_is_flushed_by_the_command_that_it_announces_or_else_by_one_that_it_takes() {
        let both = 0x7000;
        let plain = 0x5000;
        assert_eq!(found(both, &[0xea, 0xe7], 0xffff), (Some(0xea), 1));
        assert_eq!(found(plain, &[0xe7], 0xffff), (Some(0xe7), 1));
        // It takes the other for done and does nothing: it is not asked for that.
        assert_eq!(found(plain, &[0xea, 0xe7], 0xffff), (Some(0xe7), 1));
        // It announces what it aborts.
        assert_eq!(found(both, &[0xe7], 0xffff), (Some(0xe7), 2));
        // What is no valid word announces nothing.
        assert_eq!(found(0xffff, &[0xe7], 0xffff), (Some(0xe7), 1));
        assert_eq!(found(0x2000, &[0xe7], 0xffff), (Some(0xe7), 1));
    }

    #[test]
    fn firmware_that_names_no_port_multiplier_otherwise_is_asked_so() {
        assert_eq!(found(0x7000, &[0xea, 0xe7], 0), (Some(0xea), 3));
        assert_eq!(found(0x7000, &[0xe7], 0), (Some(0xe7), 4));
        let multipliers = Ata::ways(None, 3).map(|way| way.multiplier);
        assert_eq!(multipliers, [3, 3, 0xffff, 0xffff]);
    }

    #[test]
    fn a_drive_that_takes_no_command_at_all_is_known_for_that() {
        assert_eq!(found(0x7000, &[], 0xffff), (None, 4));
    }

    #[test]
    fn a_drive_that_fails_is_not_taken_for_one_that_refuses() {
        for (said, status, error) in [
            (Said::DeviceError, 0x71, ABRT),
            (Said::Success, 0x51, 0x40),
            (Said::Other, 0, 0),
        ] {
            let mut asked = 0;
            let way = first(Ata::ways(None, 0xffff), |_| {
                asked += 1;
                of_ata(said, status, error)
            });
            assert_eq!((way.map(|way| way.command), asked), (Some(0xea), 1));
        }
    }

    #[test]
    fn only_an_illegal_request_is_a_refusal_of_a_scsi_unit() {
        let fixed = |key: u8| [0x70, 0, key, 0];
        let descriptor = |key: u8| [0x72, key, 0, 0];
        for sense in [fixed, descriptor] {
            let answer = |key| of_scsi(Said::Success, Some(&sense(key)));
            assert_eq!(answer(0x5), Answer::Refused);
            assert_eq!(answer(0x6), Answer::Again);
            assert_eq!(answer(0x1), Answer::Done);
            for failed in [0x2, 0x3, 0x4, 0xb] {
                assert_eq!(answer(failed), Answer::Failed, "{failed}");
            }
        }
        assert_eq!(of_scsi(Said::Success, None), Answer::Done);
        // A complaint without words is not taken for success.
        assert_eq!(of_scsi(Said::Success, Some(&[])), Answer::Refused);
        assert_eq!(of_scsi(Said::DeviceError, None), Answer::Refused);
        assert_eq!(of_scsi(Said::Other, Some(&fixed(0))), Answer::Failed);
    }

    #[test]
    fn a_unit_that_has_to_say_that_it_was_reset_is_asked_again_and_not_for_ever() {
        let mut news = 2;
        let answer = repeated(|| match news {
            0 => Answer::Done,
            _ => {
                news -= 1;
                Answer::Again
            }
        });
        assert_eq!(answer, Answer::Done);
        assert_eq!(repeated(|| Answer::Again), Answer::Failed);
    }
}
