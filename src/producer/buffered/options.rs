//! How a buffered producer is set up.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::cost::Cost;
use super::outcomes::OutcomeQueue;
use super::policy::{OnFailure, OverflowPolicy, PartitionGrowth};
use super::verdict::RetryPolicy;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::retry::Backoff;

/// Options of a [`BufferedProducer`](super::BufferedProducer).
///
/// How to choose a bound: bytes bound memory, events bound the work lost in a
/// crash. A buffer should hold what is sent in the longest pause that it is to
/// bridge; twice the batch size per partition is the least that keeps a link
/// busy, and a batch takes at most half of its partition's bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferedProducerOptions {
    partition: Cost,
    total: Cost,
    batch: BatchLimits,
    linger: Option<Duration>,
    max_in_flight: NonZeroUsize,
    max_in_flight_per_partition: NonZeroUsize,
    retry: RetryPolicy,
    overflow: OverflowPolicy,
    deadline: Option<Duration>,
    outcome_stream: Option<NonZeroUsize>,
    growth: PartitionGrowth,
    discovery_interval: Duration,
    name: Arc<str>,
}

impl Default for BufferedProducerOptions {
    fn default() -> Self {
        Self {
            partition: Cost {
                events: 16_384,
                bytes: 8 << 20,
            },
            total: Cost {
                events: usize::MAX,
                bytes: 64 << 20,
            },
            batch: BatchLimits {
                bytes: usize::MAX,
                events: usize::MAX,
            },
            linger: Some(Duration::from_millis(50)),
            max_in_flight: NonZeroUsize::new(32).expect("not zero"),
            max_in_flight_per_partition: NonZeroUsize::MIN,
            retry: RetryPolicy::default(),
            overflow: OverflowPolicy::default(),
            deadline: None,
            outcome_stream: None,
            growth: PartitionGrowth::default(),
            discovery_interval: Duration::from_secs(10),
            name: Arc::from("default"),
        }
    }
}

impl BufferedProducerOptions {
    /// Bounds the events of one partition that have no outcome yet.
    ///
    /// Defaults to 16,384.
    #[must_use]
    pub fn with_max_events_per_partition(mut self, events: NonZeroUsize) -> Self {
        self.partition.events = events.get();
        self
    }

    /// Bounds the bytes of one partition's events that have no outcome yet:
    /// their encoded size and 128 bytes for each.
    ///
    /// Defaults to 8 MiB.
    #[must_use]
    pub fn with_max_bytes_per_partition(mut self, bytes: NonZeroUsize) -> Self {
        self.partition.bytes = bytes.get();
        self
    }

    /// Bounds the events of all partitions that have no outcome yet.
    ///
    /// Defaults to no bound beside the one in bytes, which holds 524,288 events
    /// at most.
    #[must_use]
    pub fn with_max_events(mut self, events: NonZeroUsize) -> Self {
        self.total.events = events.get();
        self
    }

    /// Bounds the bytes of all partitions' events that have no outcome yet:
    /// their encoded size and 128 bytes for each.
    ///
    /// Defaults to 64 MiB.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.total.bytes = bytes.get();
        self
    }

    /// Closes a batch at this many events.
    ///
    /// Defaults to no limit beside half of its partition's bound.
    #[must_use]
    pub fn with_max_batch_events(mut self, events: NonZeroUsize) -> Self {
        self.batch.events = events.get();
        self
    }

    /// Closes a batch at this many encoded bytes.
    ///
    /// Defaults to no limit beside the transport's and half of its partition's
    /// bound. A single larger event still goes, alone, if the transport takes it.
    #[must_use]
    pub fn with_max_batch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.batch.bytes = bytes.get();
        self
    }

    /// How long a batch waits for company, from its first event on.
    ///
    /// Zero sends at once what is there whenever the partition's link is free;
    /// `None` sets no timer: batches go when they are full, on pressure, and on
    /// flush and close. Defaults to 50 ms.
    #[must_use]
    pub fn with_linger(mut self, linger: impl Into<Option<Duration>>) -> Self {
        self.linger = linger.into();
        self
    }

    /// Bounds the batches in flight over all partitions.
    ///
    /// Defaults to 32.
    #[must_use]
    pub fn with_max_in_flight(mut self, batches: NonZeroUsize) -> Self {
        self.max_in_flight = batches;
        self
    }

    /// Bounds the batches of one partition that are on their way at once, over
    /// one link. More than one hides the time that an acknowledgement takes.
    ///
    /// With more than one, a batch that has to be sent again arrives after those
    /// that were sent behind it: order holds only as long as no attempt fails.
    /// A batch takes at most one part in `batches + 1` of its partition's
    /// bounds, so that one fills while all others are on their way.
    ///
    /// Defaults to 1.
    #[must_use]
    pub fn with_max_in_flight_per_partition(mut self, batches: NonZeroUsize) -> Self {
        self.max_in_flight_per_partition = batches;
        self
    }

    /// What to do with a new event when there is no room.
    ///
    /// Defaults to [`OverflowPolicy::Wait`].
    #[must_use]
    pub fn with_overflow(mut self, policy: OverflowPolicy) -> Self {
        self.overflow = policy;
        self
    }

    /// What a partition does after an event that could not be delivered.
    ///
    /// Defaults to [`OnFailure::Continue`].
    #[must_use]
    pub fn with_on_failure(mut self, policy: OnFailure) -> Self {
        self.retry.on_failure = policy;
        self
    }

    /// How long events may wait for their transfer, from their acceptance on;
    /// `None` is for ever. An event's own
    /// [deadline](crate::EventData::with_deadline) goes before it.
    ///
    /// An event whose deadline passes is not sent any more and ends as
    /// [`Expired`](super::UndeliveredReason::Expired), or as
    /// [`Unknown`](super::UndeliveredReason::Unknown) if an attempt may have
    /// stored it. An attempt that is under way is waited for, and may deliver it.
    ///
    /// Defaults to `None`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// How often a batch is sent again after attempts that failed; waiting out a
    /// throttle spends none of them.
    ///
    /// Defaults to 3.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.retry.max_retries = retries;
        self
    }

    /// The waits before a batch is sent again: a random part of `first`, which
    /// doubles with each failure up to `limit`.
    ///
    /// Defaults to 0.8 s and 60 s.
    #[must_use]
    pub fn with_retry_backoff(mut self, first: Duration, limit: Duration) -> Self {
        self.retry.backoff = Backoff::new(first, limit);
        self
    }

    /// How long a batch waits for a service that is busy, from its first refusal
    /// on; its events are [`Failed`](super::UndeliveredReason::Failed) then.
    ///
    /// Defaults to `None`: as long as it takes.
    #[must_use]
    pub fn with_throttle_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.retry.throttle_deadline = deadline.into();
        self
    }

    /// Whether a batch is sent again when an attempt may have been stored: at
    /// least once with `true`, at most once with `false`, where such events end
    /// as [`Unknown`](super::UndeliveredReason::Unknown).
    ///
    /// Defaults to `true`.
    #[must_use]
    pub fn with_duplicates_allowed(mut self, allowed: bool) -> Self {
        self.retry.duplicates = allowed;
        self
    }

    /// Tells what became of every event in a stream, see
    /// [`BufferedProducer::outcomes`](super::BufferedProducer::outcomes), that
    /// holds at most so many items.
    ///
    /// Defaults to no such stream.
    #[must_use]
    pub fn with_outcome_stream(mut self, capacity: NonZeroUsize) -> Self {
        self.outcome_stream = Some(capacity);
        self
    }

    /// What becomes of the places of keys when the hub gets more partitions.
    ///
    /// Defaults to [`PartitionGrowth::KeepKeys`].
    #[must_use]
    pub fn with_partition_growth(mut self, policy: PartitionGrowth) -> Self {
        self.growth = policy;
        self
    }

    /// How often the hub is asked for its partitions; not zero.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub fn with_discovery_interval(mut self, interval: Duration) -> Self {
        self.discovery_interval = interval;
        self
    }

    /// Names the producer in its [metrics](crate::telemetry), which tells apart
    /// those of one program that send to one hub.
    ///
    /// Defaults to `default`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn retry(&self) -> RetryPolicy {
        self.retry
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        // Below this not even an empty event could be admitted.
        let least = Cost::of_event(0);
        if !least.fits(self.partition) || !least.fits(self.total) {
            return Err(Error::invalid_options(format!(
                "the buffer's bounds admit no event: each takes {} bytes beside its own",
                least.bytes
            )));
        }
        if self.discovery_interval.is_zero() {
            return Err(Error::invalid_options(
                "a discovery interval of zero would ask for partitions without end",
            ));
        }
        Ok(())
    }

    pub(super) fn partition_bound(&self) -> Cost {
        self.partition.min(self.total)
    }

    pub(super) fn total_bound(&self) -> Cost {
        self.total
    }

    /// What closes a batch: the options' limits, within a part of the partition's
    /// bounds so that one batch fills while others are in flight.
    pub(super) fn batch_limits(&self) -> BatchLimits {
        let parts = self.max_in_flight_per_partition.get().saturating_add(1);
        let part = self.partition_bound().divided_by(parts);
        self.batch.min(BatchLimits {
            bytes: part.bytes.max(1),
            events: part.events.max(1),
        })
    }

    pub(super) fn linger(&self) -> Option<Duration> {
        self.linger
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.max_in_flight.get()
    }

    pub(super) fn max_in_flight_per_partition(&self) -> usize {
        self.max_in_flight_per_partition.get()
    }

    pub(super) fn overflow(&self) -> OverflowPolicy {
        self.overflow
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    pub(super) fn outcome_queue(&self) -> Option<OutcomeQueue> {
        self.outcome_stream.map(OutcomeQueue::new)
    }

    pub(super) fn growth(&self) -> PartitionGrowth {
        self.growth
    }

    pub(super) fn discovery_interval(&self) -> Duration {
        self.discovery_interval
    }
}
