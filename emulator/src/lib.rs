//! An Azure Event Hubs emulator that speaks AMQP 1.0.
//!
//! One line starts a namespace on a free port of this machine; every Event Hubs SDK connects to it
//! with a development connection string. It lives in the process, so a test can look inside it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), eventhubs_emulator::StartError> {
//! use eventhubs_emulator::{Emulator, HubConfig};
//!
//! let emulator = Emulator::builder()
//!     .hub(HubConfig::new("orders").with_partitions(8))
//!     .start()
//!     .await?;
//! let connection_string = emulator.connection_string_for("orders");
//! // Hand it to the program under test, then wait for what it sends:
//! emulator.wait_for_events("orders", 0).await;
//! assert!(emulator.received("orders").is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//!
//! | layer | what it knows |
//! |---|---|
//! | `emulator`, `builder`, `server` | the front door, the sockets |
//! | `identify` | who listens on a port: an emulator, or something else |
//! | `service` | what the nodes `$cbs`, `$management`, hubs and partitions do with messages |
//! | `wire` | AMQP: frames, performatives, sessions, links |
//! | `namespace`, `hub`, `partition_log`, `ownership`, `position`, `sas`, `throughput`, .. | the state, without a word of AMQP |
//!
//! Events are kept as the bytes they came in: a batch is split without decoding its events, and a
//! delivery is the stored bytes behind freshly written annotations. Nothing here is shared with
//! the client in `eventhubs-flow`: two independent readings of the protocol check each other.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the binary `eventhubs-emulator` and its argument parser |

mod builder;
mod clock;
mod config;
mod emulator;
mod growth;
mod hub;
mod identify;
mod namespace;
mod ownership;
mod partition_key;
mod partition_log;
mod position;
mod receivers;
mod recorded;
mod retention;
mod sas;
mod server;
mod service;
mod texts;
mod throughput;
mod wire;

pub use builder::{EmulatorBuilder, StartError};
pub use config::{ConfigError, HubConfig, ParseHubError};
pub use emulator::Emulator;
pub use growth::PartitionCountError;
pub use identify::{Identity, identify};
pub use receivers::ReceiverInfo;
pub use recorded::RecordedEvent;
