//! The ports: what the primitives need of a connection to Event Hubs.
//!
//! ```text
//! BufferedProducer ── RateLimitedProducer          EpochSafeConsumer
//!              \        /                                  |
//!        TransportProducer                         TransportConsumer
//!              |                                           |
//!              └─ amqp (default) · azeventhubs · azure-sdk ┘
//!                           memory · your own
//! ```
//!
//! A transport makes **one attempt per call** and reports what happened: it
//! never retries and never hides. Retries live in one place above it. Ports are
//! object-safe, so `Arc<dyn TransportProducer>` works, and wrappers implement
//! the port they wrap: order is composition.
//!
//! # Which transport
//! `amqp`, which [`EventHub`](crate::EventHub) hands out: it keeps all that the
//! ports promise. The others serve programs that hold a client of another crate
//! already; [`memory`] is for tests.
//!
//! All pass the checks of `contract`, but for those in this table: there a client
//! cannot do what is promised, or does not tell.
//!
//! | the check | `azeventhubs` | `azure-sdk` | why |
//! |---|---|---|---|
//! | `outcomes::released`, `outcomes::modified` | kept | **`Ok`, and the events are lost** | the SDK reports success for a batch that was given back |
//! | `receiving::credit_without_a_call`, `receiving::waiting_for_the_end` | 100 events ahead, whatever the demand | the same | both clients fetch ahead; see `with_prefetch` |
//! | `receiving::contents` | no application properties | kept | azeventhubs has no way to set them: such events are refused |
//!
//! Within the checks they differ, too:
//!
//! | what | `azeventhubs` | `azure-sdk` |
//! |---|---|---|
//! | sends under way | one | one per partition |
//! | connections | one, and one per receiver | the same |
//! | a batch holds | what the service takes | half of it, and 1000 events |
//! | an event without a message id | stays so | gets a random one |
//! | keys in a batch for a partition | refused | all events or none |
//! | a connection that breaks under a send shows | at once, or after the try time-out | after the try time-out |
//! | a theft shows while a receiver is full | when it has room again | the same |
//!
//! A transport of your own is tested by the checks of `contract`, under the
//! feature of that name.

#[cfg(feature = "amqp")]
pub(crate) mod amqp;
#[cfg(feature = "azeventhubs")]
mod azeventhubs;
#[cfg(feature = "azure-sdk")]
mod azure_sdk;
#[cfg(any(feature = "azeventhubs", feature = "azure-sdk"))]
mod client;
pub(crate) mod conflict;
mod consumer;
#[cfg(feature = "contract")]
pub mod contract;
pub(crate) mod forward;
pub mod memory;
mod position;
mod producer;
#[cfg(any(feature = "amqp", feature = "azeventhubs", feature = "azure-sdk"))]
mod service_error;

#[cfg(feature = "amqp")]
pub use amqp::{AmqpConsumer, AmqpProducer};
#[cfg(feature = "azeventhubs")]
pub use azeventhubs::{AzeventhubsConsumer, AzeventhubsOptions, AzeventhubsProducer, OneAttempt};
#[cfg(feature = "azure-sdk")]
pub use azure_sdk::{AzureSdkConsumer, AzureSdkOptions, AzureSdkProducer};
pub use consumer::{ReceiverOptions, TransportConsumer, TransportReceiver};
pub use position::StartPosition;
pub use producer::{HubProperties, PartitionProperties, TransportManagement, TransportProducer};
