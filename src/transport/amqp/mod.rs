//! The `amqp` transport: AMQP 1.0 over `fe2o3-amqp`.
//!
//! ```text
//! EventHub ─ one connection ─┬─ $cbs            tokens, renewed before they end
//!                            ├─ $management     properties
//!                            ├─ sender links    the gateway's, one per partition used
//!                            └─ receiver links  one per receiver
//! ```
//!
//! Connection, sessions and links come up when they are needed. What breaks
//! fails the calls that it carried, with what is known of their fate; the next
//! call brings up a new one. Nothing is sent twice.
//!
//! Get at it through [`EventHub`](crate::EventHub).

mod cbs;
mod codec;

mod connection;
mod consumer;
mod dial;
mod endpoint;
mod errors;
mod guard;
mod management;
mod node;
mod outcome;
mod position;
mod producer;
mod receiver;
mod sas;
mod sender;
mod tokens;
mod wall_clock;
mod web_socket;

pub(crate) use connection::Connection;
pub use consumer::AmqpConsumer;
pub(crate) use endpoint::Server;
pub use producer::AmqpProducer;
pub(crate) use tokens::TokenSource;
pub(crate) use wall_clock::WallClock;
