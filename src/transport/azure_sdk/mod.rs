//! The `azure-sdk` transport: the official SDK, `azure_messaging_eventhubs`.
//!
//! For programs that hold such clients already, or whose ways in only the SDK
//! knows. Its receivers are [`EventReceiver`]s: what its processor hands out
//! cannot be sent between threads.
//!
//! Turn on the TLS of the SDK that you use, as its default features do: this
//! feature leaves the choice to you.
//!
//! # Events may be lost in silence
//! The SDK reports success for a batch that the service gave back (released or
//! modified), and keeps the outcome to itself. The service does so seldom, as it
//! moves a partition, but **then `Ok` is wrong and the events are gone**: nothing
//! behind it can tell. Where that matters, use the `amqp` transport.
//!
//! # What else differs
//! - A batch holds at most 1000 events and about half of what the service takes:
//!   the SDK counts the first event twice, and gives each event that has no
//!   message id a random one.
//! - A batch with a partition key on the first event and none on a later one is
//!   refused: the SDK would put the first one's key on all of them.
//! - A receiver asks for [`with_prefetch`](AzureSdkOptions::with_prefetch) events
//!   as soon as it is opened, whatever the demand, and holds up to twice as many.
//!   While it is full it does not notice that another took its place.
//! - Each receiver has a connection of its own.
//!
//! [`EventReceiver`]: azure_messaging_eventhubs::EventReceiver

mod codec;
mod connect;
mod consumer;
mod errors;
mod options;
mod producer;
mod values;

pub use consumer::AzureSdkConsumer;
pub use options::AzureSdkOptions;
pub use producer::AzureSdkProducer;
