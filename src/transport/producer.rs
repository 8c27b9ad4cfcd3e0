//! The producing port, and what every port knows of its hub.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, SendBatchError};
use crate::partition::{PartitionId, Target};
use crate::producer::ThrottleGate;

/// What the service tells of an event hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubProperties {
    /// The hub's name.
    pub name: String,
    /// When the hub was created.
    pub created_at: SystemTime,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionId>,
}

/// What the service tells of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProperties {
    /// The partition.
    pub partition: PartitionId,
    /// The number of the oldest event still kept.
    pub beginning_sequence_number: i64,
    /// The number of the newest event, -1 if there was none.
    pub last_enqueued_sequence_number: i64,
    /// The offset of the newest event: opaque.
    pub last_enqueued_offset: String,
    /// When the newest event was stored.
    pub last_enqueued_time: SystemTime,
    /// Whether the partition holds no event.
    pub is_empty: bool,
}

/// Reads a hub's properties: half of every port.
#[async_trait]
pub trait TransportManagement: fmt::Debug + Send + Sync + 'static {
    /// Reads the hub's properties.
    ///
    /// # Errors
    /// Whatever keeps the service from answering; one attempt.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    async fn hub_properties(&self) -> Result<HubProperties, Error>;

    /// Reads a partition's properties.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPartition`](crate::ErrorKind::InvalidPartition) if
    /// there is no such partition, or whatever keeps the service from answering.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error>;
}

/// Sends batches to an event hub.
#[async_trait]
pub trait TransportProducer: TransportManagement {
    /// Sends a batch, once, and waits for the outcome.
    ///
    /// Calls may overlap: what is sent to one target is transferred in the order
    /// of the first polls, and stored in that order unless one of them fails.
    ///
    /// # Errors
    /// The batch comes back with the reason. `Ok` means that the service
    /// accepted all of it. [`Error::is_fate_unknown`] tells whether it may have
    /// been stored in spite of the error.
    ///
    /// # Cancel safety
    /// Dropping the future never leaves half a transfer: the batch was sent
    /// whole, its outcome unread, or not at all.
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError>;

    /// The most that a batch for this target may hold.
    ///
    /// Never waits: the size that the service stated for the link, or before
    /// that the limits of a Standard namespace.
    fn limits(&self, target: &Target) -> BatchLimits;

    /// Where producers wait while the service is busy, one for all that send to
    /// this hub. Whoever sends again what was throttled waits there first; the
    /// port itself does not.
    ///
    /// Defaults to `None`: there is none to share.
    fn throttle_gate(&self) -> Option<ThrottleGate> {
        None
    }

    /// Closes what the producer holds; later calls fail with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed). Idempotent.
    ///
    /// # Errors
    /// The service's word, where it refused the close; it is closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    async fn close(&self) -> Result<(), Error>;
}
