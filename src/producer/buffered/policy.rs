//! The choices that a buffered producer leaves to its user.

/// What [`enqueue`](super::BufferedProducer::enqueue) and its kin do when there
/// is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// Wait for room, in turn.
    #[default]
    Wait,
    /// Refuse the new event with [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull).
    Reject,
    /// Give up the oldest events that wait in the same partition, which end as
    /// [`Dropped`](super::UndeliveredReason::Dropped). Events in flight are not
    /// given up: where they and reserved room leave none for the new event, it is
    /// refused as with [`Reject`](Self::Reject).
    DropOldest,
}

/// What a partition does after an event in it was
/// [`Rejected`](super::UndeliveredReason::Rejected), has
/// [`Failed`](super::UndeliveredReason::Failed) or is of
/// [`Unknown`](super::UndeliveredReason::Unknown) fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Go on with the events behind it.
    #[default]
    Continue,
    /// Send nothing more from that partition until
    /// [`resume`](super::BufferedProducer::resume). For programs whose later
    /// events make no sense without the earlier ones.
    ///
    /// Events are still accepted, within the bounds; those without a target pass
    /// over the partition.
    HaltPartition,
}

/// What becomes of keyed events when the hub gets more partitions.
///
/// New partitions are found within the
/// [discovery interval](super::BufferedProducerOptions::with_discovery_interval)
/// and take events without a target, or with that partition for one, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PartitionGrowth {
    /// Keys stay where they are until the producer is opened anew. Producers that
    /// were opened at different times may send one key to different partitions.
    #[default]
    KeepKeys,
    /// Keys are spread over all partitions, once every event accepted before has
    /// its outcome. Until then callers with keyed events wait (a `try_` form
    /// finds no room), so that at no time two partitions take events of one key.
    ///
    /// A partition that is stuck or halted holds up all keys as long.
    Rehash,
}
