//! What the stores know of one partition.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::generation;
use crate::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, Ownership, OwnershipStore,
};
use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::partition::PartitionId;

/// The stores, for all partitions.
#[derive(Debug, Clone)]
pub(in crate::consumer) struct Stores {
    pub(in crate::consumer) checkpoints: Arc<dyn CheckpointStore>,
    pub(in crate::consumer) owners: Arc<dyn OwnershipStore>,
    pub(in crate::consumer) scope: ConsumerScope,
    /// What an owner is called.
    pub(in crate::consumer) owner: Arc<str>,
    /// A call that takes longer has failed.
    pub(in crate::consumer) timeout: Duration,
}

/// The records of one partition; without stores they count this process only.
#[derive(Debug, Clone)]
pub(super) struct Records {
    pub(super) stores: Option<Stores>,
    pub(super) partition: PartitionId,
}

/// Whether a partition is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Ours,
    /// It was released since, by a later owner.
    Vacant,
}

impl Records {
    pub(super) async fn checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        let Some(stores) = &self.stores else {
            return Ok(None);
        };
        let reading = async {
            stores
                .checkpoints
                .checkpoint(&stores.scope, self.partition)
                .await
        };
        stores.bounded("reading the checkpoint", reading).await
    }

    /// The number of the last claim, whoever made it.
    pub(super) async fn last_claim(&self) -> Result<u64, Error> {
        let Some(stores) = &self.stores else {
            return Ok(generation::UNOWNED);
        };
        let reading = async { stores.owners.ownership(&stores.scope, self.partition).await };
        let record = stores.bounded("reading the owner", reading).await?;
        Ok(record.map_or(generation::UNOWNED, |record| record.generation))
    }

    /// Whether the record still names a generation as the last owner.
    ///
    /// # Errors
    /// [`OwnershipLostReason::Revoked`] if there is a later owner.
    pub(super) async fn standing(&self, generation: u64) -> Result<Standing, Error> {
        let Some(stores) = &self.stores else {
            return Ok(Standing::Ours);
        };
        let reading = async { stores.owners.ownership(&stores.scope, self.partition).await };
        let record = stores.bounded("reading the owner", reading).await?;
        match record {
            Some(record) if record.generation > generation => match record.owner {
                Some(owner) => Err(revoked(self.partition, &owner, record.generation)),
                None => Ok(Standing::Vacant),
            },
            // Claimed by those who raise no generation.
            Some(Ownership {
                owner: Some(owner), ..
            }) if *owner != *stores.owner => Err(revoked(self.partition, &owner, generation)),
            _ => Ok(Standing::Ours),
        }
    }

    /// A new generation of ours.
    pub(super) async fn claim(&self) -> Result<u64, Error> {
        let Some(stores) = &self.stores else {
            return Ok(generation::claim());
        };
        let claiming = async {
            stores
                .owners
                .claim(&stores.scope, self.partition, &stores.owner)
                .await
        };
        stores.bounded("claiming the partition", claiming).await
    }

    /// Refuses what older generations write, and reads what they left.
    pub(super) async fn fence(&self, generation: u64) -> Result<Option<Checkpoint>, Error> {
        let Some(stores) = &self.stores else {
            return Ok(None);
        };
        let fencing = async {
            stores
                .checkpoints
                .fence(&stores.scope, self.partition, generation)
                .await
        };
        stores.bounded("fencing the checkpoint", fencing).await
    }

    pub(super) async fn store(
        &self,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let Some(stores) = &self.stores else {
            return Ok(());
        };
        let checkpoints = &stores.checkpoints;
        let storing = async {
            checkpoints
                .store(&stores.scope, self.partition, generation, checkpoint)
                .await
        };
        stores.bounded("storing the checkpoint", storing).await
    }

    pub(super) async fn reset(&self, generation: u64) -> Result<(), Error> {
        let Some(stores) = &self.stores else {
            return Ok(());
        };
        let resetting = async {
            stores
                .checkpoints
                .reset(&stores.scope, self.partition, generation, None)
                .await
        };
        stores.bounded("resetting the checkpoint", resetting).await
    }

    pub(super) async fn release(&self, generation: u64) -> Result<(), Error> {
        let Some(stores) = &self.stores else {
            return Ok(());
        };
        let releasing = async {
            stores
                .owners
                .release(&stores.scope, self.partition, generation)
                .await
        };
        stores.bounded("releasing the partition", releasing).await
    }
}

impl Stores {
    /// Waits for a store, but not for ever, and survives its panic.
    pub(in crate::consumer) async fn bounded<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let call = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => answer,
            // The store may be the user's.
            Ok(Err(_)) => Err(Error::new(
                ErrorKind::Panicked,
                format!("{what}: the store panicked"),
            )),
            Err(_) => Err(Error::new(
                ErrorKind::StoreUnavailable,
                format!("{what}: no answer from the store within {:?}", self.timeout),
            )),
        }
    }
}

fn revoked(partition: PartitionId, owner: &str, generation: u64) -> Error {
    let message = format!(
        "the store names '{owner}' as the owner of partition {partition}, with generation {generation}"
    );
    let reason = OwnershipLostReason::Revoked;
    Error::new(ErrorKind::OwnershipLost(reason), message)
}
