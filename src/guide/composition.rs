//! Order and composition: what goes over what, and which order is kept.
//!
//! Wrappers are ports themselves, so the order in which they are stacked is the
//! order of their effects.
//!
//! # Sending
//! ```text
//!  BufferedProducer       events in, full batches out; waits, retries, outcomes
//!        │
//!  RateLimitedProducer    each attempt waits for its tokens; narrows the batches
//!        │
//!  AmqpProducer           one attempt per call
//! ```
//! The calls read from the inside to the outside:
//!
//! ```
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
//! use eventhubs_flow::{EventData, EventHub};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
//! let producer = hub
//!     .producer()
//!     .rate_limited(&limiter)
//!     .buffered(BufferedProducerOptions::default())
//!     .await?;
//! producer.send(EventData::new("hello")).await?.await?;
//! # let _ = producer.close(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! - A batch that is sent again passes the limiter again: the service counts it, too.
//! - The limiter tells the buffer how much passes at once, so no batch is built that
//!   could not.
//! - All producers of one [`EventHub`] wait at its one gate when the service is busy
//!   ([`throttling`](super::throttling)).
//!
//! # Sharing
//! | to share | share |
//! |---|---|
//! | a connection | the [`EventHub`]: a clone is the same connection |
//! | a buffer among tasks | the [`BufferedProducer`]: a clone is the same buffer |
//! | a rate among producers, streams, hubs | the [`RateLimiter`]: a clone has the same buckets |
//! | a producer of any kind | an [`Arc<dyn TransportProducer>`](crate::transport::TransportProducer) |
//! | a wait for a busy service | one [`EventHub`]; several hubs of a namespace have a gate each |
//!
//! # Streams instead of a buffer
//! ```text
//!  events.batched(..) ──▶ .rate_limited(..) ──▶ .send_through(..) ──▶ outcomes
//! ```
//! These are driven by whoever reads the outcomes, and send each batch **once**: a
//! refusal hands it back. Where many tasks make events, or failed batches are to be
//! sent again by themselves, `forward` the stream into the buffer's [`Sink`]:
//!
//! ```
//! # use std::time::Duration;
//! use eventhubs_flow::EventData;
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::transport::memory::MemoryHub;
//! use futures::{StreamExt, stream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = MemoryHub::new(4);
//! let producer = hub.producer().buffered(BufferedProducerOptions::default()).await?;
//! let events = stream::iter(["a", "b", "c"]).map(EventData::new).map(Ok);
//! events.forward(producer.clone().into_sink()).await?; // ends when all have arrived
//! assert_eq!(hub.received().len(), 3);
//! # let _ = producer.close(Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Receiving, and sending on
//! ```text
//!  EpochSafeConsumer ─▶ checkpoint_every ─▶ process_concurrently ─▶ outcomes
//!                                       or  chunks_by            ─▶ chunks, for bulk writes
//!                                       or  split                ─▶ a stream per partition
//! ```
//! From hub to hub, an event is acknowledged once the second hub has it: the handler
//! awaits the delivery. Events of one key are handled one at a time, so their order
//! is kept; others overlap, and fill batches.
//!
//! ```
//! use std::num::{NonZeroU32, NonZeroUsize};
//! use std::time::Duration;
//!
//! use eventhubs_emulator::{Emulator, HubConfig};
//! use eventhubs_flow::EventHub;
//! use eventhubs_flow::consumer::checkpoint::MemoryStore;
//! use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::transport::StartPosition;
//! use futures::StreamExt;
//! # use eventhubs_flow::EventData;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder()
//!     .hub(HubConfig::new("raw"))
//!     .hub(HubConfig::new("clean"))
//!     .start()
//!     .await?;
//! let raw = EventHub::connect(&emulator.connection_string_for("raw")).await?;
//! let clean = EventHub::connect(&emulator.connection_string_for("clean")).await?;
//! # let sender = raw.buffered_producer(BufferedProducerOptions::default()).await?;
//! # for number in 0..10 { sender.enqueue(EventData::new(number.to_string())).await?; }
//! # let _ = sender.close(Duration::from_secs(5)).await;
//!
//! let producer = clean.buffered_producer(BufferedProducerOptions::default()).await?;
//! let options = EpochSafeConsumerOptions::default()
//!     .with_position(StartPosition::Earliest)
//!     .with_store(MemoryStore::new()); // `FileStore` outlasts the process
//! let every = NonZeroU32::new(1000).expect("not zero");
//! let limit = NonZeroUsize::new(256).expect("not zero");
//! let sender = producer.clone();
//! let mut outcomes = raw
//!     .epoch_safe_consumer(options)
//!     .await?
//!     .checkpoint_every(every, Duration::from_secs(10))
//!     .process_concurrently(limit, move |event| {
//!         let sender = sender.clone();
//!         async move {
//!             let event = (*event).clone().into_event(); // a clone shares the body
//!             let delivery = sender.send(event).await?;
//!             delivery.await?;
//!             Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
//!         }
//!     });
//! for _ in 0..10 {
//!     outcomes.next().await.expect("goes on")?;
//! }
//! assert_eq!(emulator.event_count("clean"), 10);
//! # outcomes.close().await.into_result().map_err(|report| format!("{report:?}"))?;
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Which order is kept
//! | | |
//! |---|---|
//! | events of one partition, and so of one key | stored in the order in which they were accepted |
//! | the same, with [more than one batch in flight](crate::producer::buffered::BufferedProducerOptions::with_max_in_flight_per_partition) | as long as no attempt fails |
//! | the same, when a batch is sent again | the order of first copies stays; a copy may come twice |
//! | events of different partitions | none |
//! | batches at a limiter | the order in which their sends were first polled |
//! | what a consumer yields of one partition | the hub's |
//! | handlers of one partition and key | one at a time, in order; without a key none |
//!
//! # Closing
//! From the outside to the inside: stop making events, close the buffer (it tells
//! what became of everything), then the hub. A buffer leaves its transport open,
//! since others may use it; [`EventHub::close`] closes the connection under all.
//!
//! [`EventHub`]: crate::EventHub
//! [`EventHub::close`]: crate::EventHub::close
//! [`BufferedProducer`]: crate::producer::buffered::BufferedProducer
//! [`RateLimiter`]: crate::producer::rate_limited::RateLimiter
//! [`Sink`]: crate::producer::buffered::BufferedSink
