//! A partition of this process, as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::{oneshot, watch};

use super::lease::Lease;
use crate::consumer::EventStream;
use crate::consumer::epoch_safe::{ConsumerHandle, EpochSafeConsumer};
use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

/// Where to tell how the close went; `None` if nobody waits for that.
pub(super) type Returned = Option<oneshot::Sender<Result<(), Error>>>;

/// A partition that an [`EventProcessor`](super::EventProcessor) owns: the stream of
/// its events.
///
/// It is an [`EpochSafeConsumer`] of one partition. It **ends** when the partition goes
/// to another process, when the processor stops, and when it is stopped itself. Then
/// acknowledge what is done, and [`close`](EventStream::close) or drop it: the processor
/// waits for that, for the
/// [hand-over time-out](super::EventProcessorOptions::with_hand_over_timeout) at most,
/// before it writes the checkpoint and gives the partition up. An **error** is its last
/// word: the partition was lost, or cannot be read; its events that wait elsewhere are
/// somebody else's to handle.
///
/// To close or drop it before it has ended gives the partition up, too; a later cycle
/// may claim it again, here or elsewhere. Where that happens again and again within a
/// minute of the claim, the partition is left alone for longer each time.
///
/// # Cancel safety
/// Dropping the future of a `next` loses no event.
#[must_use = "streams do nothing unless polled"]
pub struct OwnedPartition {
    partition: PartitionId,
    generation: u64,
    events: EpochSafeConsumer,
    lease: Arc<Lease>,
    has_ended: bool,
    returned: Option<oneshot::Sender<Returned>>,
    over: watch::Receiver<()>,
}

impl OwnedPartition {
    pub(super) fn new(
        partition: PartitionId,
        generation: u64,
        events: EpochSafeConsumer,
        lease: Arc<Lease>,
        returned: oneshot::Sender<Returned>,
        over: watch::Receiver<()>,
    ) -> Self {
        Self {
            partition,
            generation,
            events,
            lease,
            has_ended: false,
            returned: Some(returned),
            over,
        }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The generation of the claim, which is stamped on its events.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Steers and shows its consumer: acknowledges, writes checkpoints, pauses.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        self.events.handle()
    }

    /// Waits until the processor has given the partition up, whatever became of this
    /// stream.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut over = self.over.clone();
        async move {
            // Nothing is ever sent: the channel ends with the partition.
            let _ = over.changed().await;
        }
    }

    /// Gives it back.
    fn give_back(&mut self, tell: Returned) {
        if let Some(returned) = self.returned.take() {
            // If nobody is there, the processor has not waited any longer.
            let _ = returned.send(tell);
        }
    }
}

impl Stream for OwnedPartition {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        // Here, too: a process that stood still has to look before it yields.
        if self.lease.is_over() {
            self.has_ended = true;
            self.events.stop();
            return Poll::Ready(Some(Err(lapsed(self.partition))));
        }
        let polled = Pin::new(&mut self.events).poll_next(context);
        if let Poll::Ready(None) = polled {
            self.has_ended = true;
        }
        polled
    }
}

impl EventStream for OwnedPartition {
    fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.events.ack(event)
    }

    fn stop(&self) {
        self.events.stop();
    }

    async fn close(mut self) -> Result<(), Error> {
        self.stop();
        let (tell, told) = oneshot::channel();
        self.give_back(Some(tell));
        drop(self);
        // Not told: the processor did not wait, or is gone.
        told.await
            .unwrap_or_else(|_| Err(Error::closed("partition")))
    }
}

impl Drop for OwnedPartition {
    fn drop(&mut self) {
        self.events.stop();
        self.give_back(None);
    }
}

impl fmt::Debug for OwnedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPartition")
            .field("partition", &self.partition)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

fn lapsed(partition: PartitionId) -> Error {
    let message = format!(
        "the ownership of partition {partition} could not be renewed in time, so that others may \
         claim it soon: it is given up"
    );
    let reason = OwnershipLostReason::Revoked;
    Error::new(ErrorKind::OwnershipLost(reason), message).with_partition(partition)
}
