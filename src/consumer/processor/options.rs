//! How a processor is set up.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::consumer::checkpoint::{CheckpointStore, OwnershipStore};
use crate::consumer::epoch_safe::{EpochPolicy, EpochSafeConsumerOptions};
use crate::error::Error;
use crate::transport::StartPosition;

/// The part of the expiry for which an owner that could not renew yields nothing any
/// more, though nobody else may claim yet: for clocks that differ in pace, and for
/// threads that are late.
const MARGIN: u32 = 6;

/// The longest name, in bytes: with the part that is added, a receiver's name is as
/// long as the service takes.
const MAX_NAME_BYTES: usize = 55;

/// How fast a process takes over what others have too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LoadBalancing {
    /// Its whole share, as soon as all know of it: in its second cycle. Partitions
    /// come to rest soon, and many move at once.
    #[default]
    Greedy,
    /// One partition in each cycle: what others read is disturbed little, and coming
    /// to rest takes as many cycles as a process lacks partitions. What nobody has
    /// is taken at once all the same.
    Balanced,
}

/// The owner level (epoch) that partitions are read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OwnerLevel {
    /// The generation of the claim: so the service itself refuses an owner that comes
    /// late to an older claim, and lets each later one displace it.
    #[default]
    Generation,
    /// Always this level: the last to come displaces the one before. With 0, the level
    /// of the Azure SDKs' processors, those can share a group with this one, and none
    /// of them waits for this one to notice that it has lost a partition.
    Fixed(i64),
}

/// Options of an [`EventProcessor`](super::EventProcessor).
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use eventhubs_flow::consumer::checkpoint::MemoryStore;
/// use eventhubs_flow::consumer::processor::{EventProcessorOptions, LoadBalancing};
///
/// let options = EventProcessorOptions::new(MemoryStore::new())
///     .with_load_balancing(LoadBalancing::Balanced)
///     .with_load_balancing_interval(Duration::from_secs(5))
///     .with_ownership_expiry(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
pub struct EventProcessorOptions {
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) owners: Arc<dyn OwnershipStore>,
    name: String,
    pub(super) strategy: LoadBalancing,
    pub(super) interval: Duration,
    jitter: Option<Duration>,
    pub(super) expiry: Duration,
    pub(super) store_timeout: Duration,
    pub(super) hand_over_timeout: Duration,
    pub(super) checkpoint_every: Option<(NonZeroU32, Duration)>,
    level: OwnerLevel,
    pub(crate) consumer: EpochSafeConsumerOptions,
}

impl EventProcessorOptions {
    /// The defaults, with checkpoints and owners in a store that all processes of the
    /// consumer group share.
    #[must_use]
    pub fn new<S>(store: S) -> Self
    where
        S: CheckpointStore + OwnershipStore,
    {
        let store = Arc::new(store);
        Self::with_stores(Arc::clone(&store) as _, store)
    }

    /// As [`new`](Self::new), with checkpoints and owners in stores of their own.
    #[must_use]
    pub fn with_stores(
        checkpoints: Arc<dyn CheckpointStore>,
        owners: Arc<dyn OwnershipStore>,
    ) -> Self {
        let every = NonZeroU32::new(1000).expect("not zero");
        Self {
            checkpoints,
            owners,
            name: String::new(),
            strategy: LoadBalancing::default(),
            interval: Duration::from_secs(10),
            jitter: None,
            expiry: Duration::from_secs(60),
            store_timeout: Duration::from_secs(10),
            hand_over_timeout: Duration::from_secs(30),
            checkpoint_every: Some((every, Duration::from_secs(10))),
            level: OwnerLevel::default(),
            consumer: EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest),
        }
    }

    /// Names the process, for people: a part that is drawn anew each time is added to
    /// it, since two owners of one name would be one. At most 55 bytes.
    ///
    /// Defaults to the program's name and process id.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How fast it takes over what others have too much of.
    ///
    /// Defaults to [`LoadBalancing::Greedy`].
    #[must_use]
    pub fn with_load_balancing(mut self, strategy: LoadBalancing) -> Self {
        self.strategy = strategy;
        self
    }

    /// How often it looks who owns what, and renews what it owns itself. With the
    /// jitter it is at most a third of the expiry.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub fn with_load_balancing_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// A random part of it is added to each interval, so that processes that were
    /// started together do not all ask at once.
    ///
    /// Defaults to a tenth of the interval.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// An owner that has not renewed for so long owns nothing any more: others may
    /// claim. All processes of a consumer group should have the same. It yields
    /// nothing for the last sixth of that time itself.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub fn with_ownership_expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// How long the store may take to answer; then the call has failed. At most a
    /// third of the expiry.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub fn with_store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How long handlers, or whoever reads a partition, may take to come to an end
    /// once it goes to another or the processor stops. Who takes a partition over waits
    /// for that, so all processes of a consumer group should have the same.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub fn with_hand_over_timeout(mut self, timeout: Duration) -> Self {
        self.hand_over_timeout = timeout;
        self
    }

    /// Writes a partition's checkpoint after so many acknowledged events, and at an
    /// interval; always at a hand-over, too.
    ///
    /// Defaults to 1000 events and 10 s.
    #[must_use]
    pub fn with_checkpoint_every(mut self, events: NonZeroU32, interval: Duration) -> Self {
        self.checkpoint_every = Some((events, interval));
        self
    }

    /// Writes checkpoints only at a hand-over and where
    /// [`ConsumerHandle::checkpoint`](crate::consumer::epoch_safe::ConsumerHandle::checkpoint)
    /// is called.
    #[must_use]
    pub fn without_checkpoints_in_between(mut self) -> Self {
        self.checkpoint_every = None;
        self
    }

    /// The owner level that partitions are read at.
    ///
    /// Defaults to [`OwnerLevel::Generation`].
    #[must_use]
    pub fn with_owner_level(mut self, level: OwnerLevel) -> Self {
        self.level = level;
        self
    }

    /// How partitions are read: the consumer group, where to start without a
    /// checkpoint, bounds, the liveness time-out, the namespace. Its prefetched bytes
    /// are divided among all partitions of the hub. Its store, name and policy do not
    /// count: those are the processor's.
    ///
    /// Defaults to those of
    /// [`EpochSafeConsumerOptions`], but starts at [`StartPosition::Earliest`]. From
    /// [`StartPosition::Latest`] an event can be missed that comes to an empty
    /// partition before its first checkpoint, if its owner dies then.
    #[must_use]
    pub fn with_consumer(mut self, consumer: EpochSafeConsumerOptions) -> Self {
        self.consumer = consumer;
        self
    }

    /// Checks what belongs together.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let third = self.expiry / 3;
        let most = self.interval.saturating_add(self.jitter());
        let refusal = if self.interval.is_zero() {
            "a load balancing interval of zero would ask without end".into()
        } else if most > third {
            format!(
                "an interval of {most:?}, the jitter included, is more than a third of the \
                 expiry of {:?}: an owner could not renew in time after one failure",
                self.expiry
            )
        } else if self.store_timeout > third || self.store_timeout.is_zero() {
            format!(
                "a store time-out of {:?} must be more than zero, and at most a third of the \
                 expiry of {:?}",
                self.store_timeout, self.expiry
            )
        } else if self
            .checkpoint_every
            .is_some_and(|(_, every)| every.is_zero())
        {
            "a checkpoint interval of zero would write without end".into()
        } else if self.name.len() > MAX_NAME_BYTES {
            let bytes = self.name.len();
            format!("a processor's name of {bytes} bytes exceeds {MAX_NAME_BYTES}: shorten it")
        } else if !self.consumer.reads_all() {
            "a processor finds out which partitions to read: name none of them".into()
        } else {
            return Ok(());
        };
        Err(Error::invalid_options(refusal))
    }

    pub(super) fn jitter(&self) -> Duration {
        self.jitter.unwrap_or(self.interval / 10)
    }

    /// Until the next cycle, or the next renewal.
    pub(super) fn pause(&self) -> Duration {
        self.interval + self.jitter().mul_f64(fastrand::f64())
    }

    /// How long an owner goes on after it has asked for the last renewal that was made.
    pub(super) fn lease(&self) -> Duration {
        self.expiry - self.expiry / MARGIN
    }

    /// How long the owner before may take to notice that it was followed, and to come
    /// to an end.
    pub(super) fn courtesy(&self) -> Duration {
        let notice = self.interval + self.jitter() + self.store_timeout;
        notice.saturating_add(self.hand_over_timeout)
    }

    /// A name that no other owner has.
    pub(super) fn owner(&self) -> String {
        let name = match self.name.is_empty() {
            true => self.consumer.name(),
            false => &self.name,
        };
        let end = (0..=MAX_NAME_BYTES.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end));
        format!("{}-{:08x}", &name[..end.unwrap_or(0)], fastrand::u32(..))
    }

    /// The level that a claim is read at.
    pub(super) fn policy(&self, generation: u64) -> EpochPolicy {
        let level = match self.level {
            OwnerLevel::Generation => i64::try_from(generation).unwrap_or(i64::MAX),
            OwnerLevel::Fixed(level) => level,
        };
        EpochPolicy::TakeOver { level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::checkpoint::MemoryStore;
    use crate::error::ErrorKind;
    use crate::partition::PartitionId;

    fn options() -> EventProcessorOptions {
        EventProcessorOptions::new(MemoryStore::new())
    }

    #[test]
    fn renewals_come_thrice_in_an_expiry_or_the_options_are_refused() {
        let seconds = Duration::from_secs;
        options().validate().expect("the defaults");
        let just = options()
            .with_load_balancing_interval(seconds(19))
            .with_jitter(seconds(1));
        just.validate().expect("a third");
        for refused in [
            options().with_load_balancing_interval(seconds(20)),
            options().with_jitter(seconds(11)),
            options().with_ownership_expiry(seconds(32)),
            options().with_load_balancing_interval(Duration::ZERO),
            options().with_store_timeout(seconds(21)),
            options().with_store_timeout(Duration::ZERO),
            options().with_name("n".repeat(56)),
            options().with_checkpoint_every(NonZeroU32::MIN, Duration::ZERO),
            options().with_consumer(
                EpochSafeConsumerOptions::default().with_partitions([PartitionId::new(0)]),
            ),
        ] {
            let error = refused.validate().expect_err("refused");
            assert_eq!(*error.kind(), ErrorKind::InvalidOptions);
        }
    }

    #[test]
    fn owners_have_names_of_their_own_that_fit() {
        let named = options().with_name("worker");
        assert!(named.owner().starts_with("worker-"));
        assert_ne!(named.owner(), named.owner());
        let long = options().with_name("é".repeat(27));
        assert!(long.owner().chars().count() <= 64);
        assert!(options().owner().chars().count() <= 64);
    }

    #[test]
    fn the_lease_ends_before_the_expiry() {
        assert_eq!(options().lease(), Duration::from_secs(50));
    }
}
