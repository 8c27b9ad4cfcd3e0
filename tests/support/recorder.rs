//! A transport that notes what it is given.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, EventData, PartitionId, SendBatchError, Target,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Accepts each batch whose first body is not `refuse`, at once or when let.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    polled: Mutex<Vec<Polled>>,
    permits: Semaphore,
}

/// A batch, noted when its send was first polled.
#[derive(Debug, Clone)]
pub struct Polled {
    pub at: Instant,
    pub batch: EventBatch,
}

impl Recorder {
    /// Accepts at once.
    pub fn accepting() -> Self {
        Self::with_permits(Semaphore::MAX_PERMITS)
    }

    /// Holds every send until [`release`](Self::release).
    pub fn holding() -> Self {
        Self::with_permits(0)
    }

    fn with_permits(permits: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                polled: Mutex::default(),
                permits: Semaphore::new(permits),
            }),
        }
    }

    /// Lets this many of the held sends end, the oldest first.
    pub fn release(&self, sends: usize) {
        self.shared.permits.add_permits(sends);
    }

    pub fn polled(&self) -> Vec<Polled> {
        self.shared.polled.lock().unwrap().clone()
    }

    /// The first bodies of the batches, in the order of their first polls.
    pub fn bodies(&self) -> Vec<String> {
        self.polled()
            .iter()
            .map(|it| first_body(&it.batch))
            .collect()
    }
}

pub fn first_body(batch: &EventBatch) -> String {
    let first = batch.events().first();
    first.map_or_else(String::new, |event| {
        String::from_utf8_lossy(event.body()).into_owned()
    })
}

/// A batch of one event.
pub fn batch(target: impl Into<Target>, body: &str) -> EventBatch {
    let mut batch = EventBatch::new(target.into(), BatchLimits::STANDARD);
    batch.try_add(EventData::new(body.to_owned())).unwrap();
    batch
}

/// A batch of so many events of so many encoded bytes each.
pub fn batch_of(events: usize, size: usize) -> EventBatch {
    let overhead = EventData::new(vec![0; size - 5]).encoded_size() - (size - 5);
    let event = EventData::new(vec![0; size - overhead]);
    assert_eq!(event.encoded_size(), size, "choose another size");
    let mut batch = EventBatch::new(Target::Any, BatchLimits::STANDARD);
    for _ in 0..events {
        batch.try_add(event.clone()).unwrap();
    }
    batch
}

#[async_trait]
impl TransportManagement for Recorder {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Ok(HubProperties {
            name: "recorder".into(),
            created_at: SystemTime::UNIX_EPOCH,
            partitions: vec![PartitionId::new(0)],
        })
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        Err(Error::new(ErrorKind::InvalidPartition, id.to_string()))
    }
}

#[async_trait]
impl TransportProducer for Recorder {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        if self.shared.permits.is_closed() {
            let error = Error::new(ErrorKind::Closed, "closed");
            return Err(SendBatchError::new(batch, error));
        }
        self.shared.polled.lock().unwrap().push(Polled {
            at: Instant::now(),
            batch: batch.clone(),
        });
        if let Ok(permit) = self.shared.permits.acquire().await {
            permit.forget();
        }
        if first_body(&batch) == "refuse" {
            let error = Error::new(ErrorKind::NotAcknowledged, "refused as asked");
            return Err(SendBatchError::new(batch, error));
        }
        Ok(())
    }

    fn limits(&self, _target: &Target) -> BatchLimits {
        BatchLimits {
            bytes: 1024 * 1024,
            events: 5000,
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.shared.permits.close();
        Ok(())
    }
}
