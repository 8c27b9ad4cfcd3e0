//! Producers: wrappers around a [`TransportProducer`](crate::transport::TransportProducer).

pub mod buffered;
mod ext;
pub mod rate_limited;

pub use ext::ProducerExt;
