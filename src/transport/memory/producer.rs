//! The producing side of a hub in memory.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

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
    closed: Arc<watch::Sender<bool>>,
}

impl MemoryProducer {
    pub(super) fn new(hub: MemoryHub) -> Self {
        let closed = Arc::new(watch::Sender::new(false));
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
        let turn = async {
            let mut closed = self.closed.subscribe();
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => None,
                turn = self.hub.turn() => Some(turn),
            }
        };
        // Unconstrained: a task out of its cooperative budget would be sent away
        // before it stands in the queue, and lose its place to another.
        match unconstrained(turn).await {
            Some(_turn) => self
                .hub
                .store(batch)
                .map_err(|(batch, error)| SendBatchError::new(batch, error)),
            None => Err(SendBatchError::new(batch, Error::closed("producer"))),
        }
    }

    fn limits(&self, _: &Target) -> BatchLimits {
        self.hub.limits()
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        Ok(())
    }
}
