//! A disk in memory that keeps every write and every flush.

use super::block::{BYTES, Block, Content};
use bootshim::medium::{Access, Fault, Medium, check_range};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

/// Writes between two flushes: blocks with their places. The device may have
/// made any of them durable, in any order, until the flush says all.
pub(super) type Epoch = Vec<(usize, Block)>;

/// Something that happens at a moment of something else.
type Interruption = Box<dyn FnOnce() + Send>;

/// A disk that keeps what is asked of it.
pub(super) struct Recorder {
    inner: Mutex<Inner>,
    interruption: Mutex<Option<(usize, Interruption)>>,
}

struct Inner {
    content: Content,
    epochs: Vec<Epoch>,
    open: Epoch,
}

impl Recorder {
    pub(super) fn new(content: Content) -> Recorder {
        let (epochs, open) = (Vec::new(), Epoch::new());
        Recorder {
            inner: Mutex::new(Inner {
                content,
                epochs,
                open,
            }),
            interruption: Mutex::default(),
        }
    }

    /// Somebody else does something just before the first write from this block
    /// on.
    pub(super) fn interrupt(&self, from: usize, interruption: Interruption) {
        *self.interruption.lock().unwrap() = Some((from, interruption));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn content(&self) -> Content {
        self.inner().content.clone()
    }

    /// Whether something was written and not yet flushed.
    pub(super) fn is_unflushed(&self) -> bool {
        !self.inner().open.is_empty()
    }

    /// What was written since the start, epoch by epoch; the last is what no
    /// flush followed. Several threads write the pieces of a slot: within an
    /// epoch the order is that of the places, so that every run is the same.
    pub(super) fn epochs(&self) -> Vec<Epoch> {
        let inner = self.inner();
        let mut epochs = inner.epochs.clone();
        epochs.push(inner.open.clone());
        epochs.retain(|epoch| !epoch.is_empty());
        for epoch in &mut epochs {
            epoch.sort_by_key(|(place, _)| *place);
        }
        epochs
    }
}

impl Medium for Recorder {
    fn len(&self) -> u64 {
        u64::try_from(self.inner().content.blocks() * BYTES).unwrap()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        check_range(Access::Read, offset, buf.len(), self.len())?;
        self.inner().content.read(offset, buf);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Fault> {
        check_range(Access::Write, offset, data.len(), self.len())?;
        let first = usize::try_from(offset).unwrap() / BYTES;
        let due = self
            .interruption
            .lock()
            .unwrap()
            .take_if(|(from, _)| first >= *from);
        if let Some((_, interruption)) = due {
            interruption();
        }
        let mut inner = self.inner();
        for (place, bytes) in (first..).zip(data.chunks(BYTES)) {
            let block = Block::new(bytes.try_into().unwrap());
            inner.open.push((place, block.clone()));
            inner.content.set(place, block);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        let mut inner = self.inner();
        let epoch = std::mem::take(&mut inner.open);
        inner.epochs.push(epoch);
        Ok(())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a simulated disk")
    }
}
