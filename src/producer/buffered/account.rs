//! What became of the events, since the producer was opened.

use std::sync::Arc;

use tokio::time::Instant;

use super::buffer::Buffer;
use super::delivery::{Undelivered, UndeliveredReason};
use super::outcomes::NotDelivered;
use super::queued::{Batch, Bill};
use super::report::CloseReport;
use super::snapshot::OutcomeCounts;
use super::tags::Tags;
use crate::error::{Error, ErrorKind};
use crate::event::EventData;
use crate::partition::PartitionId;
use crate::shield::discard;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// What became of the events of a batch.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) delivered: usize,
    /// With the numbers of their deliveries.
    pub(super) undelivered: Vec<(Option<u32>, Undelivered)>,
}

#[derive(Default)]
pub(super) struct Account {
    state: Mutex<State>,
    has_failure: AtomicBool,
}

#[derive(Default)]
struct State {
    report: CloseReport,
    closing: bool,
    first_failure: Option<Error>,
}

impl Outcome {
    /// Hands events back.
    pub(super) fn give_back(
        &mut self,
        events: impl IntoIterator<Item = EventData>,
        tags: Tags,
        reason: UndeliveredReason,
        error: &Error,
    ) {
        let deliveries = tags.into_tags().map(|tag| tag.delivery);
        let undelivered = events.into_iter().map(|event| Undelivered {
            event,
            reason,
            error: error.clone(),
        });
        self.undelivered.extend(deliveries.zip(undelivered));
    }
}

impl Account {
    /// Keeps what is not delivered from now on.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closing
    }

    /// Counts an outcome, and keeps the events that nobody waits for if the
    /// producer closes.
    fn record(
        &self,
        delivered: usize,
        told: &[(UndeliveredReason, Error)],
        rest: &mut [Option<Undelivered>],
    ) {
        // What a policy drops is no failure.
        let failure = told
            .iter()
            .find(|(reason, _)| *reason != UndeliveredReason::Dropped);
        let mut state = lock(&self.state);
        state.report.count(delivered as u64, None);
        for (reason, _) in told {
            state.report.count(1, Some(*reason));
        }
        if let Some((_, failure)) = failure {
            state.first_failure.get_or_insert_with(|| failure.clone());
            self.has_failure.store(true, Ordering::Release);
        }
        if state.closing {
            let kept = rest.iter_mut().filter_map(Option::take);
            state.report.undelivered.extend(kept);
        }
    }

    /// How many events had each outcome so far.
    pub(super) fn outcomes(&self) -> OutcomeCounts {
        let report = &lock(&self.state).report;
        OutcomeCounts {
            delivered: report.delivered,
            rejected: report.rejected,
            failed: report.failed,
            expired: report.expired,
            unknown: report.unknown,
            dropped: report.dropped,
            returned: report.returned,
        }
    }

    /// The first failure since the last call.
    pub(super) fn take_failure(&self) -> Option<Error> {
        if !self.has_failure.load(Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        self.has_failure.store(false, Ordering::Release);
        state.first_failure.take()
    }

    /// What became of all events; those handed back are in it once.
    pub(super) fn close_report(&self) -> CloseReport {
        let report = &mut lock(&self.state).report;
        let undelivered = std::mem::take(&mut report.undelivered);
        CloseReport {
            undelivered,
            ..report.clone()
        }
    }
}

impl Buffer {
    /// Records the outcome of what a bill stands for, then gives its room back.
    pub(super) fn settle(self: &Arc<Self>, partition: u32, bill: Bill, outcome: Outcome) {
        let Outcome {
            delivered,
            undelivered,
        } = outcome;
        let failed = undelivered.len();
        let told: Vec<_> = undelivered
            .iter()
            .map(|(_, event)| (event.reason, event.error.clone()))
            .collect();
        let first_error = told.first().map(|(_, error)| error);
        match told.first() {
            // As the policy wants it.
            Some((UndeliveredReason::Dropped, _)) => {
                tracing::debug!(partition, events = failed, "events dropped");
            }
            Some((reason, error)) => {
                tracing::warn!(partition, events = failed, ?reason, %error, "events not delivered");
            }
            None => {}
        }
        // Resolved before it is counted: a report that covers an event finds it told.
        let mut rest = match &bill.outcome {
            Some(outcome) => outcome.resolve(undelivered),
            None => undelivered
                .into_iter()
                .map(|(_, event)| Some(event))
                .collect(),
        };
        self.account.record(delivered, &told, &mut rest);
        self.metrics.settled(delivered, &told);
        self.tell(partition, delivered, &told, rest);
        self.release(partition, bill.cost);
        bill.tally.end(delivered, failed, first_error);
    }

    /// Leaves what became of events in the outcome stream, if there is one.
    fn tell(
        &self,
        partition: u32,
        delivered: usize,
        told: &[(UndeliveredReason, Error)],
        rest: Vec<Option<Undelivered>>,
    ) {
        let events = rest.into_iter().map(|kept| kept.map(|kept| kept.event));
        let Some(outcomes) = &self.outcomes else {
            discard(&mut events.flatten().collect());
            return;
        };
        let partition = PartitionId::new(partition);
        let undelivered = told.iter().zip(events);
        let undelivered = undelivered.map(|((reason, error), event)| NotDelivered {
            partition,
            reason: *reason,
            error: error.clone(),
            event,
        });
        outcomes.push(partition, delivered, undelivered);
    }

    /// Hands a batch back that was not sent.
    fn give_back(
        self: &Arc<Self>,
        partition: u32,
        batch: Batch,
        reason: UndeliveredReason,
        error: &Error,
    ) {
        let mut outcome = Outcome::default();
        outcome.give_back(batch.events, batch.tags, reason, error);
        self.settle(partition, batch.bill, outcome);
    }

    /// Hands a batch back that newer events displaced.
    pub(super) fn drop_oldest(self: &Arc<Self>, partition: u32, batch: Batch) {
        let error = Error::new(ErrorKind::BufferFull, "displaced by a newer event");
        self.give_back(partition, batch, UndeliveredReason::Dropped, &error);
    }

    /// Hands back what waits and whose deadline has passed.
    pub(super) fn expire(self: &Arc<Self>, partition: u32) {
        let now = Instant::now();
        let expired = lock(&self.partition(partition).queue).expire(now);
        for batch in expired {
            self.give_back(
                partition,
                batch,
                UndeliveredReason::Expired,
                &expired_error(),
            );
        }
    }

    /// Hands back everything that no worker has taken.
    pub(super) fn return_buffered(self: &Arc<Self>) {
        let error = Error::closed("producer");
        for number in 0..self.count() {
            let batches = lock(&self.partition(number).queue).take_all();
            for batch in batches {
                self.give_back(number, batch, UndeliveredReason::Returned, &error);
            }
        }
    }
}

pub(super) fn expired_error() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the event's deadline passed before it was sent",
    )
}
