//! The processor.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::core::Core;
use super::cycle::drive;
use super::meters::Meters;
use super::options::EventProcessorOptions;
use super::owned::OwnedPartition;
use super::registry::Registry;
use super::snapshot::ProcessorSnapshot;
use crate::error::Error;
use crate::transport::TransportConsumer;

/// Reads its share of a hub's partitions, beside the other processes of its consumer
/// group: a [`Stream`] of the partitions that it comes to own.
///
/// Each [`OwnedPartition`] is a stream of events, to be read in a task of its own. The
/// [module](super) tells how the shares come about. Where a handler for each event is
/// all that is wanted, [`process`](Self::process) does the rest.
///
/// The stream ends once the processor was [stopped](ProcessorHandle::stop) and all
/// partitions were handed over. A store that fails, and a service that cannot be
/// reached, never end it.
///
/// Dropping it stops it without waiting: partitions are handed over in the background,
/// while the runtime runs. To wait for that, [`close`](Self::close) it.
///
/// # Cancel safety
/// Dropping the future of a `next` loses no partition.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use eventhubs_flow::consumer::EventStream;
/// use eventhubs_flow::consumer::checkpoint::MemoryStore;
/// use eventhubs_flow::consumer::processor::{EventProcessor, EventProcessorOptions};
/// use eventhubs_flow::transport::memory::MemoryHub;
/// use futures::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_flow::Error> {
/// let hub = MemoryHub::new(4);
/// let mut options = EventProcessorOptions::new(MemoryStore::new());
/// # options = options.with_consumer(
/// #     eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions::default()
/// #         .with_namespace("ns.servicebus.windows.net"),
/// # );
/// let mut partitions = EventProcessor::start(Arc::new(hub.consumer()), options).await?;
/// let handle = partitions.handle();
/// # let mut taken = 0;
/// while let Some(mut events) = partitions.next().await {
///     tokio::spawn(async move {
///         while let Some(item) = events.next().await {
///             match item {
///                 Ok(event) => drop(events.ack(&event)),
///                 Err(error) => eprintln!("{error}"),
///             }
///         }
///         events.close().await
///     });
/// #   taken += 1;
/// #   if taken == 4 { handle.stop(); }
/// }
/// partitions.close().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct EventProcessor {
    core: Arc<Core>,
    ready: mpsc::Receiver<OwnedPartition>,
    driver: Option<JoinHandle<()>>,
}

/// Steers and shows an [`EventProcessor`], wherever it went. A clone steers the same
/// one.
#[derive(Clone)]
pub struct ProcessorHandle {
    core: Arc<Core>,
}

impl EventProcessor {
    /// Starts to take part in a consumer group.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if the
    ///   options contradict each other; the message says which;
    /// - whatever keeps the service from telling the hub's partitions; one
    ///   attempt.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future starts nothing.
    pub async fn start(
        transport: Arc<dyn TransportConsumer>,
        mut options: EventProcessorOptions,
    ) -> Result<Self, Error> {
        options.validate()?;
        let (checkpoints, owners) = (
            Arc::clone(&options.checkpoints),
            Arc::clone(&options.owners),
        );
        let owner = options.owner();
        options.consumer = options
            .consumer
            .with_name(owner)
            .with_policy(Default::default())
            .with_stores(checkpoints, owners)
            .with_store_timeout(options.store_timeout);
        let hub = transport.hub_properties().await?;
        options.consumer.resolve(&hub.partitions)?;
        let Some(stores) = options.consumer.stores_for(&hub.name)? else {
            return Err(Error::invalid_options("a processor needs a store"));
        };
        let meters = Meters::new(&hub.name, &options.consumer.consumer_group);
        let registry = Registry { stores, meters };
        let partitions = hub.partitions.into_iter().collect();
        let core = Core::new(transport, options, registry, partitions);
        let (sender, ready) = mpsc::channel(1);
        let driver = tokio::spawn(drive(Arc::clone(&core), sender));
        tracing::info!(owner = core.registry.owner(), "processor started");
        Ok(Self {
            core,
            ready,
            driver: Some(driver),
        })
    }

    /// Steers and shows the processor while something else reads it.
    #[must_use]
    pub fn handle(&self) -> ProcessorHandle {
        let core = Arc::clone(&self.core);
        ProcessorHandle { core }
    }

    /// What it knows now.
    #[must_use]
    pub fn snapshot(&self) -> ProcessorSnapshot {
        self.core.snapshot()
    }

    /// Stops, and waits until all partitions are handed over: whoever reads one has
    /// come to an end or the
    /// [hand-over time-out](EventProcessorOptions::with_hand_over_timeout) has passed,
    /// its checkpoint is written, and it is released.
    ///
    /// # Cancel safety
    /// Dropping the future stops without waiting.
    pub async fn close(mut self) {
        self.core.stop();
        // What nobody has taken yet goes back at once.
        self.ready.close();
        while self.ready.recv().await.is_some() {}
        if let Some(driver) = self.driver.take() {
            // One that panicked has ended.
            let _ = driver.await;
        }
    }
}

impl Stream for EventProcessor {
    type Item = OwnedPartition;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(context)
    }
}

impl Drop for EventProcessor {
    fn drop(&mut self) {
        self.core.stop();
    }
}

impl fmt::Debug for EventProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventProcessor")
            .field("owner", &self.core.registry.owner())
            .finish_non_exhaustive()
    }
}

impl ProcessorHandle {
    /// Stops the processor: it claims nothing more, and hands its partitions over.
    pub fn stop(&self) {
        self.core.stop();
    }

    /// What it knows now.
    #[must_use]
    pub fn snapshot(&self) -> ProcessorSnapshot {
        self.core.snapshot()
    }
}

impl fmt::Debug for ProcessorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessorHandle")
            .field("owner", &self.core.registry.owner())
            .finish_non_exhaustive()
    }
}
