//! The events of one partition.
//!
//! Events are kept as the bytes they came in, never decoded, in blocks of a fixed number of
//! slots. Sequence numbers are contiguous, so the slot of an event is found by arithmetic
//! however many were dropped in front of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock;
use crate::position::{Bound, StartPosition};
use crate::retention::{Allowance, Retention};
use crate::texts::{self, Scope, ServiceError};

/// Events per block.
const BLOCK: usize = 256;

/// What an event costs on top of its bytes, as retention counts it.
const EVENT_OVERHEAD: u64 = 64;

/// What the envelope of a batch says about each of its events; shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EventAnnotations {
    pub(crate) partition_key: Option<Box<str>>,
    /// Other message annotations to pass on: encoded keys and values, one after the other.
    pub(crate) other: Bytes,
    /// How many keys and values `other` holds.
    pub(crate) other_items: u32,
}

impl EventAnnotations {
    fn bytes(&self) -> usize {
        self.other.len() + self.partition_key.as_ref().map_or(0, |key| key.len())
    }
}

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    /// The encoded AMQP sections from the properties on, as they came.
    ///
    /// They are kept without a copy, so they keep the buffer alive that they are a slice of: it
    /// should hold little else than events of the same batch.
    pub(crate) sections: Bytes,
    pub(crate) annotations: Option<Arc<EventAnnotations>>,
}

/// An event as read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedEvent {
    pub(crate) sequence_number: i64,
    /// Where the event starts, in bytes since the partition's beginning.
    pub(crate) offset: i64,
    /// Unix time in milliseconds; never falls from one event to the next.
    pub(crate) enqueued_time: i64,
    pub(crate) sections: Bytes,
    pub(crate) annotations: Option<Arc<EventAnnotations>>,
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
    pub(crate) fn append(&self, batch: impl IntoIterator<Item = NewEvent>) -> usize {
        let mut events = self.events();
        let before = events.next;
        let now = clock::unix_millis().max(events.last_time);
        for event in batch {
            events.push(event, now);
        }
        events.drop_excess();
        let appended = (events.next - before) as usize;
        if appended > 0 {
            // Still under the lock, so that the number never goes backwards.
            self.next.send_replace(events.next);
            drop(events);
            self.hub_total
                .send_modify(|total| *total += appended as u64);
        }
        appended
    }

    /// Drops the oldest events that retention does not allow any more.
    pub(crate) fn drop_excess(&self) {
        self.events().drop_excess();
    }

    /// Reads events from `sequence` on (from the oldest kept, if that is later) into `into`: at
    /// most `max_events` and `max_bytes` of sections, but at least one if there is any. Returns
    /// the sequence number to go on from.
    pub(crate) fn read(
        &self,
        sequence: i64,
        max_events: usize,
        max_bytes: usize,
        into: &mut Vec<LoggedEvent>,
    ) -> i64 {
        self.events().read(sequence, max_events, max_bytes, into)
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

    /// The sequence number of the first event to deliver.
    ///
    /// # Errors
    ///
    /// The refusal, when an offset or a sequence number lies beyond the end.
    pub(crate) fn resolve(&self, position: StartPosition) -> Result<i64, ServiceError> {
        self.events()
            .resolve(position)
            .map_err(|error| error.tracked(&self.scope))
    }

    pub(crate) fn info(&self) -> PartitionInfo {
        self.events().info()
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One slot; its sequence number follows from its place.
#[derive(Debug)]
struct Slot {
    sections: Bytes,
    offset: i64,
    enqueued_time: i64,
    annotations: Option<Arc<EventAnnotations>>,
}

impl Slot {
    fn bytes(&self) -> u64 {
        let annotations = self.annotations.as_ref().map_or(0, |a| a.bytes());
        (self.sections.len() + annotations) as u64 + EVENT_OVERHEAD
    }
}

#[derive(Debug)]
struct Events {
    /// Every block but the last is full.
    blocks: VecDeque<Vec<Slot>>,
    /// The sequence number of the first slot of the first block.
    base: i64,
    /// The oldest event kept. Slots before it are emptied.
    begin: i64,
    /// The next event's sequence number.
    next: i64,
    last_offset: i64,
    next_offset: i64,
    last_time: i64,
    /// Bytes held, overhead included.
    held: u64,
    allowance: Allowance,
}

impl Events {
    fn new(allowance: Allowance) -> Self {
        Self {
            blocks: VecDeque::new(),
            base: 0,
            begin: 0,
            next: 0,
            last_offset: -1,
            next_offset: 0,
            last_time: 0,
            held: 0,
            allowance,
        }
    }

    fn push(&mut self, event: NewEvent, enqueued_time: i64) {
        let slot = Slot {
            sections: event.sections,
            offset: self.next_offset,
            enqueued_time,
            annotations: event.annotations,
        };
        self.last_offset = slot.offset;
        self.next_offset += slot.bytes() as i64;
        self.last_time = enqueued_time;
        self.held += slot.bytes();
        self.next += 1;
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push(slot),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(slot);
                self.blocks.push_back(block);
            }
        }
    }

    /// Drops the oldest events until the rest is allowed.
    fn drop_excess(&mut self) {
        let allowed = self.held - self.allowance.grow_to(self.held);
        while self.held > allowed {
            self.drop_oldest();
        }
        self.allowance.shrink_to(self.held);
    }

    fn drop_oldest(&mut self) {
        let index = (self.begin - self.base) as usize;
        let slot = &mut self.blocks[0][index];
        self.held -= slot.bytes();
        slot.sections = Bytes::new();
        slot.annotations = None;
        self.begin += 1;
        if index + 1 == BLOCK {
            self.blocks.pop_front();
            self.base += BLOCK as i64;
        }
    }

    fn slot(&self, sequence: i64) -> &Slot {
        let index = (sequence - self.base) as usize;
        &self.blocks[index / BLOCK][index % BLOCK]
    }

    fn read(
        &self,
        sequence: i64,
        max_events: usize,
        max_bytes: usize,
        into: &mut Vec<LoggedEvent>,
    ) -> i64 {
        let first = sequence.clamp(self.begin, self.next);
        let last = first.saturating_add(i64::try_from(max_events).unwrap_or(i64::MAX));
        let mut bytes = 0;
        for sequence_number in first..last.min(self.next) {
            let slot = self.slot(sequence_number);
            bytes += slot.sections.len();
            if bytes > max_bytes && sequence_number > first {
                return sequence_number;
            }
            into.push(LoggedEvent {
                sequence_number,
                offset: slot.offset,
                enqueued_time: slot.enqueued_time,
                sections: slot.sections.clone(),
                annotations: slot.annotations.clone(),
            });
        }
        last.min(self.next)
    }

    fn resolve(&self, position: StartPosition) -> Result<i64, ServiceError> {
        match position {
            StartPosition::Earliest => Ok(self.begin),
            StartPosition::Latest => Ok(self.next),
            StartPosition::Offset(bound) if bound.value > self.last_offset => Err(
                texts::beyond_the_end("offset", bound.value, self.last_offset),
            ),
            StartPosition::SequenceNumber(bound) if bound.value >= self.next => Err(
                texts::beyond_the_end("sequence number", bound.value, self.next - 1),
            ),
            StartPosition::Offset(bound) => Ok(self.first(bound, |slot| slot.offset)),
            StartPosition::EnqueuedTime(bound) => Ok(self.first(bound, |slot| slot.enqueued_time)),
            StartPosition::SequenceNumber(bound) => {
                // Below `next`, so this cannot overflow.
                let first = bound.value + i64::from(!bound.inclusive);
                Ok(first.max(self.begin))
            }
        }
    }

    /// The first event whose `key`, which never falls, is not excluded: a binary search.
    fn first(&self, bound: Bound, key: impl Fn(&Slot) -> i64) -> i64 {
        let (mut low, mut high) = (self.begin, self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            if bound.excludes(key(self.slot(middle))) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn info(&self) -> PartitionInfo {
        PartitionInfo {
            begin_sequence_number: self.begin,
            last_sequence_number: self.next - 1,
            last_offset: self.last_offset,
            last_enqueued_time: self.last_time,
            is_empty: self.begin == self.next,
        }
    }
}

#[cfg(test)]
mod tests;
