//! What a buffered producer tells a metrics recorder: see [`crate::telemetry`].
//!
//! Called with no lock held and behind a shield: a recorder is not ours.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use super::delivery::UndeliveredReason;
use super::queued::Batch;
use super::snapshot::BufferSnapshot;
use crate::error::Error;
use crate::shield::shielded;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::telemetry as names;

/// What closed a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    Full,
    Linger,
    Pressure,
    Flush,
    Close,
}

/// In the order of [`ClosedBy`].
const CLOSED_BY: [&str; 5] = ["full", "linger", "pressure", "flush", "close"];

/// In the order of [`class`].
const OUTCOMES: [&str; 7] = [
    "delivered",
    "rejected",
    "failed",
    "expired",
    "unknown",
    "dropped",
    "returned",
];

pub(super) struct BufferMetrics {
    pub(super) hub: Arc<str>,
    events: Gauge,
    bytes: Gauge,
    max_events: Gauge,
    max_bytes: Gauge,
    oldest_age: Gauge,
    waiting: Gauge,
    halted: Gauge,
    paused: Gauge,
    pub(super) wait: Histogram,
    batches: [Counter; CLOSED_BY.len()],
    batch_events: Histogram,
    batch_bytes: Histogram,
    retries: Counter,
    throttled: Counter,
    pub(super) throttle_wait: Histogram,
    outcomes: [Counter; OUTCOMES.len()],
    counts: Counts,
}

/// What a snapshot tells beside what the queues hold.
#[derive(Default)]
struct Counts {
    batches: AtomicU64,
    attempts: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
}

impl BufferMetrics {
    pub(super) fn new(hub: &str, name: &Arc<str>) -> Self {
        names::describe_producer();
        let hub = Arc::from(hub);
        let mut labels = names::hub_labels(&hub);
        labels.push(Label::new(names::NAME, Arc::clone(name)));
        let labels = || labels.clone();
        let closed_by = |by| names::with(&labels(), names::CLOSED_BY, by);
        let outcome = |outcome| names::with(&labels(), names::OUTCOME, outcome);
        Self {
            events: gauge!(names::BUFFER_EVENTS, labels()),
            bytes: gauge!(names::BUFFER_BYTES, labels()),
            max_events: gauge!(names::BUFFER_MAX_EVENTS, labels()),
            max_bytes: gauge!(names::BUFFER_MAX_BYTES, labels()),
            oldest_age: gauge!(names::BUFFER_OLDEST_AGE, labels()),
            waiting: gauge!(names::BUFFER_WAITING, labels()),
            halted: gauge!(names::BUFFER_HALTED, labels()),
            paused: gauge!(names::BUFFER_PAUSED, labels()),
            wait: histogram!(names::BUFFER_WAIT, labels()),
            batches: CLOSED_BY.map(|by| counter!(names::BATCHES, closed_by(by))),
            batch_events: histogram!(names::BATCH_EVENTS, labels()),
            batch_bytes: histogram!(names::BATCH_BYTES, labels()),
            retries: counter!(names::RETRIES, labels()),
            throttled: counter!(names::THROTTLED, labels()),
            throttle_wait: histogram!(names::THROTTLE_WAIT, labels()),
            outcomes: OUTCOMES.map(|class| counter!(names::OUTCOMES, outcome(class))),
            counts: Counts::default(),
            hub,
        }
    }

    /// A batch goes to be sent.
    pub(super) fn departs(&self, batch: &Batch) {
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        let by = batch.closed_by.map(|by| &self.batches[by as usize]);
        shielded(|| {
            by.into_iter().for_each(|batches| batches.increment(1));
            self.batch_events.record(batch.events.len() as f64);
            self.batch_bytes.record(batch.encoded_size as f64);
        });
    }

    /// A batch is to be sent again after an error.
    pub(super) fn again(&self) {
        self.counts.retries.fetch_add(1, Ordering::Relaxed);
        shielded(|| self.retries.increment(1));
    }

    /// The service refused a batch as busy.
    pub(super) fn throttled(&self) {
        self.counts.throttled.fetch_add(1, Ordering::Relaxed);
        shielded(|| self.throttled.increment(1));
    }

    /// Events have their outcomes.
    pub(super) fn settled(&self, delivered: usize, told: &[(UndeliveredReason, Error)]) {
        let mut events = [0; OUTCOMES.len()];
        events[0] = delivered as u64;
        for (reason, _) in told {
            events[class(*reason)] += 1;
        }
        let counted = self.outcomes.iter().zip(events);
        let counted = counted.filter(|(_, events)| *events > 0);
        shielded(|| counted.for_each(|(outcome, events)| outcome.increment(events)));
    }

    /// Sets the gauges.
    pub(super) fn sample(&self, now: &BufferSnapshot) {
        let age = now.oldest_age.unwrap_or_default();
        shielded(|| {
            self.events.set(now.events as f64);
            self.bytes.set(now.bytes as f64);
            self.max_events.set(now.max_events as f64);
            self.max_bytes.set(now.max_bytes as f64);
            self.oldest_age.set(age.as_secs_f64());
            self.waiting.set(now.waiting as f64);
            self.halted.set(now.halted_partitions as f64);
            self.paused.set(now.paused_partitions as f64);
        });
    }

    /// Fills in what is counted here.
    pub(super) fn count_into(&self, snapshot: &mut BufferSnapshot) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        snapshot.batches = of(&self.counts.batches);
        snapshot.attempts = of(&self.counts.attempts);
        snapshot.retries = of(&self.counts.retries);
        snapshot.throttled = of(&self.counts.throttled);
    }
}

/// Which of [`OUTCOMES`] it is.
fn class(reason: UndeliveredReason) -> usize {
    match reason {
        UndeliveredReason::Rejected => 1,
        UndeliveredReason::Failed { .. } => 2,
        UndeliveredReason::Expired => 3,
        UndeliveredReason::Unknown => 4,
        UndeliveredReason::Dropped => 5,
        UndeliveredReason::Returned => 6,
    }
}

/// What is told of the attempts in one partition.
pub(super) struct AttemptMetrics {
    labels: Vec<Label>,
    sent: Counter,
    duration: Histogram,
}

impl AttemptMetrics {
    pub(super) fn new(buffer: &BufferMetrics, partition: u32) -> Self {
        let mut labels = names::hub_labels(&buffer.hub);
        labels.push(Label::new(
            names::DESTINATION_PARTITION_ID,
            partition.to_string(),
        ));
        labels.push(Label::new(names::OPERATION_NAME, names::SEND));
        // A worker looks them up.
        let sent = || counter!(names::SENT_MESSAGES, labels.clone());
        let duration = || histogram!(names::OPERATION_DURATION, typed(&labels));
        Self {
            sent: shielded(sent).unwrap_or_else(Counter::noop),
            duration: shielded(duration).unwrap_or_else(Histogram::noop),
            labels,
        }
    }

    /// An attempt with so many events ended.
    pub(super) fn ended(
        &self,
        buffer: &BufferMetrics,
        events: usize,
        took: Duration,
        result: &Result<(), Error>,
    ) {
        buffer.counts.attempts.fetch_add(1, Ordering::Relaxed);
        let events = events as u64;
        shielded(|| match result {
            Ok(()) => {
                self.sent.increment(events);
                self.duration.record(took);
            }
            // Rare enough to be looked up.
            Err(error) => {
                let kind = names::error_type(error);
                let labels = names::with(&self.labels, names::ERROR_TYPE, kind);
                counter!(names::SENT_MESSAGES, labels.clone()).increment(events);
                histogram!(names::OPERATION_DURATION, typed(&labels)).record(took);
            }
        });
    }
}

fn typed(labels: &[Label]) -> Vec<Label> {
    names::with(labels, names::OPERATION_TYPE, names::SEND)
}
