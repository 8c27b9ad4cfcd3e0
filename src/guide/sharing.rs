//! Sharing partitions among processes, and a store for several machines.
//!
//! One process reads all partitions until it is too slow, or until it must not be the
//! only one. Then several read the same consumer group, each partition by one of them at
//! a time.
//!
//! ```text
//!   process a ── claims ──▶  store  ◀── claims ── process b
//!      │ 0 1 2 3             who owns what             4 5 6 7 │
//!      ▼                     checkpoints               ▼
//!   handlers                                         handlers
//! ```
//!
//! # Which one reads what?
//! | who says so | take |
//! |---|---|
//! | you, by the deployment | [`EpochSafeConsumer`] with [`with_partitions`] |
//! | nobody: they find out | [`EventProcessor`] |
//!
//! # Which store?
//! | the processes are | take |
//! |---|---|
//! | one, in a test | [`MemoryStore`] |
//! | on one machine | [`FileStore`] |
//! | on several, also with processors of other SDKs | `BlobStore`, feature `azure-blob` |
//!
//! # A processor
//! ```
//! use std::num::NonZeroUsize;
//!
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::EventHub;
//! use eventhubs_flow::consumer::checkpoint::MemoryStore;
//! use eventhubs_flow::consumer::processor::EventProcessorOptions;
//! # use std::time::Duration;
//! # use eventhubs_flow::{EventData, producer::buffered::BufferedProducerOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! # let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//! # producer.send(EventData::new("First event")).await?.await?;
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! let store = MemoryStore::new(); // shared by all processes: `FileStore`, `BlobStore`
//! let processor = hub.event_processor(EventProcessorOptions::new(store)).await?;
//! let handle = processor.handle();
//! # let stop = handle.clone();
//!
//! let limit = NonZeroUsize::new(32).expect("not zero");
//! let report = processor
//!     .process(limit, move |event| {
//! #       stop.stop();
//!         async move {
//!             println!("{}: {:?}", event.partition(), event.body());
//!             Ok::<_, std::io::Error>(())
//!         }
//!     })
//!     .await; // until `handle.stop()`, and everything is handed over
//! assert_eq!(report.handled, 1);
//! # drop(handle);
//! # Ok(())
//! # }
//! ```
//! As a stream it yields each partition that it comes to own, to be read in a task of its
//! own; the [module](crate::consumer::processor) has an example.
//!
//! # What to expect
//! | what happens | what becomes of the events |
//! |---|---|
//! | a process joins | partitions move to it, from those that have more than their share; handlers end first, a checkpoint is written, none is handled twice |
//! | a process stops well | the same |
//! | a process dies | its partitions wait for the [expiry](crate::consumer::processor::EventProcessorOptions::with_ownership_expiry) and one cycle; what it did after its last checkpoint is done again |
//! | a process stands still | it yields nothing more once its lease is over, and what it writes late is [fenced](super::checkpoints) |
//! | the store is away | reading goes on until the lease is over |
//!
//! # Choosing the times
//! The [interval] is how soon a change is noticed, and what the store is asked; the
//! [expiry] how long a dead process is missed. The interval is at most a third of the
//! expiry. All processes of a group should have the same.
//!
//! # Beside processors of other SDKs
//! They know no generations, and read at level 0: use
//! [`OwnerLevel::Fixed(0)`](crate::consumer::processor::OwnerLevel::Fixed), and the
//! `BlobStore`, whose layout .NET, Java, JavaScript and Python share. Against them it is
//! the service's detach that tells of a loss, and no fence.
//!
//! [`EpochSafeConsumer`]: crate::consumer::epoch_safe::EpochSafeConsumer
//! [`with_partitions`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_partitions
//! [`EventProcessor`]: crate::consumer::processor::EventProcessor
//! [`MemoryStore`]: crate::consumer::checkpoint::MemoryStore
//! [`FileStore`]: crate::consumer::checkpoint::FileStore
//! [interval]: crate::consumer::processor::EventProcessorOptions::with_load_balancing_interval
//! [expiry]: crate::consumer::processor::EventProcessorOptions::with_ownership_expiry
