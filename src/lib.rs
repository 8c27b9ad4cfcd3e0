//! Flow control for Azure Event Hubs.
//!
//! Three primitives, each usable alone and made to compose:
//!
//! - [`BufferedProducer`](producer::buffered::BufferedProducer): a bounded buffer
//!   that turns single events into full batches, flushed by size or time;
//! - [`RateLimitedProducer`](producer::rate_limited::RateLimitedProducer): a token
//!   bucket over events/s and bytes/s in front of any producer;
//! - [`EpochSafeConsumer`](consumer::epoch_safe::EpochSafeConsumer): a stream of
//!   events that owns its partitions and knows when it lost one, with
//!   [stores](consumer::checkpoint) for its checkpoints.
//!
//! ```text
//!  Stream adapters     stream.batched(..).rate_limited(..).send_through(..)
//!         |            events.checkpoint_every(..).process_concurrently(..)
//!         |                                    |
//!  primitives       BufferedProducer ── RateLimitedProducer     EpochSafeConsumer
//!         |                  \            /                             |
//!  ports                   TransportProducer                   TransportConsumer
//!         |                        |                                   |
//!  transports            amqp (default) · azeventhubs · azure-sdk · memory · your own
//! ```
//!
//! The order of wrappers is the order of effects: a buffer over a limiter over a
//! transport lets every attempt pass the limiter.
//!
//! # Where to start
//! The [`guide`]: [choosing bounds](guide::bounds),
//! [order and composition](guide::composition), [outcomes](guide::outcomes),
//! [throttling](guide::throttling), [epochs with pictures](guide::epochs),
//! [checkpoints and fencing](guide::checkpoints), [sharing partitions](guide::sharing), [testing](guide::testing),
//! [migrating](guide::migrating), and [error texts](guide::troubleshooting).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `amqp` | yes | the AMQP 1.0 transport and `EventHub::connect` |
//! | `azure-core` | no | `AzureCredential`: Microsoft Entra ID by credentials of the Azure SDK |
//! | `azure-blob` | no | `consumer::checkpoint::BlobStore`: checkpoints and owners in Azure Blob Storage, shared with other SDKs |
//! | `azeventhubs` | no | `AzeventhubsProducer`, `AzeventhubsConsumer`: the transport over that crate, which is deprecated |
//! | `azure-sdk` | no | `AzureSdkProducer`, `AzureSdkConsumer`: the transport over the official SDK |
//! | `contract` | no | `transport::contract` and `consumer::checkpoint::contract`: the checks that every transport and store must pass |
//!
//! `azeventhubs` and `azure-sdk` hold `tokio-util` below 0.7.20: their clients do not
//! build with a later one. What either [cannot keep](transport#which-transport) of
//! what a transport promises is listed.
//!
//! # Seeing what it does
//!
//! Metrics, spans and events are listed in [`telemetry`]; without a stack for
//! them, ask a producer, a limiter, a gate or a consumer for its `snapshot()`.
//!
//! # Testing
//!
//! The crate `eventhubs-emulator` is an Event Hubs that runs in the process and
//! speaks AMQP 1.0; [`transport::memory`] is one without a protocol.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(doctest, feature = "amqp"))]
#[doc = include_str!("../README.md")]
mod readme {}

mod batch;
mod connection_string;
pub mod consumer;
#[cfg(feature = "contract")]
mod contract;
#[cfg(any(feature = "amqp", feature = "azure-blob"))]
mod credential;
mod encoding;
mod error;
mod event;
// Its code needs the front door.
#[cfg(all(doc, feature = "amqp"))]
pub mod guide;
#[cfg(feature = "amqp")]
mod hub;
mod partition;
pub mod prelude;
pub mod producer;
mod retry;
mod shield;
pub mod stream;
mod sync;
pub mod telemetry;
#[cfg(any(feature = "amqp", feature = "azure-blob"))]
mod tls;
pub mod transport;
mod value;

pub use batch::{BatchLimits, EventBatch};
pub use connection_string::ConnectionString;
#[cfg(feature = "azure-core")]
pub use credential::AzureCredential;
#[cfg(any(feature = "amqp", feature = "azure-blob"))]
pub use credential::{AccessToken, EVENT_HUBS_SCOPE, TokenCredential};
pub use error::{
    DEFAULT_RETRY_AFTER, EpochConflict, Error, ErrorKind, OwnershipLostReason, SendBatchError,
    SendError,
};
pub use event::{EventData, MessageProperties, Properties, ReceivedEvent};
#[cfg(feature = "amqp")]
pub use hub::{EventHub, EventHubOptions};
pub use partition::{MAX_PARTITION_KEY_CHARS, PartitionId, PartitionKey, Target};
pub use value::{MessageId, Timestamp, Value};
