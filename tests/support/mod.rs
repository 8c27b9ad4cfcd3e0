//! What several tests share.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use eventhubs_flow::transport::memory::{MemoryHub, MemoryProducer};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{BatchLimits, Error, EventBatch, PartitionId, SendBatchError, Target};

pub fn nonzero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not zero")
}

/// A transport that panics in its first sends.
#[derive(Debug)]
pub struct PanickingTransport {
    inner: MemoryProducer,
    panics_left: AtomicUsize,
}

impl PanickingTransport {
    pub fn new(panics: usize) -> Self {
        Self {
            inner: MemoryHub::new(1).producer(),
            panics_left: AtomicUsize::new(panics),
        }
    }
}

#[async_trait]
impl TransportManagement for PanickingTransport {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for PanickingTransport {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let relaxed = Ordering::Relaxed;
        let panics = self
            .panics_left
            .fetch_update(relaxed, relaxed, |left| left.checked_sub(1));
        assert!(panics.is_err(), "a planted panic");
        self.inner.send_batch(batch).await
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
