//! Producers: wrappers around a [`TransportProducer`](crate::transport::TransportProducer).

pub mod buffered;
mod ext;
pub mod rate_limited;
mod throttle_gate;

pub use ext::ProducerExt;
pub use throttle_gate::{ThrottleGate, ThrottleGateSnapshot};
