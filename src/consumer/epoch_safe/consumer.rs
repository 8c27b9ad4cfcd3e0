//! The stream.

use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;

use super::buffer::Buffer;
use super::checkpointer::Checkpointer;
use super::crew::Crew;
use super::handle::{ConsumerHandle, Shared};
use super::meters::Meters;
use super::options::EpochSafeConsumerOptions;
use super::pumps::Pumps;
use super::split::Partitions;
use super::yielding::Yielding;
use crate::consumer::EventStream;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::TransportConsumer;

/// Reads partitions as a [`Stream`], safe against other receivers.
///
/// The [module](super) says what ends a partition and what does not. Partitions
/// with something to read take turns, a delivery each; the events of one partition
/// come in order.
///
/// Dropping it closes its receivers without waiting for the service. What was
/// buffered is dropped with it.
///
/// # Cancel safety
/// Dropping the future of a `next` loses no event.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
/// use eventhubs_flow::transport::memory::MemoryHub;
/// use eventhubs_flow::transport::{StartPosition, TransportProducer};
/// use eventhubs_flow::{BatchLimits, ErrorKind, EventBatch, EventData, Target};
/// use futures::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_flow::Error> {
/// let hub = MemoryHub::new(1);
/// let mut batch = EventBatch::new(Target::Any, BatchLimits::STANDARD);
/// batch.try_add(EventData::new("First event"))?;
/// hub.producer().send_batch(batch).await?;
///
/// let options = EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest);
/// let mut events = EpochSafeConsumer::open(Arc::new(hub.consumer()), options).await?;
/// while let Some(item) = events.next().await {
///     match item {
///         Ok(event) => {
///             assert_eq!(event.body(), "First event".as_bytes());
///             break;
///         }
///         // One partition is gone; the stream goes on with the others.
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// events.close().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct EpochSafeConsumer {
    yielding: Yielding,
    shared: Arc<Shared>,
    pumps: Arc<Pumps>,
    is_fencing: bool,
}

impl EpochSafeConsumer {
    /// Starts to read.
    ///
    /// Each partition is opened in a task of its own: one that is refused ends
    /// with an item of the stream and keeps none of the others from opening.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidPartition`](crate::ErrorKind::InvalidPartition) if
    ///   the hub lacks a partition that the options name;
    /// - [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if the
    ///   options contradict each other; the message says which;
    /// - whatever keeps the service from telling the hub's partitions; one
    ///   attempt.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn open(
        transport: Arc<dyn TransportConsumer>,
        options: EpochSafeConsumerOptions,
    ) -> Result<Self, Error> {
        let hub = transport.hub_properties().await?;
        let partitions = options.resolve(&hub.partitions)?;
        let stores = options.stores_for(&hub.name)?;
        let is_fencing = stores
            .as_ref()
            .is_some_and(|stores| stores.owners.is_shared());
        let meters = Meters::new(&hub.name, &options.consumer_group);
        let buffer = Arc::new(Buffer::new(options.bounds()));
        let checkpointer = Checkpointer::new(Arc::clone(&buffer), stores.clone(), meters.clone());
        let shared = Shared::new(Arc::clone(&buffer), checkpointer);
        let pumps = Arc::new(Pumps::default());
        let crew = Crew {
            transport,
            options: Arc::new(options),
            stores,
            meters,
            shared: Arc::clone(&shared),
        };
        for partition in partitions {
            let position = crew.options.position_of(partition).clone();
            crew.read(&pumps, partition, position);
        }
        if crew.options.reads_all() {
            pumps.start_beside(crew.discover(Arc::downgrade(&pumps)));
        }
        Ok(Self {
            yielding: Yielding::of_all(buffer),
            shared,
            pumps,
            is_fencing,
        })
    }

    /// The partitions that are or were read, those found later included.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.shared.partitions()
    }

    /// Whether generations order the owners of all processes, so that a write
    /// stamped with an old one can be refused anywhere.
    ///
    /// `false` without a store that is
    /// [shared](crate::consumer::checkpoint::OwnershipStore::is_shared): generations
    /// count this process only.
    #[must_use]
    pub fn is_fencing(&self) -> bool {
        self.is_fencing
    }

    /// Steers and shows the consumer while something else reads it.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle::new(Arc::clone(&self.shared))
    }

    /// Writes what is acknowledged as checkpoints, in a task beside: a partition's
    /// once `events` of it are acknowledged and not written, and all at an interval.
    ///
    /// A write that fails is tried again after a wait (0.8 s doubling to 60 s, a
    /// random part of it), with what is acknowledged by then. Reading goes on
    /// meanwhile, up to
    /// [`max_unacknowledged`](EpochSafeConsumerOptions::with_max_unacknowledged).
    ///
    /// Without a store it does nothing.
    ///
    /// # Panics
    /// If the interval is zero, or outside of a tokio runtime.
    pub fn checkpoint_every(self, events: NonZeroU32, interval: Duration) -> Self {
        assert!(
            !interval.is_zero(),
            "an interval of zero would write without end"
        );
        let shared = Arc::clone(&self.shared);
        self.pumps.start_beside(async move {
            shared.checkpointer.keep_writing(events, interval).await;
        });
        self
    }

    /// A stream per partition.
    ///
    /// What was fetched is kept, but for the delivery that was being yielded: it is
    /// put back.
    pub fn split(self) -> Partitions {
        let Self {
            yielding,
            shared,
            pumps,
            ..
        } = self;
        yielding.give_back();
        Partitions::new(shared, pumps)
    }

    /// What closes it while its stream is read elsewhere.
    pub(in crate::consumer) fn closer(&self) -> Closer {
        Closer {
            shared: Arc::clone(&self.shared),
            pumps: Arc::clone(&self.pumps),
        }
    }

    /// Stops, writes what was acknowledged as checkpoints, gives the partitions up
    /// and waits until the service has let go of them: in this order.
    ///
    /// What was not yielded is dropped; it is still in the hub.
    ///
    /// # Errors
    /// The first error that was met on the way; all of it is tried all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting; a checkpoint may be missing.
    pub async fn close(self) -> Result<(), Error> {
        close(&self.shared, &self.pumps).await
    }
}

/// Closes a consumer whose stream is somebody else's.
pub(in crate::consumer) struct Closer {
    shared: Arc<Shared>,
    pumps: Arc<Pumps>,
}

impl Closer {
    /// As [`EpochSafeConsumer::close`].
    pub(in crate::consumer) async fn close(self) -> Result<(), Error> {
        close(&self.shared, &self.pumps).await
    }
}

pub(super) async fn close(shared: &Shared, pumps: &Pumps) -> Result<(), Error> {
    shared.buffer.stop();
    pumps.end_beside();
    let written = shared.checkpointer.write_all().await;
    let closed = pumps.close_all().await;
    written.and(closed)
}

impl Stream for EpochSafeConsumer {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.yielding.poll_next(context)
    }
}

impl EventStream for EpochSafeConsumer {
    fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.shared.ack(event, false)
    }

    fn stop(&self) {
        self.shared.buffer.stop();
    }

    async fn close(self) -> Result<(), Error> {
        close(&self.shared, &self.pumps).await
    }
}

impl fmt::Debug for EpochSafeConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochSafeConsumer")
            .field("partitions", &self.partitions())
            .finish_non_exhaustive()
    }
}
