//! What is known of a partition, by its handlers too.

use super::metrics::PartitionMetrics;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Partition {
    pub(super) metrics: PartitionMetrics,
    /// Generations below this one own the partition no more.
    lost_below: AtomicU64,
}

impl Partition {
    pub(super) fn new(partition: PartitionId) -> Self {
        Self {
            metrics: PartitionMetrics::new(partition),
            lost_below: AtomicU64::new(0),
        }
    }

    /// A generation is lost, and those before it.
    pub(super) fn lose(&self, generation: u64) {
        let below = generation.saturating_add(1);
        self.lost_below.fetch_max(below, Ordering::Release);
    }

    pub(super) fn has_lost(&self, event: &ReceivedEvent) -> bool {
        event.generation() < self.lost_below.load(Ordering::Acquire)
    }
}
