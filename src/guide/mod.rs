//! The guide: what to choose, what happens, and what to do about it.
//!
//! The module docs say how each part works; these pages start from what you want
//! to do. Their code runs, over the emulator or over a hub in memory.
//!
//! | page | answers |
//! |---|---|
//! | [`bounds`] | how large a buffer, a batch, a prefetch; how long to linger |
//! | [`composition`] | what goes over what, and what order is kept |
//! | [`outcomes`] | what became of an event, and whether to send it again |
//! | [`throttling`] | throughput units, `server-busy`, and several writers |
//! | [`epochs`] | who may read a partition, in pictures |
//! | [`checkpoints`] | where a consumer goes on, and why a late one does no harm |
//! | [`sharing`] | several processes in one consumer group, and their store |
//! | [`testing`] | your own code against the emulator, in Rust or any language |
//! | [`migrating`] | from `azeventhubs`, from the official crate, from Express |
//! | [`troubleshooting`] | an error text, what it means, what to do |
//!
//! # The whole path
//! ```text
//!  your events                                                    your handler
//!      │ bounds                                                        ▲ checkpoints
//!      ▼                                                               │
//!  BufferedProducer ── outcomes                             process_concurrently
//!      │ composition                                                   ▲
//!      ▼                                                               │
//!  RateLimitedProducer ── throttling                          EpochSafeConsumer ── epochs
//!      │                                                               ▲
//!      └────▶ AMQP ────▶  an event hub, or the emulator  ────▶ AMQP ───┘
//!                                   testing
//! ```
//!
//! # First steps
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_emulator::Emulator;
//! use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::transport::StartPosition;
//! use eventhubs_flow::{EventData, EventHub};
//! use futures::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?; // or a connection string of the portal
//! let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//!
//! let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//! producer.send(EventData::new("First event")).await?.await?; // the hub has it
//!
//! let from_the_start = EpochSafeConsumerOptions::default()
//!     .with_position(StartPosition::Earliest);
//! let mut events = hub.epoch_safe_consumer(from_the_start).await?;
//! let event = events.next().await.expect("the stream goes on")?;
//! assert_eq!(event.body(), "First event".as_bytes());
//!
//! events.close().await?;
//! let report = producer.close(Duration::from_secs(30)).await;
//! assert_eq!(report.delivered, 1);
//! hub.close().await?;
//! # Ok(())
//! # }
//! ```

pub mod bounds;
pub mod checkpoints;
pub mod composition;
pub mod epochs;
pub mod migrating;
pub mod outcomes;
pub mod sharing;
pub mod testing;
pub mod throttling;
pub mod troubleshooting;
