//! Consumers: what reads events and knows whether it may.

pub mod epoch_safe;
