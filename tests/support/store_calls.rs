//! Stores in memory of which every call goes one way, where something may happen to it.

/// A call of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Checkpoint,
    Fence,
    Store,
    Reset,
    Ownership,
    Ownerships,
    /// By an owner of that name, whatever it has seen.
    Claim(String),
    Renew,
    Release,
}

/// Makes a type with a store in `inner` a store: each call is `self.pass(call, work)`,
/// where `work` is that call of the inner one.
macro_rules! pass_calls {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl CheckpointStore for $type {
            async fn checkpoint(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
            ) -> Result<Option<Checkpoint>, Error> {
                let work = self.inner.checkpoint(scope, partition);
                self.pass(Call::Checkpoint, work).await
            }

            async fn fence(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
            ) -> Result<Option<Checkpoint>, Error> {
                let work = self.inner.fence(scope, partition, generation);
                self.pass(Call::Fence, work).await
            }

            async fn store(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
                checkpoint: &Checkpoint,
            ) -> Result<(), Error> {
                let work = self.inner.store(scope, partition, generation, checkpoint);
                self.pass(Call::Store, work).await
            }

            async fn reset(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
                checkpoint: Option<&Checkpoint>,
            ) -> Result<(), Error> {
                let work = self.inner.reset(scope, partition, generation, checkpoint);
                self.pass(Call::Reset, work).await
            }
        }

        #[async_trait::async_trait]
        impl OwnershipStore for $type {
            fn is_shared(&self) -> bool {
                self.inner.is_shared()
            }

            async fn ownership(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
            ) -> Result<Option<Ownership>, Error> {
                let work = self.inner.ownership(scope, partition);
                self.pass(Call::Ownership, work).await
            }

            async fn ownerships(
                &self,
                scope: &ConsumerScope,
            ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
                let work = self.inner.ownerships(scope);
                self.pass(Call::Ownerships, work).await
            }

            async fn claim(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                owner: &str,
            ) -> Result<u64, Error> {
                let work = self.inner.claim(scope, partition, owner);
                self.pass(Call::Claim(owner.to_owned()), work).await
            }

            async fn claim_if(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                owner: &str,
                seen: Option<&Ownership>,
            ) -> Result<Option<Ownership>, Error> {
                let work = self.inner.claim_if(scope, partition, owner, seen);
                self.pass(Call::Claim(owner.to_owned()), work).await
            }

            async fn renew(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                held: &Ownership,
            ) -> Result<Option<Ownership>, Error> {
                let work = self.inner.renew(scope, partition, held);
                self.pass(Call::Renew, work).await
            }

            async fn release(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
            ) -> Result<(), Error> {
                let work = self.inner.release(scope, partition, generation);
                self.pass(Call::Release, work).await
            }
        }
    };
}

pub(crate) use pass_calls;
