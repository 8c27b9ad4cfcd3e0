//! What a consumer tells a metrics recorder: see [`crate::telemetry`].
//!
//! Called with no lock held and behind a shield: a recorder is not ours.

use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Label, counter, gauge, histogram};
use tokio::time::Instant;
use tracing::Span;

use super::credit::Load;
use super::lane::Lane;
use super::snapshot::PartitionSnapshot;
use super::state::Fault;
use crate::error::Error;
use crate::partition::PartitionId;
use crate::shield::shielded;
use crate::telemetry as names;

/// Of one consumer.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    hub: Arc<str>,
    consumer_group: Arc<str>,
}

/// Of one partition, looked up once.
pub(super) struct PartitionMeters {
    labels: Vec<Label>,
    consumed: Counter,
    lag_events: Gauge,
    lag: Gauge,
    credit: Gauge,
    buffered_events: Gauge,
    buffered_bytes: Gauge,
    generation: Gauge,
    unacknowledged: Gauge,
    checkpoint_age: Gauge,
    thefts: Counter,
    refusals: Counter,
}

impl Meters {
    pub(super) fn new(hub: &str, consumer_group: &str) -> Self {
        names::describe_consumer();
        Self {
            hub: hub.into(),
            consumer_group: consumer_group.into(),
        }
    }

    fn labels(&self, partition: PartitionId) -> Vec<Label> {
        let mut labels = names::hub_labels(&self.hub);
        labels.push(Label::new(
            names::CONSUMER_GROUP_NAME,
            Arc::clone(&self.consumer_group),
        ));
        labels.push(Label::new(
            names::DESTINATION_PARTITION_ID,
            partition.to_string(),
        ));
        labels
    }

    pub(super) fn of(&self, partition: PartitionId) -> PartitionMeters {
        let labels = || self.labels(partition);
        let receive = names::with(&labels(), names::OPERATION_NAME, names::RECEIVE);
        PartitionMeters {
            labels: labels(),
            consumed: counter!(names::CONSUMED_MESSAGES, receive),
            lag_events: gauge!(names::LAG_EVENTS, labels()),
            lag: gauge!(names::LAG, labels()),
            credit: gauge!(names::CREDIT, labels()),
            buffered_events: gauge!(names::PREFETCHED_EVENTS, labels()),
            buffered_bytes: gauge!(names::PREFETCHED_BYTES, labels()),
            generation: gauge!(names::GENERATION, labels()),
            unacknowledged: gauge!(names::UNACKNOWLEDGED, labels()),
            checkpoint_age: gauge!(names::CHECKPOINT_AGE, labels()),
            thefts: counter!(names::THEFTS, labels()),
            refusals: counter!(names::REFUSALS, labels()),
        }
    }

    /// Measures the writing of a checkpoint.
    pub(super) fn checkpointing(&self, partition: PartitionId) -> Checkpointing {
        Checkpointing {
            span: tracing::debug_span!(
                "checkpoint",
                otel.kind = "client",
                messaging.system = names::EVENT_HUBS,
                messaging.destination.name = &*self.hub,
                messaging.destination.partition.id = partition.number(),
                messaging.consumer.group.name = &*self.consumer_group,
                messaging.operation.name = names::CHECKPOINT,
                error.type = tracing::field::Empty,
            ),
            since: Instant::now(),
            labels: names::with(
                &names::with(
                    &self.labels(partition),
                    names::OPERATION_NAME,
                    names::CHECKPOINT,
                ),
                names::OPERATION_TYPE,
                names::SETTLE,
            ),
        }
    }
}

/// A checkpoint that is being written.
pub(super) struct Checkpointing {
    pub(super) span: Span,
    since: Instant,
    labels: Vec<Label>,
}

impl Checkpointing {
    pub(super) fn stop(self, stored: &Result<(), Error>) {
        let labels = match stored {
            Ok(()) => self.labels,
            Err(error) => {
                let class = names::error_type(error);
                self.span.record(names::ERROR_TYPE, class);
                names::with(&self.labels, names::ERROR_TYPE, class)
            }
        };
        let took = self.since.elapsed();
        shielded(|| histogram!(names::OPERATION_DURATION, labels).record(took));
    }
}

impl PartitionMeters {
    /// Events came.
    pub(super) fn received(&self, events: u64) {
        shielded(|| self.consumed.increment(events));
    }

    /// Opening or receiving failed.
    pub(super) fn failed(&self, error: &Error, fault: Fault) {
        let labels = || names::with(&self.labels, names::ERROR_TYPE, names::error_type(error));
        shielded(|| match fault {
            Fault::Lost(_) => self.thefts.increment(1),
            Fault::Refused(_) => self.refusals.increment(1),
            Fault::Transient | Fault::Final => {
                counter!(names::INTERRUPTIONS, labels()).increment(1);
            }
        });
    }

    /// Sets the gauges.
    pub(super) fn sample(&self, lane: &Lane, held: Load) {
        let now = PartitionSnapshot::of(lane, held);
        let seconds = |time: std::time::Duration| time.as_secs_f64();
        shielded(|| {
            if let Some(events) = now.lag_events {
                self.lag_events.set(events as f64);
            }
            if let Some(lag) = now.lag {
                self.lag.set(seconds(lag));
            }
            if let Some(age) = now.checkpoint_age {
                self.checkpoint_age.set(seconds(age));
            }
            self.credit.set(now.credit);
            self.buffered_events.set(now.buffered_events as f64);
            self.buffered_bytes.set(now.buffered_bytes as f64);
            self.generation.set(now.generation.unwrap_or(0) as f64);
            self.unacknowledged.set(now.unacknowledged as f64);
        });
    }
}

impl fmt::Debug for PartitionMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionMeters").finish_non_exhaustive()
    }
}
