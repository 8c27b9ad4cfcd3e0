//! What a transport must keep: for those who write one of their own.
//!
//! A transport's author implements [`Harness`] for a hub that the transport
//! reaches; [`run`] makes a fresh one for every check, and panics if a check does
//! not hold. No test framework is needed, and any runtime of tokio will do.
//!
//! ```text
//! run ── for every check ──▶ a fresh Harness ─┬─ producer(), consumer()   what is tested
//!  │                                          ├─ stored(), delivered()    what the hub says
//!  ▼                                          └─ provoke(Outcome)         what goes wrong
//! Report: which held, and which were skipped since the hub cannot be made to fail so
//! ```
//!
//! Each check is a function of its own, too, to run one of them. All of them
//! panic if the transport does not keep what it promises, with what was expected.
//!
//! # What it cannot see
//! The hub is taken at its word. A fault of the hub and one of the transport
//! look the same; a harness that asks the transport itself what is stored hides
//! some of both.
//!
//! # Examples
//! ```
//! use async_trait::async_trait;
//! use eventhubs_flow::ReceivedEvent;
//! use eventhubs_flow::transport::contract::{self, Harness};
//! use eventhubs_flow::transport::memory::MemoryHub;
//! use eventhubs_flow::transport::{TransportConsumer, TransportProducer};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryHub);
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn producer(&self) -> Box<dyn TransportProducer> {
//!         Box::new(self.0.producer())
//!     }
//!
//!     async fn consumer(&self) -> Box<dyn TransportConsumer> {
//!         Box::new(self.0.consumer())
//!     }
//!
//!     async fn stored(&self) -> Vec<ReceivedEvent> {
//!         self.0.received()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = contract::run(async || Memory(MemoryHub::new(contract::PARTITIONS))).await;
//! // This harness provokes nothing: the outcomes were not tested.
//! assert!(report.skipped().contains(&"outcomes::throttled"));
//! # }
//! ```

pub mod cancelling;
pub mod closing;
mod harness;
mod kit;
pub mod outcomes;
pub mod owners;
pub mod properties;
pub mod receiving;
mod run;
pub mod sending;

pub use crate::contract::{Guard, Report, Verdict};
pub use harness::{Harness, Outcome, PARTITIONS};
pub use run::run;
