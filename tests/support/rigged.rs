//! A store in memory with a hook before each change.

#[path = "store_calls.rs"]
mod store_calls;

use std::sync::Arc;

use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, PartitionId};
use futures::FutureExt as _;
use futures::future::BoxFuture;
pub(crate) use store_calls::Call;
use store_calls::pass_calls;

type Hook = dyn Fn(Call) -> BoxFuture<'static, Result<(), Error>> + Send + Sync;

/// A store in memory; a hook runs before each change.
#[derive(Clone)]
pub(crate) struct Rigged {
    inner: MemoryStore,
    hook: Arc<Hook>,
}

impl Rigged {
    pub(crate) fn new<F>(
        inner: &MemoryStore,
        hook: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self {
            inner: inner.clone(),
            hook: Arc::new(move |call| hook(call).boxed()),
        }
    }

    async fn pass<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let reads = [Call::Checkpoint, Call::Ownership, Call::Ownerships];
        if !reads.contains(&call) {
            (self.hook)(call).await?;
        }
        work.await
    }
}

pass_calls!(Rigged);

impl std::fmt::Debug for Rigged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rigged")
    }
}
