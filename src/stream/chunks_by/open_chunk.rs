//! The chunk that fills: when it is full, and what is taken out of it.

use tokio::time::Instant;

use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

#[derive(Debug)]
pub(super) struct OpenChunk {
    max_events: usize,
    max_bytes: usize,
    events: Vec<ReceivedEvent>,
    bytes: usize,
    opened_at: Option<Instant>,
}

impl OpenChunk {
    pub(super) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            max_events,
            max_bytes,
            events: Vec::new(),
            bytes: 0,
            opened_at: None,
        }
    }

    /// When its first event came; `None` if it has none.
    pub(super) fn opened_at(&self) -> Option<Instant> {
        self.opened_at
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= self.max_events || self.bytes >= self.max_bytes
    }

    /// Adds an event; returns the chunk before it where it does not fit into that.
    pub(super) fn add(
        &mut self,
        event: ReceivedEvent,
        now: impl FnOnce() -> Instant,
    ) -> Option<Vec<ReceivedEvent>> {
        let size = event.encoded_size();
        let fits = self.bytes.saturating_add(size) <= self.max_bytes;
        let closed = if fits { None } else { self.take() };
        self.opened_at.get_or_insert_with(now);
        self.bytes += size;
        self.events.push(event);
        closed
    }

    /// Takes the events out, if there are any.
    pub(super) fn take(&mut self) -> Option<Vec<ReceivedEvent>> {
        self.bytes = 0;
        self.opened_at = None;
        let events = std::mem::take(&mut self.events);
        Some(events).filter(|events| !events.is_empty())
    }

    /// Drops a partition's events. The others have waited as long as before, so
    /// that none waits longer than it may.
    pub(super) fn lose(&mut self, partition: PartitionId) {
        self.events.retain(|event| event.partition() != partition);
        self.bytes = self.events.iter().map(ReceivedEvent::encoded_size).sum();
        self.opened_at = self.opened_at.filter(|_| !self.events.is_empty());
    }
}
