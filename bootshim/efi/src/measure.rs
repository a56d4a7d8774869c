//! Measured boot: what is started goes into the TPM, so that it can be proven to
//! somebody else later (TCG EFI Protocol Specification, 6.6; PCR 12 and `EV_IPL`
//! as the UAPI group's TPM2 PCR registry has them).
//!
//! A measurement is evidence and no gate: a TPM that is not there, or fails, is
//! said and changes nothing.

use crate::console::{Console, open_shared, say};
use alloc::format;
use bootshim::handover::Handover;
use images::hex;
use uefi::boot;
use uefi::proto::tcg::v2::{HashLogExtendEventFlags, PcrEventInputs, Tcg};
use uefi::proto::tcg::{EventType, PcrIndex};

/// Command line and configuration of the boot loader.
const PCR: PcrIndex = PcrIndex(12);

/// Measures digest, slot and command line, each with an entry in the event log
/// that holds the very text that was hashed: the log alone replays the PCR.
pub fn measure(handover: &Handover, command_line: &str, console: &Console) {
    let Some(mut tpm) = tpm() else {
        say!(console, "no TPM: nothing is measured");
        return;
    };
    let texts = [
        format!("slotctl manifest {}", hex(&handover.manifest)),
        format!("slotctl slot {}", handover.slot),
        format!("slotctl command line {command_line}"),
    ];
    let done = texts
        .iter()
        .try_for_each(|text| extend(&mut tpm, text.as_bytes()));
    match done {
        Ok(()) => say!(
            console,
            "measured into PCR 12: manifest, slot, command line"
        ),
        Err(error) => say!(
            console,
            "the TPM does not measure: {:?}; what follows is not proven by it",
            error.status()
        ),
    }
}

/// A TPM 2.0 that is there.
fn tpm() -> Option<boot::ScopedProtocol<Tcg>> {
    let handle = boot::get_handle_for_protocol::<Tcg>().ok()?;
    let mut tpm = open_shared::<Tcg>(handle).ok()?;
    let present = tpm.get_capability().is_ok_and(|found| found.tpm_present());
    present.then_some(tpm)
}

fn extend(tpm: &mut Tcg, text: &[u8]) -> uefi::Result {
    let event = PcrEventInputs::new_in_box(PCR, EventType::IPL, text)?;
    tpm.hash_log_extend_event(HashLogExtendEventFlags::empty(), text, &event)
}
