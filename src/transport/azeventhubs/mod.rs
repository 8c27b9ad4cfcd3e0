//! The `azeventhubs` transport: the crate of that name, which is deprecated.
//!
//! For programs that use it still. It always speaks TLS, by `native-tls` (its
//! `rustls` feature has known vulnerabilities), and builds with no `tokio-util`
//! from 0.7.20 on: the feature holds cargo to an older one.
//!
//! ```text
//! AzeventhubsProducer ── requests ──▶ a task that owns the client: one call at a time
//! AzeventhubsConsumer ◀── events ──── a task with a client of its own per receiver
//! ```
//!
//! # Its faults, and what stands between them and you
//! | fault | fence |
//! |---|---|
//! | reports `Ok` for batches that were refused, when it tries again | it never does: [`OneAttempt`] is its retry policy, by type |
//! | steals a partition back for ever | the same |
//! | can panic when a link closes under a send | the task catches it: [`ErrorKind::Panicked`], fate unknown, another client for the next call |
//! | mends no connection without a second attempt | another client for the next call |
//! | tells no reason why properties are refused | a sender link is asked, which does |
//!
//! # What it cannot do
//! - An event holds a body, a content type, a message id and a correlation id, both
//!   text. One with other properties is refused: they would be lost.
//! - A batch for a partition holds no event with a key: the key would be lost. A
//!   [`BufferedProducer`](crate::producer::buffered::BufferedProducer), which maps
//!   keys to partitions, takes events without a key only.
//! - Offsets are numbers: those of a geo-replicated hub are not told with the
//!   properties of a partition.
//! - A receiver asks for [`with_prefetch`](AzeventhubsOptions::with_prefetch) events
//!   as soon as it is opened, whatever the demand, and holds up to twice as many.
//!   While it is full it does not notice that another took its place.
//! - Each receiver has a connection of its own.
//!
//! [`ErrorKind::Panicked`]: crate::ErrorKind::Panicked

mod codec;
mod connect;
mod consumer;
mod errors;
mod options;
mod policy;
mod producer;
mod properties;

pub use consumer::AzeventhubsConsumer;
pub use options::AzeventhubsOptions;
pub use policy::OneAttempt;
pub use producer::AzeventhubsProducer;
