//! What became of the events, as a stream that never holds anyone up.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::Stream;

use super::delivery::UndeliveredReason;
use crate::error::Error;
use crate::event::EventData;
use crate::partition::PartitionId;
use crate::shield::{discard, shielded};
use crate::sync::{Mutex, lock};

/// What the events that are handed back may take, in encoded bytes.
const MAX_BYTES: usize = 8 << 20;

/// What became of events: an item of [`Outcomes`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventOutcome {
    /// Events that travelled together were delivered.
    Delivered {
        /// Where.
        partition: PartitionId,
        /// How many.
        events: usize,
    },
    /// An event was not delivered, or is not known to be.
    Undelivered {
        /// Where it should have gone.
        partition: PartitionId,
        /// What became of it.
        reason: UndeliveredReason,
        /// The last error.
        error: Error,
        /// The event; `None` where a kept [`Delivery`](super::Delivery) or the
        /// [`CloseReport`](super::CloseReport) hands it back.
        event: Option<EventData>,
    },
}

/// How many events' outcomes a stream left out, since it could not hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LostOutcomes {
    /// Events that were delivered.
    pub delivered: u64,
    /// Events that were not.
    pub undelivered: u64,
}

/// A stream of what became of every event that a
/// [`BufferedProducer`](super::BufferedProducer) accepted.
///
/// It holds as many items as
/// [`with_outcome_stream`](super::BufferedProducerOptions::with_outcome_stream)
/// says, and of the events that it hands back 8 MiB (encoded). Beyond that it
/// leaves out deliveries first, then the oldest of the others, and
/// [counts](Self::lost) them: a reader that is too slow holds nobody up. What
/// the items and that count tell adds up to all that was accepted and has an
/// outcome.
///
/// It ends once the producer was closed or its last handle and permit dropped.
#[must_use = "streams do nothing unless polled"]
pub struct Outcomes {
    queue: Arc<OutcomeQueue>,
}

/// Where workers leave outcomes.
pub(super) struct OutcomeQueue {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // Apart, so that deliveries are found at once when they have to go. Each
    // item has its number, to come out in order.
    delivered: VecDeque<(u64, PartitionId, usize)>,
    undelivered: VecDeque<(u64, NotDelivered)>,
    next: u64,
    bytes: usize,
    lost: LostOutcomes,
    reader: Option<Waker>,
    is_taken: bool,
    /// Nothing comes any more, or nobody reads it.
    ended: bool,
}

/// An event that was not delivered.
pub(super) struct NotDelivered {
    pub(super) partition: PartitionId,
    pub(super) reason: UndeliveredReason,
    pub(super) error: Error,
    pub(super) event: Option<EventData>,
}

impl NotDelivered {
    fn bytes(&self) -> usize {
        self.event.as_ref().map_or(0, EventData::encoded_size)
    }
}

impl OutcomeQueue {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            capacity: capacity.get(),
            state: Mutex::default(),
        }
    }

    /// The stream, for whoever asks first.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Outcomes> {
        let taken = std::mem::replace(&mut lock(&self.state).is_taken, true);
        (!taken).then(|| Outcomes {
            queue: Arc::clone(self),
        })
    }

    pub(super) fn push(
        &self,
        partition: PartitionId,
        delivered: usize,
        undelivered: impl IntoIterator<Item = NotDelivered>,
    ) {
        let mut left_out = Vec::new();
        let reader = {
            let mut state = lock(&self.state);
            if delivered > 0 {
                state.push_delivered(partition, delivered, self.capacity);
            }
            for event in undelivered {
                state.push_undelivered(event, self.capacity, &mut left_out);
            }
            state.reader.take()
        };
        discard(&mut left_out);
        if let Some(reader) = reader {
            shielded(|| reader.wake());
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) {
        let reader = {
            let mut state = lock(&self.state);
            state.ended = true;
            state.reader.take()
        };
        if let Some(reader) = reader {
            shielded(|| reader.wake());
        }
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn is_full(&self, capacity: usize) -> bool {
        self.delivered.len() + self.undelivered.len() >= capacity
    }

    fn push_delivered(&mut self, partition: PartitionId, events: usize, capacity: usize) {
        if self.ended || (self.is_full(capacity) && !self.lose_delivered()) {
            self.lost.delivered += events as u64;
            return;
        }
        let number = self.number();
        self.delivered.push_back((number, partition, events));
    }

    /// What is left out goes to `left_out`, to be dropped without the lock.
    fn push_undelivered(
        &mut self,
        event: NotDelivered,
        capacity: usize,
        left_out: &mut Vec<EventData>,
    ) {
        if self.ended {
            self.lost.undelivered += 1;
            left_out.extend(event.event);
            return;
        }
        if self.is_full(capacity) && !self.lose_delivered() {
            self.lose_undelivered(left_out);
        }
        self.bytes += event.bytes();
        let number = self.number();
        self.undelivered.push_back((number, event));
        while self.bytes > MAX_BYTES {
            self.lose_undelivered(left_out);
        }
    }

    fn lose_delivered(&mut self) -> bool {
        let lost = self.delivered.pop_front();
        self.lost.delivered += lost.map_or(0, |(_, _, events)| events as u64);
        lost.is_some()
    }

    fn lose_undelivered(&mut self, left_out: &mut Vec<EventData>) {
        if let Some((_, lost)) = self.undelivered.pop_front() {
            self.bytes -= lost.bytes();
            self.lost.undelivered += 1;
            left_out.extend(lost.event);
        }
    }

    fn pop(&mut self) -> Option<EventOutcome> {
        let delivered = self.delivered.front().map(|(number, ..)| *number);
        let undelivered = self.undelivered.front().map(|(number, _)| *number);
        let is_delivered = match (delivered, undelivered) {
            (Some(delivered), Some(undelivered)) => delivered < undelivered,
            (delivered, _) => delivered.is_some(),
        };
        if is_delivered {
            let (_, partition, events) = self.delivered.pop_front()?;
            return Some(EventOutcome::Delivered { partition, events });
        }
        let (_, event) = self.undelivered.pop_front()?;
        self.bytes -= event.bytes();
        let NotDelivered {
            partition,
            reason,
            error,
            event,
        } = event;
        Some(EventOutcome::Undelivered {
            partition,
            reason,
            error,
            event,
        })
    }
}

impl Outcomes {
    /// How many outcomes were left out so far.
    #[must_use]
    pub fn lost(&self) -> LostOutcomes {
        lock(&self.queue.state).lost
    }
}

impl Stream for Outcomes {
    type Item = EventOutcome;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<EventOutcome>> {
        // Wakers are the user's: cloned before the lock and dropped after it.
        let waker = cx.waker().clone();
        let _earlier;
        let mut state = lock(&self.queue.state);
        if let Some(outcome) = state.pop() {
            return Poll::Ready(Some(outcome));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        _earlier = state.reader.replace(waker);
        Poll::Pending
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        let _unread = {
            let mut state = lock(&self.queue.state);
            state.ended = true;
            std::mem::take(&mut state.undelivered)
        };
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.queue.state);
        f.debug_struct("Outcomes")
            .field("held", &(state.delivered.len() + state.undelivered.len()))
            .field("lost", &state.lost)
            .finish_non_exhaustive()
    }
}
