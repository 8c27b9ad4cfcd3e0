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
//! | `emulator`, `builder`, `server` | the front door |
//! | `listen` | the ways in: ports, TLS, WebSockets |
//! | `line` | what a long, narrow or broken line does to bytes |
//! | `health` | `/health` and `/metrics` over HTTP |
//! | `identify` | who listens on a port: an emulator, or something else |
//! | `service` | what the nodes `$cbs`, `$management`, hubs and partitions do with messages |
//! | `faults` | what is to go wrong; the hooks are in `wire` and `service` |
//! | `wire` | AMQP: frames, performatives, sessions, links |
//! | `metrics`, `clients` | what is counted, who is connected |
//! | `namespace`, `hub`, `partition_log`, `ownership`, `position`, `sas`, `jwt`, `throughput`, .. | the state, without a word of AMQP |
//!
//! Events are kept as the bytes they came in: a batch is split without decoding its events, and a
//! delivery is the stored bytes behind freshly written annotations. Nothing here is shared with
//! the client in `eventhubs-flow`: two independent readings of the protocol check each other.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the binary `eventhubs-emulator` and its argument parser; `health` |
//! | `fuzzing` | no | what the targets in `fuzz/` feed; not for others |
//! | `health` | with `cli` | `GET /health` and `GET /metrics` over HTTP |

mod access_key;
mod builder;
mod clients;
mod clock;
mod config;
mod emulator;
pub mod faults;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod growth;
#[cfg(feature = "health")]
mod health;
mod hub;
mod identify;
mod jwt;
mod line;
mod listen;
mod metrics;
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
mod tier;
mod wire;

pub use access_key::{AccessKey, ParseKeyError, Right};
pub use builder::{EmulatorBuilder, StartError};
pub use clients::{ConnectionInfo, LinkInfo, LinkRole};
pub use config::{ConfigError, HubConfig, ParseHubError};
pub use emulator::Emulator;
pub use faults::{Fault, FaultGuard, When};
pub use growth::PartitionCountError;
#[cfg(feature = "health")]
pub use health::HealthEndpoint;
pub use identify::{Identity, identify};
pub use listen::CertificateError;
pub use metrics::Metrics;
pub use receivers::ReceiverInfo;
pub use recorded::RecordedEvent;
pub use tier::Tier;
