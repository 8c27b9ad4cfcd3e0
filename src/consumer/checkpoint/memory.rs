//! Checkpoints and owners in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ownership::{Ownership, OwnershipStore};
use super::record::{Change, Millis, Place, Record, unless_lost};
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
#[derive(Debug, Clone)]
pub struct MemoryStore {
    records: Arc<Mutex<BTreeMap<Place, Record>>>,
    made_at: Instant,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            records: Arc::default(),
            made_at: Instant::now(),
        }
    }
}

impl MemoryStore {
    /// A store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// By tokio's clock, which tests can stop.
    fn now(&self) -> Millis {
        let millis = self.made_at.elapsed().as_millis();
        Millis::try_from(millis).unwrap_or(Millis::MAX)
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
        Ok(self.record(scope, partition).ownership(self.now()))
    }

    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        let now = self.now();
        let records = lock(&self.records);
        let of_scope = records.iter().filter(|(place, _)| place.scope == *scope);
        let owned = of_scope.filter_map(|(place, record)| {
            let ownership = record.clone().ownership(now)?;
            Some((place.partition, ownership))
        });
        Ok(owned.collect())
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        let change = Change::Claim(owner.to_owned(), self.now());
        let claimed = self.change(scope, partition, change)?;
        Ok(claimed.claimed)
    }

    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        let (now, seen) = (self.now(), seen.map(|seen| seen.version.clone()));
        let change = Change::ClaimIf(owner.to_owned(), seen, now);
        unless_lost(self.change(scope, partition, change), now)
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        let now = self.now();
        let change = Change::Renew(held.owner.clone(), held.generation, now);
        unless_lost(self.change(scope, partition, change), now)
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let change = Change::Release(generation, self.now());
        self.change(scope, partition, change).map(drop)
    }
}
