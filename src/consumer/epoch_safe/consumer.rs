//! The stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::buffer::{Buffer, Chunk, Item};
use super::credit::Load;
use super::options::EpochSafeConsumerOptions;
use super::pump::Pump;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::{ReceiverOptions, TransportConsumer};

/// Room is given back in portions this large: for every event it would cost a
/// lock each, for every chunk the wire would stand still in between.
const PORTION: Load = Load {
    events: 32,
    bytes: 64 * 1024,
};

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
    buffer: Arc<Buffer>,
    partitions: Vec<PartitionId>,
    /// What is being yielded, and how much of it was since room was given back.
    current: Option<(Chunk, Load)>,
    /// Ends with the consumer: told to the pumps.
    closing: watch::Sender<()>,
    pumps: JoinSet<Result<(), Error>>,
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
    /// - [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if a
    ///   level is negative, the name too long, or no partition named;
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
        let existing = transport.hub_properties().await?.partitions;
        let partitions = options.resolve(&existing)?;
        let buffer = Arc::new(Buffer::new(options.bounds(), partitions.len()));
        let (closing, closed) = watch::channel(());
        let mut pumps = JoinSet::new();
        for (slot, &partition) in partitions.iter().enumerate() {
            let receiver = ReceiverOptions {
                consumer_group: options.consumer_group.clone(),
                partition,
                position: options.position.clone(),
                owner_level: options.policy.owner_level(),
                name: Some(options.name.clone()),
            };
            let pump = Pump::new(
                Arc::clone(&transport),
                receiver,
                options.policy,
                Arc::clone(&buffer),
                slot,
            );
            pumps.spawn(pump.run(closed.clone()));
        }
        Ok(Self {
            buffer,
            partitions,
            current: None,
            closing,
            pumps,
        })
    }

    /// The partitions that it was opened on, those that ended included.
    #[must_use]
    pub fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// Whether generations order the owners of all processes, so that a write
    /// stamped with an old one can be refused anywhere.
    ///
    /// `false`: without a shared store they count this process only.
    #[must_use]
    pub fn is_fencing(&self) -> bool {
        false
    }

    /// Closes the receivers and waits until the service has let go of them.
    ///
    /// What was not yielded is dropped; it is still in the hub.
    ///
    /// # Errors
    /// The first error that a receiver met before or while it was closed; all are
    /// closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    pub async fn close(self) -> Result<(), Error> {
        let Self {
            closing, mut pumps, ..
        } = self;
        drop(closing);
        let mut outcome = Ok(());
        while let Some(closed) = pumps.join_next().await {
            // A pump that panicked has told so.
            outcome = outcome.and(closed.unwrap_or(Ok(())));
        }
        outcome
    }

    /// The next event of the chunk at hand, if there is one that may be yielded.
    fn next_of_current(&mut self) -> Option<ReceivedEvent> {
        let (chunk, spent) = self.current.as_mut()?;
        let next = chunk.events.next();
        let Some(event) = next.filter(|event| chunk.cursor.advance(event.sequence_number())) else {
            // Read to the end, or revoked: the rest goes with it.
            self.buffer.release(chunk.slot, chunk.load);
            self.current = None;
            return None;
        };
        *spent += Load {
            events: 1,
            bytes: event.encoded_size() as u64,
        };
        if spent.events >= PORTION.events || spent.bytes >= PORTION.bytes {
            let spent = std::mem::take(spent);
            chunk.load -= spent;
            self.buffer.release(chunk.slot, spent);
        }
        Some(event.with_generation(chunk.generation))
    }
}

impl Stream for EpochSafeConsumer {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.next_of_current() {
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(self.buffer.poll_item(context)) {
                Some(Item::Chunk(chunk)) => self.current = Some((chunk, Load::default())),
                Some(Item::End(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for EpochSafeConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochSafeConsumer")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
