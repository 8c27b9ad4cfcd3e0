//! What steers and shows a consumer while something else reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::buffer::Buffer;
use super::checkpointer::Checkpointer;
use super::lane::Lane;
use super::snapshot::{ConsumerSnapshot, PartitionSnapshot};
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

/// Steers and shows an [`EpochSafeConsumer`](super::EpochSafeConsumer), wherever
/// its stream went. A clone steers the same one.
///
/// It keeps nothing open: once the consumer is gone, it has no effect.
#[derive(Clone)]
pub struct ConsumerHandle {
    shared: Arc<Shared>,
}

/// What the streams, the pumps and the handles share.
pub(super) struct Shared {
    pub(super) buffer: Arc<Buffer>,
    pub(super) checkpointer: Checkpointer,
    lanes: RwLock<BTreeMap<PartitionId, Arc<Lane>>>,
}

impl Shared {
    pub(super) fn new(buffer: Arc<Buffer>, checkpointer: Checkpointer) -> Arc<Self> {
        Arc::new(Self {
            buffer,
            checkpointer,
            lanes: RwLock::default(),
        })
    }

    pub(super) fn add(&self, lane: Arc<Lane>) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(lane.partition, lane);
    }

    fn lane(&self, partition: PartitionId) -> Result<Arc<Lane>, Error> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.get(&partition).map(Arc::clone);
        lane.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidPartition,
                format!("the consumer does not read partition {partition}"),
            )
        })
    }

    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.keys().copied().collect()
    }

    pub(super) fn ack(&self, event: &ReceivedEvent, through: bool) -> Result<(), Error> {
        let lane = self.lane(event.partition())?;
        let (unsaved, change) = lane.ack(event, through)?;
        self.buffer.unblocked(&lane, change);
        self.checkpointer.acknowledged(&lane, unsaved);
        Ok(())
    }
}

impl ConsumerHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The partitions that are or were read, those found later included.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.shared.partitions()
    }

    /// Yields nothing of a partition, and asks for nothing more than its bounds,
    /// until it is [resumed](Self::resume). It stays owned; what is fetched stays.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPartition`](crate::ErrorKind::InvalidPartition) if it
    /// is none of [`partitions`](Self::partitions).
    pub fn pause(&self, partition: PartitionId) -> Result<(), Error> {
        self.shared.lane(partition)?.pause();
        Ok(())
    }

    /// Goes on with a partition.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self, partition: PartitionId) -> Result<(), Error> {
        let lane = self.shared.lane(partition)?;
        self.shared.buffer.unblocked(&lane, lane.resume());
        Ok(())
    }

    /// Ends the stream: nothing more is yielded. The partitions stay owned until
    /// the consumer is closed, so that what was yielded can be acknowledged.
    pub fn stop(&self) {
        self.shared.buffer.stop();
    }

    /// Says that an event is done, in any order: see
    /// [`EventStream::ack`](crate::consumer::EventStream::ack).
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) if its generation owns the
    /// partition no more.
    pub fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.shared.ack(event, false)
    }

    /// Says that an event and all events of its partition before it are done.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn ack_through(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.shared.ack(event, true)
    }

    /// Writes what is acknowledged, of all partitions, as checkpoints; one attempt
    /// each.
    ///
    /// # Errors
    /// The first error; the others are written all the same. With
    /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) the partition has a later
    /// owner, and ends.
    ///
    /// # Cancel safety
    /// When the future is dropped, some may be written and others not.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        self.shared.checkpointer.write_all().await
    }

    /// What the consumer does now.
    #[must_use]
    pub fn snapshot(&self) -> ConsumerSnapshot {
        let buffer = &self.shared.buffer;
        let lanes = buffer.lanes();
        let of = |lane: &Arc<Lane>| PartitionSnapshot::of(lane, buffer.held(lane.slot));
        ConsumerSnapshot {
            partitions: lanes.iter().map(of).collect(),
        }
    }
}

impl fmt::Debug for ConsumerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerHandle")
            .field("partitions", &self.partitions())
            .finish_non_exhaustive()
    }
}
