//! How an emulator is put together.

use crate::config::{AccessKey, Config, ConfigError, HubConfig};
use crate::emulator::Emulator;
use crate::namespace::Namespace;
use crate::server::Listeners;
use crate::service::Broker;
use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

/// What an emulator is to be; see [`Emulator::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct EmulatorBuilder {
    port: u16,
    config: Config,
    default_hubs: bool,
    default_keys: bool,
    acknowledgement_delay: Duration,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            port: 0,
            config: Config::default(),
            default_hubs: true,
            default_keys: true,
            acknowledgement_delay: Duration::ZERO,
        }
    }
}

impl EmulatorBuilder {
    /// The port to listen on. Defaults to 0: any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a hub. Defaults to `eh1` with 4 partitions and the consumer group `cg1`; the first one given replaces it.
    pub fn hub(mut self, hub: HubConfig) -> Self {
        if std::mem::take(&mut self.default_hubs) {
            self.config.hubs.clear();
        }
        self.config.hubs.push(hub);
        self
    }

    /// Adds a shared access key; the first one stands in connection strings. Defaults to `RootManageSharedAccessKey`
    /// with the key `SAS_KEY_VALUE`; the first one given replaces it.
    pub fn access_key(mut self, name: impl Into<String>, key: impl Into<String>) -> Self {
        if std::mem::take(&mut self.default_keys) {
            self.config.keys.clear();
        }
        self.config.keys.push(AccessKey::new(name, key));
        self
    }

    /// How many bytes of events are kept over all partitions; the oldest go first. Defaults to 1 GiB.
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.config.retention_bytes = bytes;
        self
    }

    /// The largest message taken, a batch counting as one, in bytes. Defaults to 1 MiB.
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// The throughput units of the namespace: 1,000,000 bytes or 1000 events in per second and unit, 2,000,000 bytes
    /// or 4096 events out, whichever is reached first. Defaults to none: nothing is throttled.
    ///
    /// A batch over the limit is rejected with `com.microsoft:server-busy`; receivers are slowed down. Up to a
    /// second's worth may go at once. Management calls count as events in, and are limited to 50 per second and hub.
    /// [`Emulator::set_throughput_units`] changes them later.
    pub fn throughput_units(mut self, units: NonZeroU32) -> Self {
        self.config.throughput_units = Some(units);
        self
    }

    /// Whether each partition takes in 1,000,000 bytes per second at most, what the service recommends. Defaults to
    /// `false`. [`Emulator::set_partition_throttling`] changes it later.
    pub fn partition_throttling(mut self, on: bool) -> Self {
        self.config.partition_throttling = on;
        self
    }

    /// How long outcomes of sends are held back. Defaults to zero. Clients built on `fe2o3-amqp` before 0.18.4 lose
    /// an outcome that comes too fast: give those a millisecond.
    pub fn acknowledgement_delay(mut self, delay: Duration) -> Self {
        self.acknowledgement_delay = delay;
        self
    }

    /// Starts the emulator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the configuration breaks a limit of the service, or the port cannot be had.
    pub async fn start(self) -> Result<Emulator, StartError> {
        self.config.validate()?;
        let port = self.port;
        let bind_error = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken { port },
            _ => StartError::Bind { port, source },
        };
        let listeners = Listeners::bind(port).map_err(bind_error)?;
        let broker = Broker {
            namespace: Namespace::new(&self.config),
            acknowledgement_delay: self.acknowledgement_delay,
        };
        // A valid configuration has a key.
        let key = self
            .config
            .keys
            .into_iter()
            .next()
            .ok_or(ConfigError::NoKey)?;
        Emulator::serve(listeners, broker, key).map_err(bind_error)
    }
}

/// An emulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot be what it is to be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another program listens on the port.
    #[error("port {port} is taken by another program: stop it, or choose another port")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error("port {port} cannot be listened on: {source}")]
    Bind {
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}
