//! Migrating: old call, new call, and what changes in meaning.
//!
//! | from | page |
//! |---|---|
//! | the crate `azeventhubs`, which is deprecated | [`azeventhubs`] |
//! | the official crate, `azure_messaging_eventhubs` | [`azure_sdk`] |
//! | the tutorial's Express code (`@azure/event-hubs`) | [`express`] |
//!
//! # The same for all
//! - **A connection, then producers and consumers.** [`EventHub`](crate::EventHub) is
//!   one AMQP connection; what it hands out shares it.
//! - **Accepted is not delivered.** `enqueue` returns when the event has room, `send`
//!   returns a [`Delivery`](crate::producer::buffered::Delivery) to await.
//! - **`Ok` means stored.** A transport makes one attempt and tells what came of it;
//!   retries are in the buffer, and only there.
//! - **A lost partition is told once, and is final** unless the policy says
//!   [`Escalate`](crate::consumer::epoch_safe::EpochPolicy::Escalate).
//! - **A consumer has owner level 0 by default,** as processors have. The clients of
//!   other crates read without a level: that is
//!   [`NonEpoch`](crate::consumer::epoch_safe::EpochPolicy::NonEpoch).
//! - **Nothing is unbounded.**
//!
//! # Step by step
//! The features `azeventhubs` and `azure-sdk` put the primitives of this crate over
//! the client that a program has already, so that connections and credentials can be
//! changed last. What they [cannot keep](crate::transport#which-transport) is listed.

pub mod azeventhubs;
pub mod azure_sdk;
pub mod express;
