//! A store in memory with a hook before each change.

use std::sync::Arc;

use async_trait::async_trait;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, PartitionId};
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Claim(String),
    Fence,
    Store,
    Reset,
    Renew,
    Release,
}

type Hook = dyn Fn(Op) -> BoxFuture<'static, Result<(), Error>> + Send + Sync;

/// A store in memory; a hook runs before each change.
#[derive(Clone)]
pub(crate) struct Rigged {
    inner: MemoryStore,
    hook: Arc<Hook>,
}

impl Rigged {
    pub(crate) fn new<F>(
        inner: &MemoryStore,
        hook: impl Fn(Op) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self {
            inner: inner.clone(),
            hook: Arc::new(move |op| hook(op).boxed()),
        }
    }
}

impl std::fmt::Debug for Rigged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rigged")
    }
}

#[async_trait]
impl CheckpointStore for Rigged {
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
        (self.hook)(Op::Fence).await?;
        self.inner.fence(scope, partition, generation).await
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        (self.hook)(Op::Store).await?;
        let inner = &self.inner;
        inner.store(scope, partition, generation, checkpoint).await
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        (self.hook)(Op::Reset).await?;
        let inner = &self.inner;
        inner.reset(scope, partition, generation, checkpoint).await
    }
}

#[async_trait]
impl OwnershipStore for Rigged {
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
        (self.hook)(Op::Claim(owner.to_owned())).await?;
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
        (self.hook)(Op::Claim(owner.to_owned())).await?;
        self.inner.claim_if(scope, partition, owner, seen).await
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        (self.hook)(Op::Renew).await?;
        self.inner.renew(scope, partition, held).await
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        (self.hook)(Op::Release).await?;
        self.inner.release(scope, partition, generation).await
    }
}
