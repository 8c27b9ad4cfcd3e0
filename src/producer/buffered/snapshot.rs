//! What a buffered producer holds now, for programs without a metrics stack.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::buffer::Buffer;
use super::cost::Cost;
use crate::partition::PartitionId;
use crate::sync::lock;

/// How often the gauges are set while there is something to tell.
const SAMPLES: Duration = Duration::from_secs(1);

/// What a [`BufferedProducer`](super::BufferedProducer) holds and has done, at one
/// moment.
///
/// Partitions are looked at one after another, while others go on: the sums are
/// those of a moment only where nothing moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BufferSnapshot {
    /// Room taken, in events: those accepted that have no outcome, and permits.
    pub events: usize,
    /// The same in bytes: encoded, and 128 for each event.
    pub bytes: usize,
    /// The bound of [`events`](Self::events): that of all partitions together, or of
    /// each times their number where that is less.
    pub max_events: usize,
    /// The bound of [`bytes`](Self::bytes), likewise.
    pub max_bytes: usize,
    /// How long the oldest batch without an outcome has had events; `None` if
    /// there is none.
    pub oldest_age: Option<Duration>,
    /// Callers who wait for room.
    pub waiting: usize,
    /// Batches that left the queue and have no outcome.
    pub under_way: usize,
    /// Partitions that are [halted](super::OnFailure::HaltPartition).
    pub halted_partitions: usize,
    /// Partitions that wait at the throttle gate.
    pub paused_partitions: usize,
    /// Batches that went to be sent, since the producer was opened.
    pub batches: u64,
    /// Attempts that ended, since then.
    pub attempts: u64,
    /// Attempts to be made again after an error other than throttling, since then.
    pub retries: u64,
    /// Attempts that the service refused as busy, since then.
    pub throttled: u64,
    /// What became of events, since then.
    pub outcomes: OutcomeCounts,
    /// Every partition, from 0.
    pub partitions: Vec<PartitionSnapshot>,
}

/// What a [`BufferedProducer`](super::BufferedProducer) holds for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionSnapshot {
    /// The partition.
    pub partition: PartitionId,
    /// Room taken, in events: those accepted that have no outcome, and permits.
    pub events: usize,
    /// The same in bytes: encoded, and 128 for each event.
    pub bytes: usize,
    /// How long the oldest batch without an outcome has had events; `None` if
    /// there is none.
    pub oldest_age: Option<Duration>,
    /// Callers who wait for room in this partition; those who wait for room in
    /// any are counted in [`BufferSnapshot::waiting`] only.
    pub waiting: usize,
    /// Batches that left the queue and have no outcome.
    pub under_way: usize,
    /// Whether it is [halted](super::OnFailure::HaltPartition).
    pub is_halted: bool,
    /// How long it is still paused by the throttle gate; `None` if it is not.
    pub paused_for: Option<Duration>,
}

/// Events by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// The hub acknowledged them.
    pub delivered: u64,
    /// They were refused for good.
    pub rejected: u64,
    /// Their attempts were used up.
    pub failed: u64,
    /// Their deadline passed before they were transferred.
    pub expired: u64,
    /// They were transferred and may be stored.
    pub unknown: u64,
    /// Newer ones displaced them.
    pub dropped: u64,
    /// They were never transferred.
    pub returned: u64,
}

/// What a queue holds.
pub(super) struct Holdings {
    pub(super) used: Cost,
    pub(super) oldest: Option<Instant>,
    pub(super) waiting: usize,
    pub(super) under_way: usize,
    pub(super) is_halted: bool,
}

impl Buffer {
    pub(super) fn snapshot(&self) -> BufferSnapshot {
        let bound = self.bound();
        let mut snapshot = BufferSnapshot {
            max_events: bound.events,
            max_bytes: bound.bytes,
            waiting: self.any.waiting(),
            outcomes: self.account.outcomes(),
            ..BufferSnapshot::default()
        };
        self.metrics.count_into(&mut snapshot);
        for number in 0..self.count() {
            let partition = self.partition_snapshot(number);
            snapshot.events += partition.events;
            snapshot.bytes += partition.bytes;
            snapshot.oldest_age = snapshot.oldest_age.max(partition.oldest_age);
            snapshot.waiting += partition.waiting;
            snapshot.under_way += partition.under_way;
            snapshot.halted_partitions += usize::from(partition.is_halted);
            snapshot.paused_partitions += usize::from(partition.paused_for.is_some());
            snapshot.partitions.push(partition);
        }
        snapshot
    }

    fn partition_snapshot(&self, number: u32) -> PartitionSnapshot {
        let partition = PartitionId::new(number);
        let paused_for = self.departures.gate().paused_for(partition);
        let held = lock(&self.partition(number).queue).holdings();
        PartitionSnapshot {
            partition,
            events: held.used.events,
            bytes: held.used.bytes,
            oldest_age: held.oldest.map(|oldest| oldest.elapsed()),
            waiting: held.waiting,
            under_way: held.under_way,
            is_halted: held.is_halted,
            paused_for,
        }
    }

    /// Sets the gauges; says whether they will change without a new batch.
    pub(super) fn sample(&self) -> bool {
        let snapshot = self.snapshot();
        self.metrics.sample(&snapshot);
        snapshot.events > 0 || snapshot.waiting > 0 || snapshot.paused_partitions > 0
    }
}

/// Sets the gauges now and then, for ever. Where there is nothing to tell it
/// sleeps until there is, so that an idle producer costs nothing.
pub(super) async fn run(buffer: Arc<Buffer>) {
    loop {
        if buffer.sample() {
            sleep(SAMPLES).await;
        } else {
            buffer.stirred.notified().await;
        }
    }
}
