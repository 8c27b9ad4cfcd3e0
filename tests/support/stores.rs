//! A store that fails or hangs on command.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;

use async_trait::async_trait;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, ErrorKind, PartitionId};
use tokio::sync::watch;

/// What a store does to writes of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Failing,
    Hanging,
}

/// A store in memory whose checkpoints cannot be written in a bad mood. A clone is
/// the same store.
#[derive(Debug, Clone)]
pub(crate) struct Moody {
    pub(crate) inner: MemoryStore,
    mood: Arc<watch::Sender<Mood>>,
    /// Writes that were tried.
    attempts: Arc<watch::Sender<u64>>,
}

impl Moody {
    pub(crate) fn new() -> Self {
        Self {
            inner: MemoryStore::new(),
            mood: Arc::new(watch::Sender::new(Mood::Well)),
            attempts: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn attempts(&self) -> u64 {
        *self.attempts.borrow()
    }

    pub(crate) async fn tried(&self, attempts: u64) {
        let mut tried = self.attempts.subscribe();
        let enough = tried.wait_for(|tried| *tried >= attempts).await;
        enough.expect("the store is here");
    }
}

#[async_trait]
impl CheckpointStore for Moody {
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        self.inner.checkpoint(scope, partition).await
    }

    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        self.inner.fence(scope, partition, generation).await
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        self.attempts.send_modify(|attempts| *attempts += 1);
        let mood = *self.mood.borrow();
        match mood {
            Mood::Well => {
                let inner = &self.inner;
                inner.store(scope, partition, generation, checkpoint).await
            }
            Mood::Failing => Err(Error::new(ErrorKind::StoreUnavailable, "planted")),
            Mood::Hanging => std::future::pending().await,
        }
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        self.inner
            .reset(scope, partition, generation, checkpoint)
            .await
    }
}

#[async_trait]
impl OwnershipStore for Moody {
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        self.inner.ownership(scope, partition).await
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        self.inner.claim(scope, partition, owner).await
    }

    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        self.inner.ownerships(scope).await
    }

    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        self.inner.claim_if(scope, partition, owner, seen).await
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        self.inner.renew(scope, partition, held).await
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        self.inner.release(scope, partition, generation).await
    }
}

/// A store that holds something that is no checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Corrupt;

fn corrupt<T>() -> Result<T, Error> {
    Err(Error::new(ErrorKind::CorruptCheckpoint, "planted"))
}

#[async_trait]
impl CheckpointStore for Corrupt {
    async fn checkpoint(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        corrupt()
    }

    async fn fence(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
        _: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        corrupt()
    }

    async fn store(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
        _: u64,
        _: &Checkpoint,
    ) -> Result<(), Error> {
        corrupt()
    }

    async fn reset(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
        _: u64,
        _: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        corrupt()
    }
}

#[async_trait]
impl OwnershipStore for Corrupt {
    fn is_shared(&self) -> bool {
        false
    }

    async fn ownership(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        Ok(None)
    }

    async fn claim(&self, _: &ConsumerScope, _: PartitionId, _: &str) -> Result<u64, Error> {
        Ok(1)
    }

    async fn ownerships(&self, _: &ConsumerScope) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        Ok(Vec::new())
    }

    async fn claim_if(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
        _: &str,
        _: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        corrupt()
    }

    async fn renew(
        &self,
        _: &ConsumerScope,
        _: PartitionId,
        _: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        corrupt()
    }

    async fn release(&self, _: &ConsumerScope, _: PartitionId, _: u64) -> Result<(), Error> {
        Ok(())
    }
}
