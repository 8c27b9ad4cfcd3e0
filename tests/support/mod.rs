//! What several tests share.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::transport::memory::{MemoryHub, MemoryProducer};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, PartitionId, SendBatchError, Target,
};

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

/// A transport that answers for its hub's properties once, then with an error, a
/// panic, not at all, and at last again.
#[derive(Debug)]
pub struct Unsteady {
    inner: MemoryProducer,
    asked: AtomicUsize,
}

impl Unsteady {
    pub fn new(hub: &MemoryHub) -> Self {
        Self {
            inner: hub.producer(),
            asked: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl TransportManagement for Unsteady {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            1 => Err(Error::new(ErrorKind::Disconnected, "planted")),
            2 => panic!("a planted panic"),
            3 => std::future::pending().await,
            _ => self.inner.hub_properties().await,
        }
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Unsteady {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        self.inner.send_batch(batch).await
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

/// A transport whose sends take a while, and in the first partitions for ever.
#[derive(Debug)]
pub struct Slow {
    inner: MemoryProducer,
    latency: Duration,
    stalled: u32,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Slow {
    pub fn new(hub: &MemoryHub, latency: Duration, stalled: u32) -> Self {
        Self {
            inner: hub.producer(),
            latency,
            stalled,
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        }
    }

    /// The most sends that overlapped.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TransportManagement for Slow {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Slow {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);
        if let Target::Partition(id) = batch.target()
            && id.number() < self.stalled
        {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.latency).await;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.inner.send_batch(batch).await
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
