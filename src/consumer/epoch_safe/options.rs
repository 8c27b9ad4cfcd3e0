//! How a consumer is set up.

use std::num::{NonZeroU32, NonZeroUsize};

use super::credit::Load;
use super::policy::EpochPolicy;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::transport::StartPosition;

/// The longest receiver name that the service takes, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Options of an [`EpochSafeConsumer`](super::EpochSafeConsumer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochSafeConsumerOptions {
    pub(super) consumer_group: String,
    partitions: Option<Vec<PartitionId>>,
    pub(super) position: StartPosition,
    pub(super) policy: EpochPolicy,
    prefetch_events: NonZeroU32,
    prefetch_bytes: NonZeroUsize,
    pub(super) name: String,
}

impl Default for EpochSafeConsumerOptions {
    fn default() -> Self {
        Self {
            consumer_group: "$Default".into(),
            partitions: None,
            position: StartPosition::Latest,
            policy: EpochPolicy::default(),
            prefetch_events: NonZeroU32::new(300).expect("not zero"),
            prefetch_bytes: NonZeroUsize::new(8 << 20).expect("not zero"),
            name: process_name(),
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
    /// Defaults to all that the hub has when the consumer is opened.
    #[must_use]
    pub fn with_partitions(mut self, partitions: impl IntoIterator<Item = PartitionId>) -> Self {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Starts each partition here.
    ///
    /// Defaults to [`StartPosition::Latest`], as the Azure SDKs do: events
    /// stored after the partition was first opened. The end is looked up once, so
    /// that a fault before the first event skips nothing.
    #[must_use]
    pub fn with_position(mut self, position: StartPosition) -> Self {
        self.position = position;
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

    /// Bounds the events that are asked for or buffered and not yielded yet, of
    /// all partitions together; each has an equal share, at least one.
    ///
    /// Defaults to 300.
    #[must_use]
    pub fn with_prefetch_events(mut self, events: NonZeroU32) -> Self {
        self.prefetch_events = events;
        self
    }

    /// Bounds their encoded bytes; each partition has an equal share. The
    /// [module](super) says by how much it can be exceeded.
    ///
    /// Defaults to 8 MiB.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.prefetch_bytes = bytes;
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

    pub(super) fn bounds(&self) -> Load {
        Load {
            events: self.prefetch_events.get().into(),
            bytes: self.prefetch_bytes.get() as u64,
        }
    }

    /// The partitions to read of those that the hub has; checks the other
    /// options too.
    pub(super) fn resolve(&self, existing: &[PartitionId]) -> Result<Vec<PartitionId>, Error> {
        self.policy.validate()?;
        let chars = self.name.chars().count();
        if chars > MAX_NAME_CHARS {
            return Err(Error::invalid_options(format!(
                "a receiver name of {chars} characters exceeds {MAX_NAME_CHARS}: shorten it"
            )));
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
