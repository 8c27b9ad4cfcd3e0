//! Consumers: what reads through a [`TransportConsumer`](crate::transport::TransportConsumer).

pub mod epoch_safe;
