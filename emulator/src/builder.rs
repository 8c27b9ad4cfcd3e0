//! How an emulator is put together.

use crate::config::{AccessKey, Config, ConfigError, HubConfig};
use crate::emulator::Emulator;
use crate::listen::{Certificate, CertificateError, Listeners, Port, Tls};
use crate::namespace::Namespace;
use crate::service::Broker;
use std::io;
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
    acknowledgement_delay: Duration,
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
            acknowledgement_delay: Duration::ZERO,
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
    /// If the configuration breaks a limit of the service, a port cannot be had, or the certificate cannot be used.
    pub async fn start(self) -> Result<Emulator, StartError> {
        self.config.validate()?;
        let tls = self.certificate.as_ref().map(Tls::new).transpose()?;
        let port = bind(self.port)?;
        // The port takes TLS, too: it need not be bound twice.
        let tls_port = self.tls_port.filter(|&tls| tls == 0 || tls != self.port);
        let listeners = Listeners::new(port, tls_port.map(bind).transpose()?);
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
        Emulator::serve(listeners, tls, broker, key).map_err(|source| StartError::Bind {
            port: self.port,
            source,
        })
    }
}

fn bind(port: u16) -> Result<Port, StartError> {
    Port::bind(port).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { port },
        _ => StartError::Bind { port, source },
    })
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
