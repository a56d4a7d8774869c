//! How a disk is read and written by a firmware's block driver, whose word on
//! itself is not always true.
//!
//! Some drivers say an alignment of 2 and mean 4, or none and need one, and some
//! refuse reads of 1 MiB (GRUB asks for 640 KiB at most): only what lies at the
//! border of a page is read straight to where it belongs, 512 KiB at a time, and
//! 64 KiB at a time once that fails.

use crate::buffer::PAGE;
use crate::medium::Cause;
use core::ops::DerefMut;

/// What one call moves at most, in bytes.
pub const MOST: usize = 512 * 1024;
/// The same, once a call of more has failed.
const FEW: usize = 64 * 1024;

/// The firmware's driver of a disk.
pub trait Driver {
    /// Fills `buf`, whole sectors, from this sector on.
    fn read(&mut self, sector: u64, buf: &mut [u8]) -> Result<(), Cause>;

    /// Writes `data`, whole sectors, from this sector on.
    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Cause>;

    /// Says that something goes on: called before every call that may take long.
    fn pet(&mut self);
}

/// How a buffer has to lie for a driver that says it needs this: at the border of a
/// page at least. What no driver needs is not believed.
pub fn alignment(said: u32) -> usize {
    usize::try_from(said)
        .ok()
        .filter(|said| said.is_power_of_two() && *said <= MOST)
        .map_or(PAGE, |said| said.max(PAGE))
}

/// A disk behind its driver.
#[derive(Debug)]
pub struct Blocks<D, B> {
    driver: D,
    /// At least [`MOST`] bytes, for what cannot go straight to its target.
    bounce: B,
    sector: usize,
    align: usize,
    most: usize,
}

impl<D: Driver, B: DerefMut<Target = [u8]>> Blocks<D, B> {
    /// The disk behind `driver`, with sectors of so many bytes. `bounce` holds
    /// [`MOST`] bytes and lies where the driver takes them.
    pub fn new(driver: D, bounce: B, sector: u32, align: usize) -> Self {
        Blocks {
            driver,
            bounce,
            sector: usize::try_from(sector).unwrap_or(PAGE).clamp(1, FEW),
            align,
            most: MOST,
        }
    }

    /// The driver.
    pub fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Fills `buf` from this byte on. After an error `buf` is undefined.
    pub fn read(&mut self, mut at: u64, buf: &mut [u8]) -> Result<(), Cause> {
        let mut rest = buf;
        while !rest.is_empty() {
            let done = match self.read_some(at, rest) {
                Err(_) if self.most > FEW => {
                    self.most = FEW;
                    self.read_some(at, rest)?
                }
                answer => answer?,
            };
            rest = rest.get_mut(done..).ok_or(Cause::OutOfRange)?;
            at = after(at, done)?;
        }
        Ok(())
    }

    /// Reads the first bytes of `rest`, and says how many.
    fn read_some(&mut self, at: u64, rest: &mut [u8]) -> Result<usize, Cause> {
        let (sector, skip) = self.place(at)?;
        let whole = rest.len().min(self.most) / self.sector * self.sector;
        self.driver.pet();
        if skip == 0 && whole > 0 && rest.as_ptr().addr().is_multiple_of(self.align) {
            let straight = rest.get_mut(..whole).ok_or(Cause::OutOfRange)?;
            self.driver.read(sector, straight)?;
            return Ok(whole);
        }
        let span = skip.saturating_add(rest.len()).min(self.most);
        let buffer = self.bounce.get_mut(..span.next_multiple_of(self.sector));
        let buffer = buffer.ok_or(Cause::OutOfRange)?;
        self.driver.read(sector, buffer)?;
        let found = buffer.get(skip..span).ok_or(Cause::OutOfRange)?;
        let target = rest.get_mut(..found.len()).ok_or(Cause::OutOfRange)?;
        target.copy_from_slice(found);
        Ok(found.len())
    }

    /// Writes whole sectors from this byte on. After an error the range is
    /// undefined.
    pub fn write(&mut self, mut at: u64, data: &[u8]) -> Result<(), Cause> {
        for chunk in data.chunks(FEW) {
            let (sector, _) = self.place(at)?;
            let buffer = self.bounce.get_mut(..chunk.len());
            let buffer = buffer.ok_or(Cause::OutOfRange)?;
            buffer.copy_from_slice(chunk);
            self.driver.pet();
            self.driver.write(sector, buffer)?;
            at = after(at, chunk.len())?;
        }
        Ok(())
    }

    /// In which sector a byte is, and where there.
    fn place(&self, at: u64) -> Result<(u64, usize), Cause> {
        let sector = u64::try_from(self.sector).map_err(|_| Cause::OutOfRange)?;
        let skip = usize::try_from(at % sector).map_err(|_| Cause::OutOfRange)?;
        Ok((at / sector, skip))
    }
}

fn after(at: u64, length: usize) -> Result<u64, Cause> {
    let length = u64::try_from(length).map_err(|_| Cause::OutOfRange)?;
    at.checked_add(length).ok_or(Cause::OutOfRange)
}

#[cfg(test)]
mod tests;
