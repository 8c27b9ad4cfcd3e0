//! What a store of checkpoints or owners must keep: for those who write one of
//! their own.
//!
//! A store's author implements [`Harness`]; [`run`] makes a fresh one for every
//! check, and panics if a check does not hold. No test framework is needed, and any
//! runtime of tokio will do; one of several threads finds more.
//!
//! ```text
//! run ── for every check ──▶ a fresh Harness ─┬─ checkpoints(), owners()   handles on one store
//!  │                                          └─ damage(), cut_off()       what goes wrong
//!  ▼
//! Report: which held, and which were skipped since the harness cannot do what they need
//! ```
//!
//! Each check is a function of its own, too, to run one of them. All of them
//! panic if the store does not keep what it promises, with what was expected.
//!
//! # What it cannot see
//! Whether what was stored outlasts a crash, and whether processes and machines
//! see the same: its handles are all in one process.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use eventhubs_flow::consumer::checkpoint::contract::{self, Harness};
//! use eventhubs_flow::consumer::checkpoint::{CheckpointStore, MemoryStore, OwnershipStore};
//!
//! #[derive(Debug, Default)]
//! struct Memory(MemoryStore);
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
//!         Some(Arc::new(self.0.clone()))
//!     }
//!
//!     async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
//!         Some(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = contract::run(async || Memory::default()).await;
//! // This harness damages nothing: what comes of it was not tested.
//! assert!(report.skipped().contains(&"failing::damaged"));
//! # }
//! ```

pub mod cancelling;
pub mod checkpoints;
pub mod failing;
pub mod fences;
mod harness;
mod kit;
pub mod leases;
pub mod owners;
pub mod resets;
mod run;

pub use crate::contract::{Guard, Report, Verdict};
pub use harness::Harness;
pub use run::run;
