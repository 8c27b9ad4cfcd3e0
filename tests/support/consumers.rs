//! Consumers that count what they hand on, or break on command.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use eventhubs_flow::transport::memory::MemoryConsumer;
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};
use eventhubs_flow::{Error, ErrorKind, PartitionId, ReceivedEvent};

/// Counts the events that its receivers hand on.
#[derive(Debug)]
pub struct CountingConsumer {
    inner: MemoryConsumer,
    received: Arc<AtomicUsize>,
}

impl CountingConsumer {
    pub fn new(inner: MemoryConsumer) -> Self {
        let received = Arc::default();
        Self { inner, received }
    }

    pub fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }
}

/// Breaks once after a number of events, and gives one event a time.
#[derive(Debug)]
pub struct FlakyConsumer {
    inner: MemoryConsumer,
    events_left: Arc<AtomicUsize>,
}

impl FlakyConsumer {
    pub fn new(inner: MemoryConsumer, events: usize) -> Self {
        let events_left = Arc::new(AtomicUsize::new(events));
        Self { inner, events_left }
    }
}

macro_rules! forward_management {
    ($consumer:ty) => {
        #[async_trait]
        impl TransportManagement for $consumer {
            async fn hub_properties(&self) -> Result<HubProperties, Error> {
                self.inner.hub_properties().await
            }

            async fn partition_properties(
                &self,
                partition: PartitionId,
            ) -> Result<PartitionProperties, Error> {
                self.inner.partition_properties(partition).await
            }
        }
    };
}

forward_management!(CountingConsumer);
forward_management!(FlakyConsumer);

#[async_trait]
impl TransportConsumer for CountingConsumer {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        let inner = self.inner.open_receiver(options).await?;
        let received = Arc::clone(&self.received);
        Ok(Box::new(CountingReceiver { inner, received }))
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl TransportConsumer for FlakyConsumer {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        let inner = self.inner.open_receiver(options).await?;
        let events_left = Arc::clone(&self.events_left);
        Ok(Box::new(FlakyReceiver { inner, events_left }))
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[derive(Debug)]
struct CountingReceiver {
    inner: Box<dyn TransportReceiver>,
    received: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FlakyReceiver {
    inner: Box<dyn TransportReceiver>,
    events_left: Arc<AtomicUsize>,
}

#[async_trait]
impl TransportReceiver for CountingReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        let events = self.inner.receive(credit).await?;
        self.received.fetch_add(events.len(), Ordering::Relaxed);
        Ok(events)
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[async_trait]
impl TransportReceiver for FlakyReceiver {
    async fn receive(&mut self, _: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        let left = self.events_left.fetch_sub(1, Ordering::Relaxed);
        if left == 0 {
            return Err(Error::new(ErrorKind::Disconnected, "a planted fault"));
        }
        self.inner.receive(NonZeroU32::MIN).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}
