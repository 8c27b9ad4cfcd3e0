//! The ports: what the primitives need of a connection to Event Hubs.
//!
//! ```text
//! BufferedProducer ── RateLimitedProducer          EpochSafeConsumer
//!              \        /                                  |
//!        TransportProducer                         TransportConsumer
//!              |                                           |
//!              └── amqp (default) · memory · your own ─────┘
//! ```
//!
//! A transport makes **one attempt per call** and reports what happened: it
//! never retries and never hides. Retries live in one place above it. Ports are
//! object-safe, so `Arc<dyn TransportProducer>` works, and wrappers implement
//! the port they wrap: order is composition.
//!
//! A transport of your own is tested by the checks of `contract`, under the
//! feature of that name.

#[cfg(feature = "amqp")]
pub(crate) mod amqp;
pub(crate) mod conflict;
mod consumer;
#[cfg(feature = "contract")]
pub mod contract;
mod forward;
pub mod memory;
mod position;
mod producer;
#[cfg(feature = "amqp")]
mod service_error;

#[cfg(feature = "amqp")]
pub use amqp::{AmqpConsumer, AmqpProducer};
pub use consumer::{ReceiverOptions, TransportConsumer, TransportReceiver};
pub use position::StartPosition;
pub use producer::{HubProperties, PartitionProperties, TransportManagement, TransportProducer};
