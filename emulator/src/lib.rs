//! An Azure Event Hubs emulator that speaks AMQP 1.0.

mod clock;
mod config;
mod hub;
mod namespace;
mod ownership;
mod partition_key;
mod partition_log;
mod position;
mod receivers;
mod retention;
mod sas;
mod texts;

pub use config::{ConfigError, HubConfig, ParseHubError};
pub use receivers::ReceiverInfo;
