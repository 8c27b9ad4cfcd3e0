//! What is told of handlers: see [`crate::telemetry`].
//!
//! Called behind a shield: a recorder is not ours.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::partition::PartitionId;
use crate::shield::shielded;
use crate::telemetry as names;

pub(super) struct ProcessMetrics {
    running: Gauge,
    waiting: Gauge,
}

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        names::describe_processing();
        let labels = || [Label::new(names::SYSTEM, names::EVENT_HUBS)].to_vec();
        Self {
            running: gauge!(names::PROCESS_RUNNING, labels()),
            waiting: gauge!(names::PROCESS_WAITING, labels()),
        }
    }

    /// Events came to wait.
    pub(super) fn wait(&self, events: usize) {
        shielded(|| self.waiting.increment(events as f64));
    }

    /// Events do not wait any more.
    pub(super) fn waited(&self, events: usize) {
        shielded(|| self.waiting.decrement(events as f64));
    }

    /// A handler is started.
    pub(super) fn run(&self) -> Running {
        shielded(|| self.running.increment(1.0));
        Running(self.running.clone())
    }
}

/// A handler that runs: dropped with it, however it ends.
pub(super) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        shielded(|| self.0.decrement(1.0));
    }
}

/// What is told of one partition.
pub(super) struct PartitionMetrics {
    labels: Vec<Label>,
    duration: Histogram,
    slow: Counter,
}

impl PartitionMetrics {
    pub(super) fn new(partition: PartitionId) -> Self {
        let labels = vec![
            Label::new(names::SYSTEM, names::EVENT_HUBS),
            Label::new(names::DESTINATION_PARTITION_ID, partition.to_string()),
            Label::new(names::OPERATION_NAME, names::PROCESS),
        ];
        let duration = || histogram!(names::PROCESS_DURATION, labels.clone());
        let slow = || counter!(names::PROCESS_SLOW, labels.clone());
        Self {
            duration: shielded(duration).unwrap_or_else(Histogram::noop),
            slow: shielded(slow).unwrap_or_else(Counter::noop),
            labels,
        }
    }

    pub(super) fn slow(&self) {
        shielded(|| self.slow.increment(1));
    }

    /// A handler ended, with the class of its error.
    pub(super) fn ended(&self, took: Duration, error: Option<&'static str>) {
        shielded(|| match error {
            None => self.duration.record(took),
            // Rare enough to be looked up.
            Some(class) => {
                let labels = names::with(&self.labels, names::ERROR_TYPE, class);
                histogram!(names::PROCESS_DURATION, labels).record(took);
            }
        });
    }
}
