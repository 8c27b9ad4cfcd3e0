//! A stream per partition.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;

use super::handle::{ConsumerHandle, Shared};
use super::pumps::Pumps;
use super::yielding::Yielding;
use crate::consumer::EventStream;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

/// The partitions of an [`EpochSafeConsumer`](super::EpochSafeConsumer), each as a
/// stream of its own; made by [`split`](super::EpochSafeConsumer::split).
///
/// It yields those there are at once, and those that are added to the hub as they
/// are found; it ends when all have ended, or the consumer was stopped. Each can
/// be read in a task of its own, and holds none of the others up.
///
/// The partitions stay open while this or any of them is there.
#[must_use = "streams do nothing unless polled"]
pub struct Partitions {
    shared: Arc<Shared>,
    pumps: Arc<Pumps>,
}

/// The events of one partition of a consumer.
#[must_use = "streams do nothing unless polled"]
pub struct PartitionEvents {
    partition: PartitionId,
    slot: usize,
    shared: Arc<Shared>,
    pumps: Arc<Pumps>,
    yielding: Yielding,
}

impl Partitions {
    pub(super) fn new(shared: Arc<Shared>, pumps: Arc<Pumps>) -> Self {
        Self { shared, pumps }
    }

    /// Steers and shows the consumer.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle::new(Arc::clone(&self.shared))
    }

    /// Closes all partitions, wherever their streams are: see
    /// [`EventStream::close`].
    ///
    /// # Errors
    /// The first error; all are closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting.
    pub async fn close(self) -> Result<(), Error> {
        super::consumer::close(&self.shared, &self.pumps).await
    }
}

impl Stream for Partitions {
    type Item = PartitionEvents;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let buffer = &self.shared.buffer;
        let lane = ready!(buffer.poll_lane(context));
        Poll::Ready(lane.map(|lane| PartitionEvents {
            partition: lane.partition,
            slot: lane.slot,
            shared: Arc::clone(&self.shared),
            pumps: Arc::clone(&self.pumps),
            yielding: Yielding::of(Arc::clone(buffer), lane.slot),
        }))
    }
}

impl PartitionEvents {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Steers and shows the consumer that it is a part of.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle::new(Arc::clone(&self.shared))
    }
}

impl Stream for PartitionEvents {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.yielding.poll_next(context)
    }
}

impl EventStream for PartitionEvents {
    fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.shared.ack(event, false)
    }

    /// Ends this partition's stream alone.
    fn stop(&self) {
        self.shared.buffer.stop_slot(self.slot);
    }

    /// Closes this partition alone.
    async fn close(self) -> Result<(), Error> {
        self.stop();
        let written = self.shared.checkpointer.write_slot(self.slot).await;
        let closed = self.pumps.close(self.slot).await;
        written.and(closed)
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("partitions", &self.shared.partitions())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PartitionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionEvents")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}
