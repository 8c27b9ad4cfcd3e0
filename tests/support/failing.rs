//! A transport whose receivers fail on command.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use eventhubs_flow::transport::memory::{MemoryConsumer, MemoryHub};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};
use eventhubs_flow::{Error, PartitionId, ReceivedEvent};

const FIRST: PartitionId = PartitionId::new(0);

/// A transport whose receivers on the first partition fail at once.
#[derive(Debug)]
pub(crate) struct Failing {
    inner: MemoryConsumer,
    failure: fn() -> Error,
    pub(crate) opened: AtomicU32,
}

#[derive(Debug)]
struct FailingReceiver(fn() -> Error);

impl Failing {
    pub(crate) fn new(hub: &MemoryHub, failure: fn() -> Error) -> Arc<Self> {
        Arc::new(Self {
            inner: hub.consumer(),
            failure,
            opened: AtomicU32::new(0),
        })
    }
}

#[async_trait]
impl TransportManagement for Failing {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportConsumer for Failing {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        if options.partition == FIRST {
            self.opened.fetch_add(1, Ordering::Relaxed);
            return Ok(Box::new(FailingReceiver(self.failure)));
        }
        self.inner.open_receiver(options).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl TransportReceiver for FailingReceiver {
    async fn receive(&mut self, _: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        Err(self.0())
    }

    async fn ended(&mut self) -> Error {
        self.0()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
