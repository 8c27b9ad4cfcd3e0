//! What a store's author provides.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::consumer::checkpoint::{CheckpointStore, ConsumerScope, OwnershipStore};
use crate::contract::Guard;
use crate::partition::PartitionId;

/// A fresh store, which holds nothing at first and which nobody else uses.
///
/// A store that implements one of the ports leaves the other one out: the checks
/// that need it are skipped.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync {
    /// A handle of its own on the checkpoints, opened as another process would.
    /// Defaults to `None`: there are none.
    async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
        None
    }

    /// A handle of its own on the owners, opened as another process would.
    /// Defaults to `None`: there are none.
    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        None
    }

    /// Damages the stored checkpoint of a partition so that it cannot be understood.
    /// Owners may be damaged with it. Defaults to `false`: it cannot be.
    async fn damage(&self, scope: &ConsumerScope, partition: PartitionId) -> bool {
        let _ = (scope, partition);
        false
    }

    /// Makes the store one that cannot be reached, by any handle, until the guard
    /// is dropped. Defaults to `None`: it always can.
    async fn cut_off(&self) -> Option<Guard> {
        None
    }
}
