//! A hub in memory: for tests of what is built on the ports, and for benches.
//!
//! It keeps the contract of the ports, owner levels included, but speaks no
//! protocol and holds all it is sent: use `eventhubs-emulator` to test a program
//! over the wire.
//!
//! # Examples
//! ```
//! use eventhubs_flow::transport::TransportProducer;
//! use eventhubs_flow::transport::memory::MemoryHub;
//! use eventhubs_flow::{EventBatch, EventData, Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), eventhubs_flow::Error> {
//! let hub = MemoryHub::new(4);
//! let producer = hub.producer();
//! let mut batch = EventBatch::new(Target::Any, producer.limits(&Target::Any));
//! batch.try_add(EventData::new("hello"))?;
//! producer.send_batch(batch).await?;
//! assert_eq!(hub.received()[0].body(), "hello".as_bytes());
//! # Ok(())
//! # }
//! ```

mod holders;
mod hub;
mod producer;
mod receiver;

pub use hub::MemoryHub;
pub use producer::MemoryProducer;
pub use receiver::{MemoryConsumer, MemoryReceiver};
