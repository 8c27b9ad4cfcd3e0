//! The way in that nearly all events take: into the open batch, with nothing else to
//! be decided.
//!
//! An event that was taken with all that there is to be asked leaves an allowance:
//! how much may follow it before anything can have another answer. As long as it
//! lasts, an event touches the one cache line of its partition that changes with each
//! event, however many partitions there are. Every other access that may change the
//! queue ends the allowance, whatever it changes.

use std::ops::{Deref, DerefMut};

use super::cost::Cost;
use super::queue::{Full, PartitionQueue, Todo};
use super::queued::Arrival;
use super::total::TotalBudget;
use crate::sync::Mutex;

/// What may still join the open batch, which is neither opened nor closed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Allowance {
    events: u32,
    /// Encoded, as batches are limited.
    encoded: u32,
    /// As the bounds count it.
    bytes: u32,
    /// Whether it is for events whose outcome is awaited, or for others.
    tracked: bool,
}

impl Allowance {
    /// What fits into the batch and is within the bounds.
    pub(super) fn new(tracked: bool, encoded: usize, batch_events: usize, room: Cost) -> Self {
        let clamp = |amount| u32::try_from(amount).unwrap_or(u32::MAX);
        Self {
            events: clamp(batch_events.min(room.events)),
            encoded: clamp(encoded),
            bytes: clamp(room.bytes),
            tracked,
        }
    }

    /// What is left after an event; `None` if there is more to be decided about it.
    #[inline]
    fn after(self, arrival: &Arrival) -> Option<Self> {
        if arrival.is_tracked() != self.tracked || arrival.deadline.is_some() {
            return None;
        }
        let encoded = u32::try_from(arrival.size).ok()?;
        let bytes = u32::try_from(arrival.cost().bytes).ok()?;
        Some(Self {
            events: self.events.checked_sub(1)?,
            encoded: self.encoded.checked_sub(encoded)?,
            bytes: self.bytes.checked_sub(bytes)?,
            tracked: self.tracked,
        })
    }
}

/// A queue, and the fast path into it.
// Begins with what changes with each event, see `Partition`.
#[repr(C)]
pub(super) struct FastQueue {
    allowance: Allowance,
    queue: PartitionQueue,
}

impl FastQueue {
    pub(super) fn new(queue: PartitionQueue) -> Self {
        let allowance = Allowance::default();
        Self { allowance, queue }
    }

    /// Takes an event of someone new if the allowance covers it.
    #[inline]
    pub(super) fn join(&mut self, arrival: &mut Arrival) -> bool {
        let Some(left) = self.allowance.after(arrival) else {
            return false;
        };
        self.allowance = left;
        self.queue.join(arrival);
        true
    }

    /// As [`PartitionQueue::accept`]; others may follow on the fast path.
    #[inline]
    pub(super) fn accept(
        &mut self,
        arrival: &mut Arrival,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        self.allowance = Allowance::default();
        self.queue.accept(arrival, total, todo)?;
        self.allowance = self.queue.allowance();
        Ok(())
    }
}

impl Deref for FastQueue {
    type Target = PartitionQueue;

    #[inline]
    fn deref(&self) -> &PartitionQueue {
        &self.queue
    }
}

impl DerefMut for FastQueue {
    /// Ends the allowance.
    #[inline]
    fn deref_mut(&mut self) -> &mut PartitionQueue {
        self.allowance = Allowance::default();
        &mut self.queue
    }
}

#[cfg(test)]
mod tests;
