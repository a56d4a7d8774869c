//! A start that one bootshim hands over to another ([`bootshim::chainload`]).

use crate::console::open_shared;
use crate::kernel::load_image;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bootshim::chainload::{CHAINLOAD_LEN, Chainload};
use uefi::proto::device_path::{DevicePath, build};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::unsafe_protocol;
use uefi::{Identify, Status, boot, cstr16};

/// With this comes back who could not read the slot: no judgement on it. With every
/// other status but the next the trial is over.
pub const UNREADABLE: Status = Status::DEVICE_ERROR;
/// With this, who had not the memory; so it is where not even that one was loaded.
pub const NO_MEMORY: Status = Status::OUT_OF_RESOURCES;

/// The protocol with which it is handed over.
#[repr(C)]
#[unsafe_protocol("5107c710-2e41-4d0b-9a5d-1f660d93b00a")]
struct Interface([u8; CHAINLOAD_LEN]);

/// What another bootshim, which waits for this one, has handed over; `None` where there
/// is none. An error is one of another version.
pub fn received() -> Result<Option<Chainload>, Status> {
    let handles = boot::find_handles::<Interface>().unwrap_or_default();
    let Some(handle) = handles.first() else {
        return Ok(None);
    };
    let interface = open_shared::<Interface>(*handle)?;
    let chainload = Chainload::parse(&interface.0);
    chainload.map(Some).ok_or(Status::INCOMPATIBLE_VERSION)
}

/// Starts this bootshim and hands the start over to it. Comes back only when it
/// did not start the slot.
pub fn start(program: &[u8], chainload: &Chainload) -> Status {
    run(program, chainload).map_or_else(|status| status, |()| Status::SUCCESS)
}

fn run(program: &[u8], chainload: &Chainload) -> Result<(), Status> {
    // As if it came from where this one did: there it looks for its disk.
    let path = own_path().ok_or(Status::NOT_FOUND)?;
    let handle = load_image(program, &path)?;
    let offer = Box::into_raw(Box::new(Interface(chainload.to_bytes())));
    // SAFETY: the offer outlives the program, after which it is taken back.
    let offered = unsafe {
        boot::install_protocol_interface(Some(boot::image_handle()), &Interface::GUID, offer.cast())
    };
    if let Err(error) = offered {
        // What cannot be unloaded stays until the next reset.
        let _ = boot::unload_image(handle);
        // SAFETY: from `into_raw`, and nobody was given it.
        drop(unsafe { Box::from_raw(offer) });
        return Err(error.status());
    }
    let ended = boot::start_image(handle).map_err(|error| error.status());
    // SAFETY: the only one who looked at it has ended.
    let taken_back = unsafe {
        boot::uninstall_protocol_interface(boot::image_handle(), &Interface::GUID, offer.cast())
    };
    // Else whoever still holds it finds it there.
    if taken_back.is_ok() {
        // SAFETY: from `into_raw`, and nobody holds it any more.
        drop(unsafe { Box::from_raw(offer) });
    }
    if ended == Err(Status::SECURITY_VIOLATION) {
        // Loaded and never started; what cannot be unloaded stays.
        let _ = boot::unload_image(handle);
    }
    ended
}

/// The device that this program came from, and a name there.
fn own_path() -> Option<Box<DevicePath>> {
    let program = open_shared::<LoadedImage>(boot::image_handle()).ok()?;
    let device = open_shared::<DevicePath>(program.device()?).ok()?;
    let mut buffer = Vec::new();
    let mut builder = build::DevicePathBuilder::with_vec(&mut buffer);
    for node in device.node_iter() {
        builder = builder.push(&node).ok()?;
    }
    let name = build::media::FilePath {
        path_name: cstr16!("bootshim of the image on trial"),
    };
    let path = builder.push(&name).ok()?.finalize().ok()?;
    Some(path.to_boxed())
}
