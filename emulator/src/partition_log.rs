//! The events of one partition.
//!
//! Events are kept as the bytes they came in, never decoded, copied tightly into segments: what they were read in
//! is free again at once, an event takes no allocation and no reference count, and what is dropped is given back.

mod events;
mod segment;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock;
use crate::position::StartPosition;
use crate::retention::Retention;
use crate::texts::{Scope, ServiceError};
use events::Events;

/// Message annotations that the sender gave: the partition key, and whatever is to be passed on.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct EventAnnotations<'a> {
    /// How many keys and values there are.
    pub(crate) items: u32,
    /// Keys and values, encoded, one after the other.
    pub(crate) encoded: &'a [u8],
}

/// An event on its way into the log.
#[derive(Clone, Copy)]
pub(crate) struct NewEvent<'a> {
    /// The encoded AMQP sections from the properties on, as they came.
    pub(crate) sections: &'a [u8],
    pub(crate) annotations: EventAnnotations<'a>,
}

/// An event as the log holds it.
pub(crate) struct LoggedEvent<'a> {
    pub(crate) sequence_number: i64,
    /// Where the event stands among all bytes that the partition ever held.
    pub(crate) offset: i64,
    /// Unix time in milliseconds; never falls from one event to the next.
    pub(crate) enqueued_time: i64,
    pub(crate) sections: &'a [u8],
    pub(crate) annotations: EventAnnotations<'a>,
}

/// A place in the log: between two events, or at an end. It stays good whatever is appended or dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// The next event's; that of a later one if the next was dropped.
    sequence_number: i64,
    /// Counted from the first segment ever, dropped or not.
    segment: u64,
    /// Within the segment.
    place: usize,
}

impl Cursor {
    /// The sequence number of the next event to read.
    pub(crate) fn sequence_number(&self) -> i64 {
        self.sequence_number
    }
}

/// What the management node tells about a partition. An empty partition has -1 for the last
/// sequence number and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionInfo {
    pub(crate) begin_sequence_number: i64,
    pub(crate) last_sequence_number: i64,
    pub(crate) last_offset: i64,
    /// Unix time in milliseconds; 0 while nothing was enqueued.
    pub(crate) last_enqueued_time: i64,
    pub(crate) is_empty: bool,
}

/// The events of one partition.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    scope: Scope,
    events: Mutex<Events>,
    /// The sequence number of the next event.
    next: watch::Sender<i64>,
    /// Events ever appended to the hub.
    hub_total: watch::Sender<u64>,
}

impl PartitionLog {
    pub(crate) fn new(scope: Scope, retention: &Arc<Retention>, total: watch::Sender<u64>) -> Self {
        Self {
            scope,
            events: Mutex::new(Events::new(retention.allowance())),
            next: watch::Sender::new(0),
            hub_total: total,
        }
    }

    /// Appends a batch: all of it becomes readable at once. Returns how many events it had.
    pub(crate) fn append<'a>(&self, batch: impl IntoIterator<Item = NewEvent<'a>>) -> usize {
        let mut events = self.events();
        let before = events.next();
        let now = clock::unix_millis().max(events.last_time());
        for event in batch {
            events.push(&event, now);
        }
        let appended = (events.next() - before) as usize;
        if appended > 0 {
            // Still under the lock, so that the number never goes backwards.
            self.next.send_replace(events.next());
            drop(events);
            self.hub_total
                .send_modify(|total| *total += appended as u64);
        }
        appended
    }

    /// Shows the event at the cursor (the oldest kept, if that is later) to `see`, with the state of the partition
    /// in the same moment, and moves the cursor behind it; `None` if there is none. `see` is to be quick: nothing
    /// can be appended meanwhile.
    pub(crate) fn read<R>(
        &self,
        cursor: &mut Cursor,
        see: impl FnOnce(&LoggedEvent<'_>, PartitionInfo) -> R,
    ) -> Option<R> {
        let events = self.events();
        let event = events.read(cursor)?;
        Some(see(&event, events.info()))
    }

    /// Shows every event there is to `see`, in order.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&LoggedEvent<'_>)) {
        let events = self.events();
        let mut cursor = events.begin();
        while let Some(event) = events.read(&mut cursor) {
            see(&event);
        }
    }

    /// The next event's sequence number.
    pub(crate) fn next(&self) -> i64 {
        *self.next.borrow()
    }

    /// Waits until the event `sequence` was appended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn appended(&self, sequence: i64) {
        // The log owns the sender, so the channel cannot close while it is borrowed.
        let _ = self
            .next
            .subscribe()
            .wait_for(|next| *next > sequence)
            .await;
    }

    /// The place before the first event to deliver.
    ///
    /// # Errors
    ///
    /// The refusal, when an offset or a sequence number lies beyond the end.
    pub(crate) fn resolve(&self, position: StartPosition) -> Result<Cursor, ServiceError> {
        self.events()
            .resolve(position)
            .map_err(|error| error.tracked(&self.scope))
    }

    pub(crate) fn info(&self) -> PartitionInfo {
        self.events().info()
    }

    /// Bytes of the events held, what each takes beside its own included.
    pub(crate) fn size(&self) -> u64 {
        self.events().size()
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
