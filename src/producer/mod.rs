//! Producers: wrappers around a [`TransportProducer`](crate::transport::TransportProducer).

pub mod buffered;
