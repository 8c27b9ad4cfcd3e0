//! Shared and boxed stores are stores.

use std::sync::Arc;

use async_trait::async_trait;

use super::ownership::{Ownership, OwnershipStore};
use super::scope::ConsumerScope;
use super::store::{Checkpoint, CheckpointStore};
use crate::error::Error;
use crate::partition::PartitionId;

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: CheckpointStore + ?Sized> CheckpointStore for $pointer<T> {
            async fn checkpoint(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
            ) -> Result<Option<Checkpoint>, Error> {
                (**self).checkpoint(scope, partition).await
            }

            async fn fence(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
            ) -> Result<Option<Checkpoint>, Error> {
                (**self).fence(scope, partition, generation).await
            }

            async fn store(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
                checkpoint: &Checkpoint,
            ) -> Result<(), Error> {
                (**self)
                    .store(scope, partition, generation, checkpoint)
                    .await
            }

            async fn reset(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
                checkpoint: Option<&Checkpoint>,
            ) -> Result<(), Error> {
                (**self)
                    .reset(scope, partition, generation, checkpoint)
                    .await
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: OwnershipStore + ?Sized> OwnershipStore for $pointer<T> {
            fn is_shared(&self) -> bool {
                (**self).is_shared()
            }

            async fn ownership(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
            ) -> Result<Option<Ownership>, Error> {
                (**self).ownership(scope, partition).await
            }

            async fn ownerships(
                &self,
                scope: &ConsumerScope,
            ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
                (**self).ownerships(scope).await
            }

            async fn claim(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                owner: &str,
            ) -> Result<u64, Error> {
                (**self).claim(scope, partition, owner).await
            }

            async fn claim_if(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                owner: &str,
                seen: Option<&Ownership>,
            ) -> Result<Option<Ownership>, Error> {
                (**self).claim_if(scope, partition, owner, seen).await
            }

            async fn renew(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                held: &Ownership,
            ) -> Result<Option<Ownership>, Error> {
                (**self).renew(scope, partition, held).await
            }

            async fn release(
                &self,
                scope: &ConsumerScope,
                partition: PartitionId,
                generation: u64,
            ) -> Result<(), Error> {
                (**self).release(scope, partition, generation).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
