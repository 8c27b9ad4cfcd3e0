//! The producing side of a hub in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::hub::MemoryHub;
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, SendBatchError};
use crate::partition::{PartitionId, Target};
use crate::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};

/// Sends to a [`MemoryHub`]; clones close together.
#[derive(Debug, Clone)]
pub struct MemoryProducer {
    hub: MemoryHub,
    closed: Arc<AtomicBool>,
}

impl MemoryProducer {
    pub(super) fn new(hub: MemoryHub) -> Self {
        let closed = Arc::default();
        Self { hub, closed }
    }
}

#[async_trait]
impl TransportManagement for MemoryProducer {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Ok(self.hub.properties())
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        self.hub.partition_properties(partition)
    }
}

#[async_trait]
impl TransportProducer for MemoryProducer {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        self.hub.not_paused().await;
        if self.closed.load(Ordering::Relaxed) {
            return Err(SendBatchError::new(batch, Error::closed("producer")));
        }
        self.hub
            .store(batch)
            .map_err(|(batch, error)| SendBatchError::new(batch, error))
    }

    fn limits(&self, _: &Target) -> BatchLimits {
        self.hub.limits()
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
