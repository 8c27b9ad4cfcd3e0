//! How an emulator is put together.

use crate::access_key::AccessKey;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, HubConfig};
use crate::emulator::Emulator;
use crate::listen::{Certificate, CertificateError, Listeners, Tls};
use crate::namespace::Namespace;
use crate::service::Broker;
use crate::tier::{Quotas, Tier};
use crate::wire::IdleTimeOuts;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What an emulator is to be; see [`Emulator::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct EmulatorBuilder {
    port: u16,
    tls_port: Option<u16>,
    certificate: Option<Certificate>,
    config: Config,
    default_hubs: bool,
    default_keys: bool,
    /// In place of the tier's.
    max_message_size: Option<u64>,
    acknowledgement_delay: Duration,
    idle: IdleTimeOuts,
    #[cfg(feature = "health")]
    health_port: Option<u16>,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            port: 0,
            tls_port: None,
            certificate: None,
            config: Config::default(),
            default_hubs: true,
            default_keys: true,
            max_message_size: None,
            acknowledgement_delay: Duration::ZERO,
            idle: IdleTimeOuts::default(),
            #[cfg(feature = "health")]
            health_port: None,
        }
    }
}

impl EmulatorBuilder {
    /// The port to listen on. Defaults to 0: any free one.
    ///
    /// It takes AMQP, AMQP over WebSockets at `/$servicebus/websocket/` and, where [`tls`](Self::tls) is on, both over
    /// TLS: what a client speaks is told by its first byte.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The name of the namespace: 1 to 50 letters, digits and hyphens, a letter first, no hyphen last. Defaults to
    /// `emulatorNs1`.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.config.namespace = name.into();
        self
    }

    /// The port of `GET /health` and `GET /metrics`, over HTTP on this machine only; 0 is any free one. Defaults to
    /// none: they are not served. The official emulator's is 5300.
    #[cfg(feature = "health")]
    pub fn health_port(mut self, port: u16) -> Self {
        self.health_port = Some(port);
        self
    }

    /// Lets clients use TLS, 1.2 or 1.3, on every port. Defaults to off.
    ///
    /// A certificate for `localhost`, `127.0.0.1` and `::1` is made at start, unless one is
    /// [given](Self::certificate); clients trust it by [`Emulator::certificate_pem`].
    pub fn tls(mut self) -> Self {
        self.certificate.get_or_insert(Certificate::Made);
        self
    }

    /// A further port for clients that look for [TLS](Self::tls) there, which is turned on; 0 is any free one.
    /// Defaults to none: they use the [port](Self::port) that there is.
    pub fn tls_port(mut self, port: u16) -> Self {
        self.tls_port = Some(port);
        self.tls()
    }

    /// The certificate that clients are shown, and its private key, in PEM; [TLS](Self::tls) is turned on. More
    /// certificates of its chain may follow it. Defaults to one made at start.
    pub fn certificate(
        mut self,
        certificate_pem: impl Into<String>,
        key_pem: impl Into<String>,
    ) -> Self {
        self.certificate = Some(Certificate::Given {
            chain: certificate_pem.into(),
            key: key_pem.into(),
        });
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

    /// Adds a shared access key with all rights; [`EmulatorBuilder::key`] adds one with fewer.
    pub fn access_key(self, name: impl Into<String>, key: impl Into<String>) -> Self {
        self.key(AccessKey::new(name, key))
    }

    /// Adds a shared access key; the first one stands in connection strings. Defaults to `RootManageSharedAccessKey`
    /// with the key `SAS_KEY_VALUE`; the first one given replaces it.
    pub fn key(mut self, key: AccessKey) -> Self {
        if std::mem::take(&mut self.default_keys) {
            self.config.keys.clear();
        }
        self.config.keys.push(key);
        self
    }

    /// Takes JSON web tokens too, such as those of Microsoft Entra ID. Defaults to refusing them.
    ///
    /// A token gives all rights at what it is put for, until it expires. Its form, times and audience
    /// (`https://eventhubs.azure.net`) are checked, **its signature is not**: anyone can write one.
    pub fn accept_jwts(mut self) -> Self {
        self.config.accept_jwts = true;
        self
    }

    /// The tier whose quotas hold. Defaults to none in particular: hubs may be as large as in [`Tier::Dedicated`], all
    /// else is as in [`Tier::Standard`].
    pub fn tier(mut self, tier: Tier) -> Self {
        self.config.tier = Some(tier);
        self
    }

    /// How many bytes of events are kept over all partitions; the oldest go first. Defaults to 1 GiB.
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.config.retention_bytes = bytes;
        self
    }

    /// The largest message taken, a batch counting as one, in bytes. Defaults to what the [`Tier`] says, 1 MiB without
    /// one.
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = Some(bytes);
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

    /// The idle time-out announced to clients; one that completes no frame for twice as long is closed with
    /// `amqp:connection:forced`. Defaults to 240 s, as the service; taken as 1 ms to 2^32 - 1 ms.
    pub fn idle_time_out(mut self, time_out: Duration) -> Self {
        self.idle.client = IdleTimeOuts::clamp(time_out);
        self
    }

    /// After how long without a transfer, a flow or an outcome a link is detached with `amqp:link:detach-forced`.
    /// Defaults to 30 minutes, as the service; taken as 1 ms to 2^32 - 1 ms.
    ///
    /// A receiver with credit left is in use: it waits for events. Links of `$cbs` and `$management` stay. Both are
    /// ours, the service's ways are not documented.
    pub fn link_idle_time_out(mut self, time_out: Duration) -> Self {
        self.idle.link = IdleTimeOuts::clamp(time_out);
        self
    }

    /// After how long without links a connection is closed with `amqp:connection:forced`; those of `$cbs` do not
    /// count. Defaults to 5 minutes, as the service; taken as 1 ms to 2^32 - 1 ms.
    pub fn connection_idle_time_out(mut self, time_out: Duration) -> Self {
        self.idle.connection = IdleTimeOuts::clamp(time_out);
        self
    }

    /// Starts the emulator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the configuration breaks a limit of the service, a port cannot be had, or the certificate cannot be used.
    pub async fn start(mut self) -> Result<Emulator, StartError> {
        let quotas = Quotas::of(self.config.tier);
        self.config.max_message_size = self.max_message_size.unwrap_or(quotas.message_size);
        self.config.validate()?;
        let tls = self.certificate.as_ref().map(Tls::new).transpose()?;
        // The port takes TLS, too: it need not be bound twice.
        let tls_port = self.tls_port.filter(|&tls| tls == 0 || tls != self.port);
        let listeners = Listeners::bind(self.port, tls_port)?;
        let broker = Broker {
            namespace: Namespace::new(&self.config),
            acknowledgement_delay: self.acknowledgement_delay,
            idle: self.idle,
            clock: Clock::System,
            faults: Arc::default(),
        };
        // A valid configuration has a key.
        let key = self
            .config
            .keys
            .into_iter()
            .next()
            .ok_or(ConfigError::NoKey)?;
        #[cfg_attr(not(feature = "health"), expect(unused_mut))]
        let mut emulator = Emulator::serve(listeners, tls, broker, key, quotas.connections)
            .map_err(|source| StartError::of_port(self.port, source))?;
        #[cfg(feature = "health")]
        if let Some(port) = self.health_port {
            emulator.serve_health(port)?;
        }
        Ok(emulator)
    }
}

/// An emulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot be what it is to be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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

impl StartError {
    pub(crate) fn of_port(port: u16, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { port },
            _ => Self::Bind { port, source },
        }
    }
}
