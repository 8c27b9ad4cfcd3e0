//! Room taken in advance: a permit, whose use never waits.

use std::fmt;
use std::sync::Arc;

use super::buffer::{Buffer, Refusal};
use super::cost::Cost;
use super::delivery::Delivery;
use super::partitions::Place;
use super::queued::Arrival;
use crate::error::{Error, ErrorKind, SendError};
use crate::event::EventData;
use crate::partition::{PartitionId, Target};

/// Room in a partition's queue, given back when dropped.
pub(super) struct Room {
    buffer: Arc<Buffer>,
    place: Place,
    cost: Cost,
}

impl Room {
    pub(super) fn new(buffer: Arc<Buffer>, place: Place, cost: Cost) -> Self {
        Self {
            buffer,
            place,
            cost,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Fills the room with an event; what it does not need is given back.
    pub(super) fn fill(mut self, arrival: &mut Arrival) -> Result<(), Refusal> {
        let cost = arrival.cost();
        if !cost.fits(self.cost) {
            let limit = self.cost.bytes - Cost::of_event(0).bytes;
            return Err(Refusal::Final(Error::too_large(arrival.size, limit)));
        }
        self.buffer.push_reserved(self.place, arrival)?;
        self.cost -= cost;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.cost.is_zero() {
            self.buffer.release(self.place.partition, self.cost);
        }
    }
}

/// Room for one event, reserved; using it never waits.
///
/// Dropping it gives the room back.
#[must_use = "a permit holds room until it is used or dropped"]
pub struct Permit {
    room: Room,
    target: Target,
}

impl Permit {
    pub(super) fn new(room: Room, target: Target) -> Self {
        Self { room, target }
    }

    /// The partition in which the room is.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId::new(self.room.place.partition)
    }

    /// Accepts an event. Its target is the permit's, or [`Target::Any`] to take
    /// the permit's.
    ///
    /// # Errors
    /// The event comes back if it is larger than the permit, if its target is
    /// another one, if the producer was closed meanwhile, or if the hub has grown
    /// and the permit's key has moved
    /// ([`PartitionGrowth::Rehash`](super::PartitionGrowth::Rehash)).
    pub fn enqueue(self, event: EventData) -> Result<(), SendError> {
        self.fill(event, false).map(drop)
    }

    /// Accepts an event and lets you await its outcome; else as
    /// [`enqueue`](Self::enqueue).
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub fn send(self, event: EventData) -> Result<Delivery, SendError> {
        self.fill(event, true)
            .map(|mut arrival| arrival.take_delivery())
    }

    fn fill(self, event: EventData, track: bool) -> Result<Arrival, SendError> {
        let event = match event.target() {
            Target::Any => event.with_target(self.target),
            target if *target == self.target => event,
            _ => {
                let error = Error::invalid_options(format!(
                    "the permit is for {:?}: reserve one for the event's own target",
                    self.target
                ));
                return Err(SendError::new(event, error));
            }
        };
        let mut arrival = Arrival::new(event, track);
        let Err(refusal) = self.room.fill(&mut arrival) else {
            return Ok(arrival);
        };
        let moved = "the hub has grown and the key belongs to another partition: reserve again";
        let moved = || Error::new(ErrorKind::InvalidPartition, moved);
        let error = refusal.of_now().err().unwrap_or_else(moved);
        Err(arrival.refused(error))
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("partition", &self.room.place.partition)
            .field("cost", &self.room.cost)
            .finish_non_exhaustive()
    }
}
