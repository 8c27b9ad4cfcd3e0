//! Checkpoints and owners in memory.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::ownership::{Ownership, OwnershipStore};
use super::record::{Change, Place, Record};
use super::scope::ConsumerScope;
use super::store::{Checkpoint, CheckpointStore};
use crate::error::Error;
use crate::partition::PartitionId;
use crate::sync::{Mutex, lock};

/// A store in memory: for tests, and for consumers that start over anyway.
///
/// A clone is the same store. It ends with the process, and orders the owners of
/// this process only: [`is_shared`](OwnershipStore::is_shared) is false. No call
/// waits for anything.
///
/// # Examples
/// ```
/// use eventhubs_flow::consumer::checkpoint::{
///     Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, OwnershipStore,
/// };
/// use eventhubs_flow::{ErrorKind, PartitionId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_flow::Error> {
/// let store = MemoryStore::new();
/// let scope = ConsumerScope::new("ns.servicebus.windows.net", "eh1", "$Default");
/// let partition = PartitionId::new(0);
///
/// let first = store.claim(&scope, partition, "a").await?;
/// let second = store.claim(&scope, partition, "b").await?;
/// store.fence(&scope, partition, second).await?;
///
/// let checkpoint = Checkpoint { sequence_number: 100, offset: None };
/// let late = store.store(&scope, partition, first, &checkpoint).await;
/// assert_eq!(*late.unwrap_err().kind(), ErrorKind::Fenced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<HashMap<Place, Record>>>,
}

impl MemoryStore {
    /// A store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn record(&self, scope: &ConsumerScope, partition: PartitionId) -> Record {
        let records = lock(&self.records);
        let record = records.get(&Place::new(scope, partition));
        record.cloned().unwrap_or_default()
    }

    /// Changes a record, and returns what it is now.
    fn change(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        change: Change,
    ) -> Result<Record, Error> {
        let place = Place::new(scope, partition);
        let mut records = lock(&self.records);
        let record = records.get(&place).cloned().unwrap_or_default();
        let changed = record.changed(&change, &place)?;
        records.insert(place.clone(), changed.clone());
        drop(records);
        change.log(&place);
        Ok(changed)
    }
}

#[async_trait]
impl CheckpointStore for MemoryStore {
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        Ok(self.record(scope, partition).checkpoint)
    }

    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        let fenced = self.change(scope, partition, Change::Fence(generation))?;
        Ok(fenced.checkpoint)
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let change = Change::Store(generation, checkpoint.clone());
        self.change(scope, partition, change).map(drop)
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        let change = Change::Reset(generation, checkpoint.cloned());
        self.change(scope, partition, change).map(drop)
    }
}

#[async_trait]
impl OwnershipStore for MemoryStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        Ok(self.record(scope, partition).ownership())
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        let claimed = self.change(scope, partition, Change::Claim(owner.to_owned()))?;
        Ok(claimed.claimed)
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let change = Change::Release(generation);
        self.change(scope, partition, change).map(drop)
    }
}
