//! How batches are formed.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::batch::BatchLimits;
use crate::event::EventData;
use crate::partition::Target;

/// Options of [`batched`](super::EventStreamExt::batched).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOptions {
    limits: BatchLimits,
    linger: Option<Duration>,
    max_open: NonZeroUsize,
    max_open_bytes: usize,
    partitions: Option<NonZeroU32>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            limits: BatchLimits::STANDARD,
            linger: Some(Duration::from_millis(50)),
            max_open: NonZeroUsize::new(32).expect("not zero"),
            max_open_bytes: 8 << 20,
            partitions: None,
        }
    }
}

impl BatchOptions {
    /// The most that a batch may hold: the producer's
    /// [`limits`](crate::transport::TransportProducer::limits), and the
    /// [`batch_limits`](crate::producer::rate_limited::RateLimit::batch_limits)
    /// of a limiter further on.
    ///
    /// Defaults to [`BatchLimits::STANDARD`].
    #[must_use]
    pub fn with_limits(mut self, limits: BatchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a batch waits for company, from its first event on.
    ///
    /// Zero closes a batch as soon as the stream has no next event ready; `None`
    /// sets no timer. Defaults to 50 ms.
    #[must_use]
    pub fn with_linger(mut self, linger: impl Into<Option<Duration>>) -> Self {
        self.linger = linger.into();
        self
    }

    /// Bounds the batches that are open at once, one per target: the oldest is
    /// closed for a new one.
    ///
    /// Defaults to 32.
    #[must_use]
    pub fn with_max_open(mut self, batches: NonZeroUsize) -> Self {
        self.max_open = batches;
        self
    }

    /// Bounds the encoded bytes of all open batches: beyond it the oldest are
    /// closed. At most one event more is held.
    ///
    /// Defaults to 8 MiB.
    #[must_use]
    pub fn with_max_open_bytes(mut self, bytes: usize) -> Self {
        self.max_open_bytes = bytes;
        self
    }

    /// Gathers events by the partition that their key maps to among so many,
    /// where each key would else have batches of its own. Every event keeps its
    /// key. See [`PartitionKey::partition`](crate::PartitionKey::partition) for
    /// the rule.
    ///
    /// Defaults to a batch per key.
    #[must_use]
    pub fn with_partitions(mut self, count: NonZeroU32) -> Self {
        self.partitions = Some(count);
        self
    }

    pub(super) fn limits(&self) -> BatchLimits {
        self.limits
    }

    pub(super) fn linger(&self) -> Option<Duration> {
        self.linger
    }

    pub(super) fn max_open(&self) -> usize {
        self.max_open.get()
    }

    pub(super) fn max_open_bytes(&self) -> usize {
        self.max_open_bytes
    }

    /// The target of the batch that an event joins.
    pub(super) fn target_of(&self, event: &EventData) -> Target {
        match (event.target(), self.partitions) {
            (Target::Key(key), Some(count)) => key.partition(count.get()).into(),
            (target, _) => target.clone(),
        }
    }
}
