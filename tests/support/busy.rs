//! A service that is busy for a while.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::transport::memory::MemoryProducer;
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, PartitionId, SendBatchError, Target,
};
use tokio::time::{Instant, sleep};

/// What the service asks to wait.
pub(crate) const WAIT: Duration = Duration::from_secs(4);
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Refuses batches until then, and takes all from then on.
#[derive(Debug)]
pub(crate) struct Busy {
    inner: MemoryProducer,
    until: Instant,
    /// The one that is busy; all of them without it.
    partition: Option<PartitionId>,
    refusals: Mutex<Vec<Instant>>,
}

impl Busy {
    pub(crate) fn new(inner: MemoryProducer, lasting: Duration) -> Self {
        Self {
            inner,
            until: Instant::now() + lasting,
            partition: None,
            refusals: Mutex::default(),
        }
    }

    /// Only this partition is busy.
    pub(crate) fn at(mut self, partition: u32) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// When it refused a batch.
    pub(crate) fn refusals(&self) -> Vec<Instant> {
        self.refusals.lock().unwrap().clone()
    }
}

#[async_trait]
impl TransportManagement for Busy {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Busy {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        sleep(ROUND_TRIP).await;
        let now = Instant::now();
        let elsewhere = self
            .partition
            .is_some_and(|busy| *batch.target() != Target::Partition(busy));
        if elsewhere || now >= self.until {
            return self.inner.send_batch(batch).await;
        }
        self.refusals.lock().unwrap().push(now);
        let busy = ErrorKind::Throttled { retry_after: WAIT };
        Err(SendBatchError::new(batch, Error::new(busy, "planted")))
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
