//! A batch on its way: sent, and sent again, until each of its events has an outcome.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::buffer::Buffer;
use super::delivery::{Undelivered, UndeliveredReason};
use super::departures::Clearance;
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
    busy: Option<Busy>,
}

/// The service was busy when the part was sent.
#[derive(Clone)]
struct Busy {
    /// For the first time.
    since: Instant,
    /// What it said last.
    error: Error,
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
            busy: None,
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

    /// Sends until every event has an outcome. `clearance` is for the first
    /// attempt.
    pub(super) async fn run(
        mut self,
        transport: &dyn TransportProducer,
        policy: &RetryPolicy,
        clearance: Clearance,
    ) {
        let mut cleared = Some(clearance);
        while !self.parts.is_empty() {
            // Held for an attempt and not for the waits between.
            let clearance = match cleared.take() {
                Some(clearance) => clearance,
                None => match self.clearance(policy).await {
                    Ok(clearance) => clearance,
                    Err((reason, error)) => {
                        self.give_up(reason, &error);
                        continue;
                    }
                },
            };
            self.send(transport, policy, clearance).await;
        }
    }

    /// Waits until the first part may go, or has waited too long for a service
    /// that is busy.
    async fn clearance(
        &self,
        policy: &RetryPolicy,
    ) -> Result<Clearance, (UndeliveredReason, Error)> {
        let cleared = self.buffer.departures.clear(self.partition);
        let waiting = self.parts.front().zip(policy.throttle_deadline);
        let Some((part, deadline)) = waiting else {
            return Ok(cleared.await);
        };
        match &part.busy {
            None => Ok(cleared.await),
            Some(busy) => timeout_at(busy.since + deadline, cleared)
                .await
                .map_err(|_| (part.history.given_up(), busy.error.clone())),
        }
    }

    async fn send(
        &mut self,
        transport: &dyn TransportProducer,
        policy: &RetryPolicy,
        clearance: Clearance,
    ) {
        let Some(part) = self.parts.front_mut() else {
            return;
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
        self.buffer
            .set_limits(self.partition, transport.limits(part.batch.target()));
        match result {
            Ok(()) => {
                clearance.pass.accepted();
                self.arrived();
            }
            Err(error) => self.failed(&error, policy, clearance).await,
        }
    }

    fn arrived(&mut self) {
        if let Some(part) = self.parts.pop_front() {
            self.outcome.delivered += part.batch.len();
        }
    }

    async fn failed(&mut self, error: &Error, policy: &RetryPolicy, clearance: Clearance) {
        let Some(part) = self.parts.front_mut() else {
            return;
        };
        let (events, size) = (part.batch.len(), part.batch.encoded_size());
        match policy.judge(error, events, size, &mut part.history) {
            Verdict::PastTheGate(retry_after) => {
                tracing::debug!(partition = self.partition, ?retry_after, "throttled");
                clearance.pass.throttled(retry_after);
                let since = part.busy.take().map(|busy| busy.since);
                part.busy = Some(Busy {
                    since: since.unwrap_or_else(Instant::now),
                    error: error.clone(),
                });
            }
            Verdict::Again(wait) => {
                drop(clearance);
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
            Verdict::Over(reason) => self.give_up(reason, error),
        }
    }

    fn give_up(&mut self, reason: UndeliveredReason, error: &Error) {
        if let Some(part) = self.parts.pop_front() {
            self.outcome.give_up(part, reason, error);
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
            busy,
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
                busy: busy.clone(),
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
