//! The platform that UEFI firmware gives, with its disk, clock and watchdog.

use crate::chainload;
use crate::clock::Clock;
use crate::console::{Console, say};
use crate::disk::Disk;
use crate::firmware;
use crate::hardware::watchdog::{self, Watchdog};
use crate::initrd::Offer;
use crate::kernel::Kernel;
use crate::remains;
use crate::variables;
use crate::{loader, measure};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use bootshim::boot::{Clearance, Defect, Event, Facts, Platform, Why};
use bootshim::buffer::Buffer;
use bootshim::chainload::Chainload;
use bootshim::choice::StartKind;
use bootshim::floor::{Floor, FloorInForce, Kept};
use bootshim::handover::Handover;
use bootshim::hardware::watchdog::{Chip, Report, period};
use bootshim::layout::Layout;
use bootshim::medium::Window;
use bootshim::memory::{Need, Room, Short};
use bootshim::record::{MAX_SLOTS, Reason, Record, SlotId};
use bootshim::reset::Cause;
use bootshim::slot::{self, BootImage, Initrd, Unverified};
use core::convert::Infallible;
use images::manifest::Payload;
use images::trust::Trust;

/// The machine that bootshim runs on.
pub struct UefiPlatform<'a> {
    disk: &'a Disk,
    layout: &'a Layout,
    trust: Trust,
    console: &'a Console,
    clock: Clock,
    watchdog: Option<Box<dyn Watchdog>>,
    /// Armed, perhaps for an image that did not start in the end.
    armed: bool,
    /// It ran already, armed by somebody else.
    foreign: bool,
    /// It, and its period in seconds, where arming went well.
    watching: Option<(Chip, u32)>,
    last_reset: Cause,
    /// Whether memory was kept since the start before.
    memory_kept: bool,
    passed_over: [Option<String>; MAX_SLOTS],
    /// The floor in force, once it is known.
    floor: Option<FloorInForce>,
    /// What another bootshim handed over to this one.
    chainload: Option<Chainload>,
    /// There is no room for what need not be kept.
    short: bool,
}

/// Linux for arm64 goes on without its initrd where it does not get it
/// (`efi_stub_common`), and would come up without its root: there it is verified
/// before the start, whatever room that leaves.
const GOES_ON_WITHOUT_INITRD: bool = cfg!(target_arch = "aarch64");

impl<'a> UefiPlatform<'a> {
    /// The machine with this disk, that trusts so.
    pub fn new(
        disk: &'a Disk,
        layout: &'a Layout,
        trust: Trust,
        console: &'a Console,
        clock: Clock,
    ) -> Self {
        let mut watchdog = watchdog::find(console);
        let last_reset = watchdog
            .as_mut()
            .map_or(Cause::Unknown, |chip| chip.last_reset());
        UefiPlatform {
            disk,
            layout,
            trust,
            console,
            clock,
            watchdog,
            armed: false,
            foreign: false,
            watching: None,
            last_reset,
            memory_kept: false,
            passed_over: Default::default(),
            floor: None,
            chainload: None,
            short: false,
        }
    }

    /// Says it where somebody else has armed the watchdog, and pets it from then on.
    /// An image that does not pet it is reset.
    pub fn heed_foreign_watchdog(&mut self) {
        let Some(watchdog) = self.watchdog.as_mut() else {
            return;
        };
        self.foreign = watchdog.runs();
        if !self.foreign {
            return;
        }
        let chip = watchdog.chip().word();
        say!(
            self.console,
            "watchdog {chip} runs already: an image that does not pet it is reset"
        );
    }

    /// Looks for what the last start left in memory.
    pub fn look_at_memory(&mut self) {
        self.memory_kept = remains::look(self.layout.record.id);
    }

    /// It was handed over by another bootshim: a kernel starts here, and no third
    /// one.
    pub fn go_on(&mut self, chainload: Chainload) {
        self.chainload = Some(chainload);
    }

    /// Hands a trial over to the bootshim that its image brings. Comes back with
    /// `image` where that brings none, and with why where it did not start.
    fn chainload(
        &mut self,
        clearance: &Clearance,
        boot: u64,
        image: BootImage,
    ) -> Result<BootImage, Why> {
        if clearance.kind() != StartKind::Trial || self.chainload.is_some() {
            return Ok(image);
        }
        let slot = self.partition(clearance.slot());
        let brought = slot.and_then(|slot| slot::bootshim(&slot, &image.installed));
        let Some(program) = brought? else {
            return Ok(image);
        };
        let chainload = Chainload {
            slot: clearance.slot(),
            boot,
            manifest: image.installed.digest,
            bootshim: images::digest(&program),
        };
        // It reads kernel and initrd itself, and needs the room.
        drop(image);
        say!(self.console, "handing over to the bootshim of this image");
        self.console.leave_log();
        // One that hangs is ended by this.
        let _ = firmware::pet_watchdog();
        let status = chainload::start(&program, &chainload);
        self.console.take_over();
        // It may have armed the watchdog before its kernel did not start.
        self.armed = self.watchdog.is_some();
        let words = alloc::format!(
            "the bootshim of this image came back with {status:?}; it said last: {}",
            self.console.last_line()
        );
        Err(match status {
            chainload::UNREADABLE => Why::NotRead(words),
            chainload::NO_MEMORY => Why::NoMemory(words),
            _ => Why::NotStarted(words),
        })
    }

    /// Why a slot was passed over, where it was.
    pub fn passed_over(&self, slot: SlotId) -> Option<&str> {
        self.passed_over.get(slot.index())?.as_deref()
    }

    /// Keeps every watchdog quiet while the program itself is waiting.
    pub fn pet(&mut self) {
        // A watchdog that cannot be petted resets the machine, as it should.
        let _ = firmware::pet_watchdog();
        if let Some(watchdog) = self
            .watchdog
            .as_mut()
            .filter(|_| self.armed || self.foreign)
        {
            let _ = watchdog.pet();
        }
    }

    /// Forgets that the watchdog led to this start, where no driver is certain to: a
    /// restart that follows is not another of its resets.
    pub fn clear_mark(&mut self) {
        let Some(watchdog) = self.watchdog.as_mut() else {
            return;
        };
        if self.last_reset == Cause::Watchdog
            && let Err(error) = watchdog.clear_mark()
        {
            say!(
                self.console,
                "watchdog {}: the mark of its reset stays: {:?}",
                watchdog.chip().word(),
                error.status()
            );
        }
    }

    fn verify(&mut self, read: Unverified) -> Result<Buffer, Defect> {
        // Reading took its time, and this may, too.
        let _ = firmware::pet_watchdog();
        Clock::count(&mut self.clock.hashing, || read.verify())
    }

    /// Whether there is room for a copy of the initrd beside the kernel's own. Said
    /// where there is not.
    fn keeps_initrd(&mut self, kernel: &[u8], initrd: &Payload) -> bool {
        let Some(free) = firmware::free_memory() else {
            return !self.short;
        };
        let need = Need::of(kernel, initrd.length);
        let short = Short { need, free };
        if need.room(free) != Room::Plenty {
            self.short = true;
            say!(self.console, "{short}");
        }
        !self.short || GOES_ON_WITHOUT_INITRD
    }

    fn partition(&self, slot: SlotId) -> Result<Window<&'a Disk>, Defect> {
        let partition = self
            .layout
            .slot(slot)
            .ok_or_else(|| Defect::Bad(Reason::Damaged, "no such partition".to_string()))?;
        Ok(Window::new(self.disk, partition.extent))
    }

    /// Arms the hardware's watchdog for an image that pets it. One that was armed
    /// for another image, which did not start, is stopped for one that does not.
    fn arm(&mut self, seconds: u32, kind: StartKind) {
        if seconds == 0 && !self.armed {
            return;
        }
        self.watching = None;
        let Some(watchdog) = self.watchdog.as_mut() else {
            say!(
                self.console,
                "no hardware watchdog that bootshim knows: nothing watches the kernel until it has one of its own"
            );
            return;
        };
        let chip = watchdog.chip();
        if seconds == 0 && watchdog.disarm().is_ok() {
            self.armed = false;
            return;
        }
        // A part of it may have been done where arming fails.
        self.armed = true;
        match watchdog.arm(period(seconds)) {
            // It takes up to a second to see, which no good slot is kept waiting for.
            Ok(_) if kind == StartKind::Trial && !watchdog::counts(&mut **watchdog) => say!(
                self.console,
                "watchdog {} is armed and does not count: a kernel that hangs is not reset",
                chip.word()
            ),
            Ok(period) => {
                let _ = watchdog.pet();
                self.watching = Some((chip, period));
                say!(self.console, "{}", chip.armed(period, seconds));
            }
            Err(error) => say!(
                self.console,
                "watchdog {} not armed: {:?}",
                chip.word(),
                error.status()
            ),
        }
    }
}

impl Platform for UefiPlatform<'_> {
    type Image = BootImage;
    type Running = Infallible;

    fn load(&mut self, slot: SlotId) -> Result<(Facts, BootImage), Defect> {
        // Each slot has the whole period: a device that takes its time to fail
        // must not keep the machine from the next one.
        self.pet();
        let slot = self.partition(slot)?;
        let installed = slot::manifest(&slot, &self.trust)?;
        let read = |payload| slot::read(&slot, payload);
        let kernel = Clock::count(&mut self.clock.reading, || slot::kernel(&slot, &installed))?;
        let kernel = self.verify(kernel)?;
        let initrd = match slot::initrd(&installed) {
            None => None,
            Some(payload) if self.keeps_initrd(&kernel, payload) => {
                let initrd = Clock::count(&mut self.clock.reading, || read(payload))?;
                Some(Initrd::Here(self.verify(initrd)?))
            }
            Some(payload) => Some(Initrd::Later(*payload)),
        };
        let image = BootImage::of(installed, kernel, initrd)?;
        Ok((image.facts(), image))
    }

    fn manifest(&mut self, slot: SlotId) -> Result<Facts, Defect> {
        self.pet();
        let slot = self.partition(slot)?;
        Ok(slot::facts(&slot::manifest(&slot, &self.trust)?))
    }

    fn floor(&mut self) -> Kept {
        variables::kept_floor()
    }

    fn raise_floor(&mut self, floor: Floor) -> Result<(), String> {
        variables::keep_floor(floor)
    }

    fn start(
        &mut self,
        clearance: Clearance,
        record: &Record,
        facts: &Facts,
        image: BootImage,
    ) -> Result<Infallible, Why> {
        let kind = clearance.kind();
        let image = self.chainload(&clearance, record.sequence, image)?;
        let BootImage {
            installed,
            kernel,
            initrd,
        } = image;
        let partition = self.layout.slot(clearance.slot());
        let partition = partition.ok_or_else(|| "no such partition".to_string())?;
        let handover = Handover {
            slot: clearance.slot(),
            disk: self.layout.record.id,
            boot: record.sequence,
            manifest: facts.manifest,
        };
        let manifest = &installed.manifest;
        let command_line = handover.command_line(&manifest.cmdline, partition.id);
        let _ = firmware::pet_watchdog();
        let loaded = Clock::count(&mut self.clock.load_image, || {
            Kernel::load(&kernel, &command_line)
        });
        // The firmware has its own copy.
        drop(kernel);
        let kernel = loaded?;
        let slot = Window::new(self.disk, partition.extent);
        let initrd = initrd.map(|initrd| Offer::new(initrd, slot)).transpose();
        let initrd = initrd.map_err(|status| {
            kernel.unload();
            Why::NotStarted(alloc::format!(
                "the initrd could not be offered: {status:?}"
            ))
        })?;
        measure::measure(&handover, &command_line, self.console);
        loader::tell(self.layout, clearance.slot(), &self.clock, self.console);
        self.arm(manifest.watchdog_seconds, kind);
        if manifest.watchdog_seconds == 0 {
            self.clear_mark();
        }
        // The kernel gets the whole period until it takes over.
        let _ = firmware::pet_watchdog();
        let of_image = self.chainload.as_ref().map(|chainload| &chainload.bootshim);
        variables::publish_bootshim(of_image, self.console);
        if let Some(floor) = self.floor {
            variables::publish_floor(floor, self.console);
        }
        let report = Report {
            armed: self.watching,
            last_reset: self.last_reset,
        };
        variables::publish_watchdog(&report, self.console);
        say!(self.console, "{}", self.clock.show());
        self.console.leave_log();
        let why = kernel.start();
        let defect = initrd.and_then(|initrd| initrd.defect());
        Err(match (defect, why, firmware::free_memory()) {
            (Some(defect), _, _) => defect.into(),
            (None, Why::NoMemory(words), Some(free)) => {
                Why::NoMemory(alloc::format!("{words}; {free}"))
            }
            (None, why, _) => why,
        })
    }

    fn tell(&mut self, event: &Event) {
        say!(self.console, "{event}");
        match event {
            Event::PassedOver(slot, why) => {
                if let Some(kept) = self.passed_over.get_mut(slot.index()) {
                    *kept = Some(why.to_string());
                }
            }
            Event::Again(..) => self.short = true,
            Event::Floor { in_force, .. } => self.floor = Some(*in_force),
            _ => {}
        }
    }

    fn seed(&self) -> u64 {
        firmware::seed()
    }

    fn last_reset(&self) -> Cause {
        match self.memory_kept {
            true => self.last_reset.with_memory_kept(),
            false => self.last_reset,
        }
    }
}
