//! A batch on its way: sent, and sent again, until each of its events has an outcome.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::Instrument;

use super::account::{Outcome, expired_error};
use super::buffer::Buffer;
use super::cost::Cost;
use super::delivery::UndeliveredReason;
use super::departures::Clearance;
use super::metrics::AttemptMetrics;
use super::part::Part;
use super::policy::OnFailure;
use super::queued::{Batch, Bill};
use super::verdict::{Busy, RetryPolicy, Verdict};
use crate::batch::EventBatch;
use crate::error::{Error, ErrorKind};
use crate::partition::{PartitionId, Target};
use crate::shield::{Shielded, discard, shielded};
use crate::telemetry;
use crate::transport::TransportProducer;

/// A batch that the worker took from its queue. Dropped on the way, what it
/// still carries is handed back.
pub(super) struct Journey<'a> {
    buffer: &'a Arc<Buffer>,
    partition: u32,
    attempts: &'a AttemptMetrics,
    opened_at: Option<Instant>,
    /// `None` once it is settled.
    bill: Option<Bill>,
    /// What has no outcome yet, in order; the first one travels.
    parts: VecDeque<Part>,
    in_transfer: bool,
    outcome: Outcome,
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        buffer: &'a Arc<Buffer>,
        partition: u32,
        queued: Batch,
        attempts: &'a AttemptMetrics,
    ) -> Self {
        let opened_at = queued.opened_at;
        let target = Target::Partition(PartitionId::new(partition));
        let (part, bill) = Part::load(target, queued);
        Self {
            buffer,
            partition,
            attempts,
            opened_at,
            bill: Some(bill),
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
                Some(clearance) => Some(clearance),
                None => self.clearance(policy).await,
            };
            if let Some(clearance) = clearance {
                self.send(transport, policy, clearance).await;
            }
        }
    }

    /// Waits until the first part may go; `None` if it must not wait any more.
    async fn clearance(&mut self, policy: &RetryPolicy) -> Option<Clearance> {
        let (buffer, partition) = (self.buffer, self.partition);
        let ready = async {
            buffer.partition(partition).open().await;
            let waits = &buffer.metrics.throttle_wait;
            buffer.departures.clear(partition, waits).await
        };
        let busy = self.parts.front()?.history.busy;
        let Some((busy, deadline)) = busy.zip(policy.throttle_deadline) else {
            return self.until(ready).await;
        };
        match timeout_at(busy.since + deadline, self.until(ready)).await {
            Ok(clearance) => clearance,
            Err(_) => {
                self.give_up_waiting(busy, deadline);
                None
            }
        }
    }

    async fn send(
        &mut self,
        transport: &dyn TransportProducer,
        policy: &RetryPolicy,
        clearance: Clearance,
    ) {
        self.expire();
        let Some(part) = self.parts.front_mut() else {
            return;
        };
        part.history.attempts += 1;
        let batch = part.batch.clone();
        let events = batch.len();
        let metrics = &self.buffer.metrics;
        let span = tracing::debug_span!(
            "send",
            otel.kind = "client",
            messaging.system = telemetry::EVENT_HUBS,
            messaging.destination.name = &*metrics.hub,
            messaging.destination.partition.id = self.partition,
            messaging.operation.name = telemetry::SEND,
            messaging.batch.message_count = events,
            bytes = batch.encoded_size(),
            attempt = part.history.attempts,
            error.type = tracing::field::Empty,
        );
        self.in_transfer = true;
        let begun = Instant::now();
        let result = attempt(transport, batch).instrument(span.clone()).await;
        self.in_transfer = false;
        if let Err(error) = &result {
            span.record(telemetry::ERROR_TYPE, telemetry::error_type(error));
        }
        self.attempts
            .ended(metrics, events, begun.elapsed(), &result);
        let target = Target::Partition(PartitionId::new(self.partition));
        if let Some(limits) = shielded(|| transport.limits(&target)) {
            self.buffer.set_limits(self.partition, limits);
        }
        match result {
            Ok(()) => {
                clearance.pass.accepted();
                self.arrived();
            }
            Err(error) => self.failed(&error, policy, clearance).await,
        }
    }

    /// Waits for something else than an attempt, while deadlines pass; `None` if
    /// nothing is left to be sent.
    async fn until<T>(&mut self, done: impl Future<Output = T>) -> Option<T> {
        let mut done = pin!(done);
        loop {
            let first = self.parts.iter().filter_map(Part::first_deadline).min();
            let Some(first) = first else {
                return Some(done.await);
            };
            tokio::select! {
                biased;
                output = &mut done => return Some(output),
                () = sleep_until(first) => self.expire(),
            }
            if self.parts.is_empty() {
                return None;
            }
        }
    }

    fn arrived(&mut self) {
        if let Some(part) = self.parts.pop_front() {
            self.outcome.delivered += part.batch.len();
            let mut events = part.batch.into_unshared_events();
            discard(&mut events);
            self.buffer.partitions.spares.put(events);
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
                self.buffer.metrics.throttled();
                part.history.refused_as_busy(retry_after, Instant::now());
                clearance.pass.throttled(retry_after);
            }
            Verdict::Again(wait) => {
                drop(clearance);
                self.buffer.metrics.again();
                let attempt = part.history.attempts;
                tracing::debug!(partition = self.partition, attempt, ?wait, %error, "again");
                self.until(sleep(wait)).await;
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
                if policy.on_failure == OnFailure::HaltPartition {
                    self.buffer.halt(self.partition);
                }
                self.give_up(reason, error);
            }
        }
    }

    fn give_up(&mut self, reason: UndeliveredReason, error: &Error) {
        if let Some(part) = self.parts.pop_front() {
            self.outcome
                .give_back(part.batch.into_events(), part.tags, reason, error);
        }
    }

    /// The service was busy for longer than a batch waits.
    fn give_up_waiting(&mut self, busy: Busy, deadline: Duration) {
        let retry_after = busy.retry_after;
        let error = Error::new(
            ErrorKind::Throttled { retry_after },
            format!("the service was busy for longer than the throttle deadline of {deadline:?}"),
        );
        if let Some(part) = self.parts.front() {
            self.give_up(part.history.given_up(), &error);
        }
    }

    /// Settles the events whose deadline has passed, ahead of the others.
    fn expire(&mut self) {
        let now = Instant::now();
        let Some(bill) = &mut self.bill else {
            return;
        };
        for part in &mut self.parts {
            let in_doubt = part.history.in_doubt;
            let Some((events, tags)) = part.take_expired(now) else {
                continue;
            };
            let (reason, error) = match in_doubt {
                true => (
                    UndeliveredReason::Unknown,
                    expired_error().with_unknown_fate(),
                ),
                false => (UndeliveredReason::Expired, expired_error()),
            };
            let cost = events.iter().fold(Cost::default(), |sum, event| {
                sum + Cost::of_event(event.encoded_size())
            });
            let bill = bill.split(cost);
            bill.tally.begin(0);
            let mut outcome = Outcome::default();
            outcome.give_back(events, tags, reason, &error);
            self.buffer.settle(self.partition, bill, outcome);
        }
        self.parts.retain(|part| !part.batch.is_empty());
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
            self.outcome
                .give_back(part.batch.into_events(), part.tags, reason, &error);
        }
        self.buffer.landed(self.partition, self.opened_at);
        if let Some(bill) = self.bill.take() {
            let outcome = std::mem::take(&mut self.outcome);
            self.buffer.settle(self.partition, bill, outcome);
        }
    }
}

/// One attempt. The transport may be the user's: a panic in it harms this batch
/// alone.
async fn attempt(transport: &dyn TransportProducer, batch: EventBatch) -> Result<(), Error> {
    match Shielded::call(|| transport.send_batch(batch)).await {
        Some(Ok(())) => Ok(()),
        Some(Err(refused)) => {
            let error = refused.error.clone();
            shielded(|| drop(refused));
            Err(error)
        }
        None => {
            let panicked = Error::new(ErrorKind::Panicked, "the transport panicked");
            Err(panicked.with_unknown_fate())
        }
    }
}
