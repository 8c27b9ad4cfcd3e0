//! A batch on its way: sent, and sent again, until each of its events has an outcome.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::SemaphorePermit;
use tokio::time::sleep;

use super::buffer::Buffer;
use super::delivery::{Undelivered, UndeliveredReason};
use super::queue::Batch;
use super::verdict::{History, RetryPolicy, Verdict};
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind};
use crate::event::EventData;
use crate::partition::{PartitionId, Target};
use crate::transport::TransportProducer;

/// A batch that the worker took from its queue. Dropped on the way, what it
/// still carries is handed back.
pub(super) struct Journey<'a> {
    buffer: &'a Arc<Buffer>,
    partition: u32,
    queued: Batch,
    /// What has no outcome yet, in order; the first one travels.
    parts: VecDeque<Part>,
    in_transfer: bool,
    outcome: Outcome,
}

/// What became of the events of a batch.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) delivered: usize,
    /// With their places in the batch, in order.
    pub(super) undelivered: Vec<(usize, Undelivered)>,
}

/// Neighbouring events of a batch that travel together.
struct Part {
    /// The place of its first event in the queued batch.
    place: usize,
    batch: EventBatch,
    history: History,
}

impl<'a> Journey<'a> {
    pub(super) fn new(buffer: &'a Arc<Buffer>, partition: u32, mut queued: Batch) -> Self {
        let events = std::mem::take(&mut queued.events);
        let batch = EventBatch::from_measured(
            target(partition),
            BatchLimits::STANDARD,
            events,
            queued.encoded_size,
        );
        let part = Part {
            place: 0,
            batch,
            history: History::default(),
        };
        Self {
            buffer,
            partition,
            queued,
            parts: VecDeque::from([part]),
            in_transfer: false,
            outcome: Outcome::default(),
        }
    }

    /// Sends until every event has an outcome. `slot` is the place in flight for
    /// the first attempt.
    pub(super) async fn run(
        mut self,
        transport: &dyn TransportProducer,
        policy: &RetryPolicy,
        slot: SemaphorePermit<'_>,
    ) {
        let mut slot = Some(slot);
        while let Some(part) = self.parts.front_mut() {
            // Held for an attempt and not for the waits between.
            let slot = match slot.take() {
                Some(slot) => slot,
                None => match self.buffer.in_flight.acquire().await {
                    Ok(slot) => slot,
                    Err(_) => return,
                },
            };
            part.history.attempts += 1;
            let batch = part.batch.clone();
            tracing::debug!(
                partition = self.partition,
                events = batch.len(),
                bytes = batch.encoded_size(),
                attempt = part.history.attempts,
                "send"
            );
            self.in_transfer = true;
            let result = attempt(transport, batch).await;
            self.in_transfer = false;
            drop(slot);
            self.buffer
                .set_limits(self.partition, transport.limits(part.batch.target()));
            match result {
                Ok(()) => self.arrived(),
                Err(error) => self.failed(&error, policy).await,
            }
        }
    }

    fn arrived(&mut self) {
        if let Some(part) = self.parts.pop_front() {
            self.outcome.delivered += part.batch.len();
        }
    }

    async fn failed(&mut self, error: &Error, policy: &RetryPolicy) {
        let Some(part) = self.parts.front_mut() else {
            return;
        };
        let (events, size) = (part.batch.len(), part.batch.encoded_size());
        match policy.judge(error, events, size, &mut part.history) {
            Verdict::Again(wait) => {
                let attempt = part.history.attempts;
                tracing::debug!(partition = self.partition, attempt, ?wait, %error, "again");
                sleep(wait).await;
            }
            Verdict::Split(bytes) => {
                tracing::debug!(partition = self.partition, events, size, bytes, "split");
                if let Some(part) = self.parts.pop_front() {
                    for smaller in part.split(bytes).into_iter().rev() {
                        self.parts.push_front(smaller);
                    }
                }
            }
            Verdict::Over(reason) => {
                if let Some(part) = self.parts.pop_front() {
                    self.outcome.give_up(part, reason, error);
                }
            }
        }
    }
}

impl Outcome {
    fn give_up(&mut self, part: Part, reason: UndeliveredReason, error: &Error) {
        self.give_back(part.place, part.batch.into_events(), reason, error);
    }

    /// Hands events back, the first of which has this place.
    pub(super) fn give_back(
        &mut self,
        place: usize,
        events: Vec<EventData>,
        reason: UndeliveredReason,
        error: &Error,
    ) {
        let undelivered = events.into_iter().map(|event| Undelivered {
            event,
            reason,
            error: error.clone(),
        });
        self.undelivered.extend((place..).zip(undelivered));
    }
}

impl Part {
    /// The same events in order, in batches that fit; an event that does not fit
    /// is alone in its batch.
    fn split(self, bytes: usize) -> Vec<Self> {
        let Self {
            place,
            batch,
            history,
        } = self;
        let target = batch.target().clone();
        let limits = BatchLimits {
            bytes,
            events: usize::MAX,
        };
        let mut parts: Vec<Self> = Vec::new();
        for (place, event) in (place..).zip(batch.into_events()) {
            let refused = match parts.last_mut() {
                Some(part) => part
                    .batch
                    .try_add(event)
                    .map_err(|refused| refused.event)
                    .err(),
                None => Some(event),
            };
            let Some(event) = refused else {
                continue;
            };
            let size = event.encoded_size();
            parts.push(Self {
                place,
                batch: EventBatch::from_measured(target.clone(), limits, vec![event], size),
                history,
            });
        }
        parts
    }
}

impl Drop for Journey<'_> {
    fn drop(&mut self) {
        let aborted = Error::new(
            ErrorKind::Closed,
            "the producer was closed before it arrived",
        );
        for part in std::mem::take(&mut self.parts) {
            // Only the first one travels.
            let in_doubt = std::mem::take(&mut self.in_transfer) || part.history.in_doubt;
            let (reason, error) = match in_doubt {
                true => (
                    UndeliveredReason::Unknown,
                    aborted.clone().with_unknown_fate(),
                ),
                false => (UndeliveredReason::Returned, aborted.clone()),
            };
            self.outcome.give_up(part, reason, &error);
        }
        let outcome = std::mem::take(&mut self.outcome);
        self.buffer.settle(self.partition, &self.queued, outcome);
    }
}

/// One attempt. The transport may be the user's: a panic in it harms this batch
/// alone.
async fn attempt(transport: &dyn TransportProducer, batch: EventBatch) -> Result<(), Error> {
    let sent = AssertUnwindSafe(transport.send_batch(batch)).catch_unwind();
    match sent.await {
        Ok(sent) => sent.map_err(|refused| refused.error),
        Err(_) => {
            let panicked = Error::new(ErrorKind::Panicked, "the transport panicked");
            Err(panicked.with_unknown_fate())
        }
    }
}

fn target(partition: u32) -> Target {
    Target::Partition(PartitionId::new(partition))
}
