//! Consumers: what reads through a [`TransportConsumer`](crate::transport::TransportConsumer).

pub mod checkpoint;
pub mod epoch_safe;
mod event_stream;
pub mod processor;

pub use event_stream::EventStream;
