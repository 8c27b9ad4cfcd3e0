//! What a gate holds up now, for programs without a metrics stack.

use std::time::Duration;

use crate::partition::PartitionId;

/// What a [`ThrottleGate`](super::ThrottleGate) holds up at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ThrottleGateSnapshot {
    /// How long all partitions are still paused; `None` if they are not.
    pub all_paused_for: Option<Duration>,
    /// The partitions that are paused by themselves, and how long still.
    pub partitions_paused_for: Vec<(PartitionId, Duration)>,
    /// Whether a batch is under way to find out if the service takes more.
    pub is_probing: bool,
    /// How often a partition, or all of them, began a pause since the gate was
    /// made: a probe that is refused begins another one.
    pub pauses: u64,
}
