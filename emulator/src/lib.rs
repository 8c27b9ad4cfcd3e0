//! An Azure Event Hubs emulator that speaks AMQP 1.0.

mod builder;
mod clock;
mod config;
mod emulator;
mod hub;
mod namespace;
mod ownership;
mod partition_key;
mod partition_log;
mod position;
mod receivers;
mod recorded;
mod retention;
mod sas;
mod server;
mod service;
mod texts;
mod wire;

pub use builder::{EmulatorBuilder, StartError};
pub use config::{ConfigError, HubConfig, ParseHubError};
pub use emulator::Emulator;
pub use receivers::ReceiverInfo;
pub use recorded::RecordedEvent;
