//! How a consumer is set up.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::credit::Load;
use super::policy::EpochPolicy;
use super::records::Stores;
use super::start::MissingPosition;
use crate::consumer::checkpoint::{CheckpointStore, ConsumerScope, OwnershipStore};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::transport::StartPosition;

/// The longest receiver name that the service takes, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Options of an [`EpochSafeConsumer`](super::EpochSafeConsumer).
#[derive(Debug, Clone)]
pub struct EpochSafeConsumerOptions {
    pub(in crate::consumer) consumer_group: String,
    partitions: Option<Vec<PartitionId>>,
    position: StartPosition,
    positions: BTreeMap<PartitionId, StartPosition>,
    pub(super) missing_position: MissingPosition,
    pub(super) policy: EpochPolicy,
    prefetch_events: NonZeroU32,
    pub(in crate::consumer) prefetch_bytes: NonZeroUsize,
    max_unacknowledged: NonZeroU32,
    pub(super) name: String,
    stores: Option<(Arc<dyn CheckpointStore>, Arc<dyn OwnershipStore>)>,
    store_timeout: Duration,
    pub(crate) namespace: Option<String>,
    pub(super) liveness_timeout: Duration,
    pub(super) discovery_interval: Duration,
    /// The generation that the one partition was claimed with already.
    pub(super) claim: Option<u64>,
}

impl Default for EpochSafeConsumerOptions {
    fn default() -> Self {
        Self {
            consumer_group: "$Default".into(),
            partitions: None,
            position: StartPosition::Latest,
            positions: BTreeMap::new(),
            missing_position: MissingPosition::default(),
            policy: EpochPolicy::default(),
            prefetch_events: NonZeroU32::new(300).expect("not zero"),
            prefetch_bytes: NonZeroUsize::new(8 << 20).expect("not zero"),
            max_unacknowledged: NonZeroU32::new(16_384).expect("not zero"),
            name: process_name(),
            stores: None,
            store_timeout: Duration::from_secs(60),
            namespace: None,
            liveness_timeout: Duration::from_secs(60),
            discovery_interval: Duration::from_secs(10),
            claim: None,
        }
    }
}

impl EpochSafeConsumerOptions {
    /// Reads in a consumer group.
    ///
    /// Defaults to `$Default`.
    #[must_use]
    pub fn with_consumer_group(mut self, consumer_group: impl Into<String>) -> Self {
        self.consumer_group = consumer_group.into();
        self
    }

    /// Reads these partitions.
    ///
    /// Defaults to all that the hub has, those that are added later included.
    #[must_use]
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = PartitionId>) -> Self {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Starts each partition here that has no checkpoint.
    ///
    /// A partition that is added to the hub later starts at its first event. Defaults
    /// to [`StartPosition::Latest`], as the Azure SDKs do: events
    /// stored after the partition was first opened. The end is looked up once, so
    /// that a fault before the first event skips nothing.
    #[must_use]
    pub fn with_position(mut self, position: StartPosition) -> Self {
        self.position = position;
        self
    }

    /// Starts one partition here if it has no checkpoint: an offset and a sequence
    /// number are of one partition.
    #[must_use]
    pub fn with_position_of(mut self, partition: PartitionId, position: StartPosition) -> Self {
        self.positions.insert(partition, position);
        self
    }

    /// Says what to do where the position to start from does not exist.
    ///
    /// Defaults to [`MissingPosition::Fail`].
    #[must_use]
    pub fn with_missing_position(mut self, missing: MissingPosition) -> Self {
        self.missing_position = missing;
        self
    }

    /// Keeps checkpoints and owners in a store: a partition starts at its
    /// checkpoint, is claimed before it is read, and what is acknowledged can be
    /// written. The policy must have an owner level.
    ///
    /// Defaults to no store.
    #[must_use]
    pub fn with_store<S>(self, store: S) -> Self
    where
        S: CheckpointStore + OwnershipStore,
    {
        let store = Arc::new(store);
        self.with_stores(Arc::clone(&store) as _, store)
    }

    /// As [`with_store`](Self::with_store), with checkpoints and owners in stores
    /// of their own.
    #[must_use]
    pub fn with_stores(
        mut self,
        checkpoints: Arc<dyn CheckpointStore>,
        owners: Arc<dyn OwnershipStore>,
    ) -> Self {
        self.stores = Some((checkpoints, owners));
        self
    }

    /// How long a store may take to answer; then the call has failed.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub fn with_store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// The host of the namespace, under which a store keeps what is of this hub.
    ///
    /// Defaults to the host that an `EventHub` is connected to. With a store and a
    /// transport of another kind it must be given.
    #[must_use]
    pub fn with_namespace(mut self, host: impl Into<String>) -> Self {
        self.namespace = Some(host.into());
        self
    }

    /// Meets other receivers by a policy.
    ///
    /// Defaults to [`EpochPolicy::TakeOver`] at level 0.
    #[must_use]
    pub fn with_policy(mut self, policy: EpochPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Bounds the events of one partition that are asked for or buffered and not
    /// yielded yet.
    ///
    /// Defaults to 300, as the Azure SDKs do.
    #[must_use]
    pub fn with_prefetch_events(mut self, events: NonZeroU32) -> Self {
        self.prefetch_events = events;
        self
    }

    /// Bounds their encoded bytes, of all partitions together; each has an equal
    /// share. The [module](super) says by how much it can be exceeded.
    ///
    /// Defaults to 8 MiB.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.prefetch_bytes = bytes;
        self
    }

    /// Bounds the events of one partition that were yielded and are not
    /// [acknowledged](super::ConsumerHandle::ack), counted from the first that is
    /// not; with
    /// [`checkpoint_every`](super::EpochSafeConsumer::checkpoint_every) those not
    /// written as well. A partition at the bound yields nothing until there are
    /// less. Without a store nothing is counted.
    ///
    /// Defaults to 16,384.
    #[must_use]
    pub fn with_max_unacknowledged(mut self, events: NonZeroU32) -> Self {
        self.max_unacknowledged = events;
        self
    }

    /// Opens a partition again that is silent for so long while the hub has events
    /// of it. (After a start at an offset or a time nobody knows whether events are to
    /// come: such silence is doubted once.) Twice in that time the hub is asked for its newest event, which the lag is
    /// counted from.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub fn with_liveness_timeout(mut self, timeout: Duration) -> Self {
        self.liveness_timeout = timeout;
        self
    }

    /// How often the hub is asked for new partitions, unless they are
    /// [named](Self::with_partitions).
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub fn with_discovery_interval(mut self, interval: Duration) -> Self {
        self.discovery_interval = interval;
        self
    }

    /// Names the receivers: what others are told who meet them; at most 64
    /// characters.
    ///
    /// Defaults to the program's name and process id.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// For the one partition that is named, which somebody else has claimed, keeps and
    /// releases under the name and the generation: it is not claimed again.
    pub(in crate::consumer) fn with_claim(mut self, generation: u64) -> Self {
        self.claim = Some(generation);
        self
    }

    pub(in crate::consumer) fn name(&self) -> &str {
        &self.name
    }

    /// Where a partition starts that the hub had when the consumer was opened.
    pub(in crate::consumer) fn position_of(&self, partition: PartitionId) -> &StartPosition {
        self.positions.get(&partition).unwrap_or(&self.position)
    }

    /// Whether it reads what is added to the hub, too.
    pub(in crate::consumer) fn reads_all(&self) -> bool {
        self.partitions.is_none()
    }

    /// What may be outstanding of a partition; nothing is counted without a store.
    pub(super) fn most_outstanding(&self) -> Option<u64> {
        let counted = self.stores.is_some();
        counted.then(|| self.max_unacknowledged.get().into())
    }

    /// The stores, with the names that they keep a hub's records under.
    pub(in crate::consumer) fn stores_for(&self, hub: &str) -> Result<Option<Stores>, Error> {
        let Some((checkpoints, owners)) = &self.stores else {
            return Ok(None);
        };
        if self.policy.first_level().is_none() {
            return Err(Error::invalid_options(
                "a reader without an owner level owns nothing and writes no checkpoints: choose another policy, or no store",
            ));
        }
        let Some(namespace) = &self.namespace else {
            return Err(Error::invalid_options(
                "a store keeps its records under the namespace's host: name it by with_namespace",
            ));
        };
        Ok(Some(Stores {
            checkpoints: Arc::clone(checkpoints),
            owners: Arc::clone(owners),
            scope: ConsumerScope::new(namespace, hub, &self.consumer_group),
            owner: self.name.as_str().into(),
            timeout: self.store_timeout,
        }))
    }

    pub(super) fn bounds(&self) -> Load {
        Load {
            events: self.prefetch_events.get().into(),
            bytes: self.prefetch_bytes.get() as u64,
        }
    }

    /// The partitions to read of those that the hub has; checks the other
    /// options too.
    pub(in crate::consumer) fn resolve(
        &self,
        existing: &[PartitionId],
    ) -> Result<Vec<PartitionId>, Error> {
        self.policy.validate()?;
        let chars = self.name.chars().count();
        if chars > MAX_NAME_CHARS {
            return Err(Error::invalid_options(format!(
                "a receiver name of {chars} characters exceeds {MAX_NAME_CHARS}: shorten it"
            )));
        }
        for (what, time) in [
            ("a liveness time-out", self.liveness_timeout),
            ("a discovery interval", self.discovery_interval),
        ] {
            if time.is_zero() {
                return Err(Error::invalid_options(format!(
                    "{what} of zero would ask without end"
                )));
            }
        }
        let Some(wanted) = &self.partitions else {
            return Ok(existing.to_vec());
        };
        if let Some(missing) = wanted.iter().find(|id| !existing.contains(id)) {
            return Err(Error::new(
                ErrorKind::InvalidPartition,
                format!("the hub has no partition {missing}"),
            ));
        }
        // One that is named twice would take itself over.
        let mut wanted = wanted.clone();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Err(Error::invalid_options("name at least one partition"));
        }
        Ok(wanted)
    }
}

fn process_name() -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_stem());
    let program = program.map_or("eventhubs-flow".into(), |stem| stem.to_string_lossy());
    let suffix = format!("-{}", std::process::id());
    let room = MAX_NAME_CHARS - suffix.len();
    program.chars().take(room).chain(suffix.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u32]) -> Vec<PartitionId> {
        numbers.iter().copied().map(PartitionId::new).collect()
    }

    #[test]
    fn all_partitions_are_read_unless_some_are_named() {
        let all = ids(&[0, 1, 2]);
        let options = EpochSafeConsumerOptions::default();
        assert_eq!(options.resolve(&all).expect("all"), all);
        let options = options.with_partitions(ids(&[2, 0, 2]));
        assert_eq!(options.resolve(&all).expect("some"), ids(&[0, 2]));
    }

    #[test]
    fn options_that_no_hub_could_serve_are_refused() {
        let refused = |options: EpochSafeConsumerOptions| {
            let error = options.resolve(&ids(&[0])).expect_err("refused");
            error.kind().clone()
        };
        let options = EpochSafeConsumerOptions::default;
        assert_eq!(
            refused(options().with_partitions(ids(&[1]))),
            ErrorKind::InvalidPartition
        );
        for options in [
            options().with_partitions([]),
            options().with_name("n".repeat(65)),
            options().with_policy(EpochPolicy::TakeOver { level: -1 }),
            options().with_liveness_timeout(Duration::ZERO),
            options().with_discovery_interval(Duration::ZERO),
        ] {
            assert_eq!(refused(options), ErrorKind::InvalidOptions);
        }
    }

    #[test]
    fn the_default_name_tells_the_process_and_fits() {
        let name = EpochSafeConsumerOptions::default().name;
        assert!(name.ends_with(&format!("-{}", std::process::id())));
        assert!(name.chars().count() <= MAX_NAME_CHARS);
    }
}
