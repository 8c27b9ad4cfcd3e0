//! How an epoch-safe consumer is set up.

use std::num::NonZeroUsize;

use super::policy::EpochPolicy;
use crate::partition::PartitionId;
use crate::transport::StartPosition;

/// Options of an [`EpochSafeConsumer`](super::EpochSafeConsumer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochSafeConsumerOptions {
    pub(super) consumer_group: String,
    /// `None`: all.
    pub(super) partitions: Option<Vec<PartitionId>>,
    pub(super) position: StartPosition,
    pub(super) policy: EpochPolicy,
    pub(super) name: Option<String>,
    pub(super) prefetch_events: NonZeroUsize,
    pub(super) prefetch_bytes: NonZeroUsize,
}

impl Default for EpochSafeConsumerOptions {
    fn default() -> Self {
        Self {
            consumer_group: "$Default".into(),
            partitions: None,
            position: StartPosition::Latest,
            policy: EpochPolicy::default(),
            name: None,
            prefetch_events: NonZeroUsize::new(300).expect("not zero"),
            prefetch_bytes: NonZeroUsize::new(8 << 20).expect("not zero"),
        }
    }
}

impl EpochSafeConsumerOptions {
    /// Reads in this consumer group.
    ///
    /// Defaults to `$Default`.
    #[must_use]
    pub fn with_consumer_group(mut self, group: impl Into<String>) -> Self {
        self.consumer_group = group.into();
        self
    }

    /// Reads these partitions.
    ///
    /// Defaults to all that the hub has when the consumer is opened.
    #[must_use]
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = PartitionId>) -> Self {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Starts each partition here.
    ///
    /// Defaults to [`StartPosition::Latest`], as the Azure SDKs do: only events
    /// stored after the consumer attached are read.
    #[must_use]
    pub fn with_position(mut self, position: StartPosition) -> Self {
        self.position = position;
        self
    }

    /// Deals with other receivers by this policy.
    ///
    /// Defaults to [`EpochPolicy::TakeOver`] at level 0.
    #[must_use]
    pub fn with_policy(mut self, policy: EpochPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The name by which others learn who displaced or refused them: at most 64
    /// characters.
    ///
    /// Defaults to none: the service then says `nil`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Bounds the events of one partition that are under way or not yielded yet.
    ///
    /// Defaults to 300.
    #[must_use]
    pub fn with_prefetch_events(mut self, events: NonZeroUsize) -> Self {
        self.prefetch_events = events;
        self
    }

    /// Bounds the bytes of all partitions' events that are under way or not
    /// yielded yet, an equal share for each partition.
    ///
    /// Credit counts events, so the bound is kept by the size of the largest
    /// event seen lately: where events suddenly grow, the excess is at most the
    /// credit given times the growth. A single larger event still passes.
    /// Defaults to 8 MiB.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.prefetch_bytes = bytes;
        self
    }
}
