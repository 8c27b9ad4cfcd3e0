//! The front door: start an emulator, connect to it, look inside, stop it.

use crate::access_key::AccessKey;
use crate::builder::EmulatorBuilder;
use crate::clients::ConnectionInfo;
use crate::faults::Faults;
#[cfg(feature = "health")]
use crate::health::{HealthEndpoint, Watched};
use crate::hub::Hub;
use crate::listen::{Listeners, Tls};
use crate::metrics::Metrics;
use crate::receivers::ReceiverInfo;
use crate::recorded::RecordedEvent;
use crate::server;
use crate::service::Broker;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The port of AMQP without TLS, which connection strings leave out.
const AMQP_PORT: u16 = 5672;
/// The port of AMQP over TLS, which connection strings leave out.
const AMQPS_PORT: u16 = 5671;

/// A running Event Hubs namespace.
///
/// It lives in the process and on the runtime it was started in, and stops when it is dropped.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_emulator::StartError> {
/// let emulator = eventhubs_emulator::Emulator::start().await?;
/// println!("{}", emulator.connection_string_for("eh1"));
/// assert_eq!(emulator.event_count("eh1"), 0);
/// emulator.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Emulator {
    address: SocketAddr,
    /// Where clients find TLS, and the certificate they are shown.
    tls: Option<(SocketAddr, String)>,
    key: AccessKey,
    broker: Arc<Broker>,
    faults: Faults,
    places: Arc<Semaphore>,
    max_connections: usize,
    /// Whether it is down, or is to be.
    stop: watch::Sender<bool>,
    acceptor: Option<TlsAcceptor>,
    server: Mutex<Option<JoinHandle<()>>>,
    #[cfg(feature = "health")]
    health: Option<HealthEndpoint>,
}

impl Emulator {
    /// Starts an emulator on a free port of this machine: the hub `eh1` with 4 partitions and the consumer groups
    /// `$Default` and `cg1`, the key `RootManageSharedAccessKey`.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start() -> Result<Self, crate::StartError> {
        Self::builder().start().await
    }

    /// An emulator of your own making.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    pub(crate) fn serve(
        listeners: Listeners,
        tls: Option<Tls>,
        broker: Broker,
        key: AccessKey,
        max_connections: usize,
    ) -> io::Result<Self> {
        let address = listeners.address()?;
        let tls_address = listeners.tls_address()?.unwrap_or(address);
        let (acceptor, tls) = match tls {
            Some(tls) => (Some(tls.acceptor), Some((tls_address, tls.certificate_pem))),
            None => (None, None),
        };
        let broker = Arc::new(broker);
        let faults = Faults::new(Arc::clone(&broker.faults), Handle::current());
        let places = Arc::new(Semaphore::new(max_connections));
        let (stop, stopped) = watch::channel(false);
        let server = server::run(
            listeners,
            acceptor.clone(),
            Arc::clone(&broker),
            Arc::clone(&places),
            stopped,
        );
        Ok(Self {
            address,
            tls,
            key,
            broker,
            faults,
            places,
            max_connections,
            stop,
            acceptor,
            server: Mutex::new(Some(tokio::spawn(server))),
            #[cfg(feature = "health")]
            health: None,
        })
    }

    #[cfg(feature = "health")]
    pub(crate) fn watched(&self) -> Watched {
        Watched::new(&self.broker, self.stop.subscribe())
    }

    #[cfg(feature = "health")]
    pub(crate) fn serve_health(&mut self, port: u16) -> Result<(), crate::StartError> {
        self.health = Some(HealthEndpoint::start(port, std::slice::from_ref(self))?);
        Ok(())
    }

    /// Where `GET /health` and `GET /metrics` are answered, if the builder was given a
    /// [`health_port`](EmulatorBuilder::health_port).
    #[cfg(feature = "health")]
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(HealthEndpoint::address)
    }

    /// The name of the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.broker.namespace.name()
    }

    /// The connection string of the namespace, for clients that name the hub apart. They connect without TLS.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let mut connection_string = self.connection_string_to(self.address.port(), AMQP_PORT);
        connection_string.push_str("UseDevelopmentEmulator=true;");
        connection_string
    }

    /// The connection string for clients that use TLS, as they do with the service; they are to trust
    /// [`certificate_pem`](Self::certificate_pem). `None` where [TLS](EmulatorBuilder::tls) is off.
    #[must_use]
    pub fn tls_connection_string(&self) -> Option<String> {
        let address = self.tls_address()?;
        Some(self.connection_string_to(address.port(), AMQPS_PORT))
    }

    fn connection_string_to(&self, port: u16, usual: u16) -> String {
        let port = match port {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        let AccessKey { name, key, .. } = &self.key;
        format!("Endpoint=sb://localhost{port};SharedAccessKeyName={name};SharedAccessKey={key};")
    }

    /// The connection string of one hub.
    #[must_use]
    pub fn connection_string_for(&self, hub: &str) -> String {
        format!("{}EntityPath={hub}", self.connection_string())
    }

    /// Where it listens for IPv4; `[::1]` has the same port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for TLS on IPv4: at its [port for TLS](EmulatorBuilder::tls_port), or at the one for everything
    /// if that has none. `None` where [TLS](EmulatorBuilder::tls) is off.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|&(address, _)| address)
    }

    /// The certificate that clients are to trust, and the chain it was given with, in PEM. `None` where
    /// [TLS](EmulatorBuilder::tls) is off.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|(_, pem)| pem.as_str())
    }

    /// The events that a hub holds, by partition and in order.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    #[must_use]
    pub fn received(&self, hub: &str) -> Vec<RecordedEvent> {
        let mut recorded = Vec::new();
        for (partition, log) in (0..).zip(self.hub(hub).partitions()) {
            log.for_each(|event| recorded.push(RecordedEvent::new(partition, event)));
        }
        recorded
    }

    /// How many events a hub has received since the start, those no longer held included.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    #[must_use]
    pub fn event_count(&self, hub: &str) -> u64 {
        self.hub(hub).event_count()
    }

    /// Waits until a hub has received `count` events since the start.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for_events(&self, hub: &str, count: u64) {
        self.hub(hub).wait_for_events(count).await;
    }

    /// The receivers at a hub's partitions, by consumer group, partition and order of arrival.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    #[must_use]
    pub fn receivers(&self, hub: &str) -> Vec<ReceiverInfo> {
        self.hub(hub).receivers()
    }

    /// Waits until a hub has `count` receivers at least.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for_receivers(&self, hub: &str, count: usize) {
        self.hub(hub).wait_for_receivers(count).await;
    }

    /// Who is connected, and through which links, in order of arrival.
    ///
    /// A client is listed once it has opened its connection.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.broker.namespace.clients().list()
    }

    /// What the namespace has counted since the start, over all hubs.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.broker.namespace.metrics()
    }

    /// What one hub has counted since the start.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    #[must_use]
    pub fn hub_metrics(&self, hub: &str) -> Metrics {
        self.hub(hub).metrics()
    }

    /// Waits until `holds` says so; it is asked at once, and again after every change of what [`metrics`] and
    /// [`connections`] show.
    ///
    /// [`metrics`]: Self::metrics
    /// [`connections`]: Self::connections
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), eventhubs_emulator::StartError> {
    /// # let emulator = eventhubs_emulator::Emulator::start().await?;
    /// emulator.wait_until(|emulator| emulator.metrics().user_errors == 0).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let changes = self.broker.namespace.changes();
        changes.until(|| holds(self)).await;
    }

    /// Where faults are injected: what the emulator is to do wrong, and where.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many connections are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.max_connections - self.places.available_permits()
    }

    /// Closes every connection with `amqp:connection:forced`, and the ports.
    ///
    /// # Cancel safety
    ///
    /// It stops all the same if the future is dropped.
    #[cfg_attr(not(feature = "health"), expect(unused_mut))]
    pub async fn stop(mut self) {
        self.suspend().await;
        #[cfg(feature = "health")]
        if let Some(health) = self.health.take() {
            health.stop().await;
        }
    }

    /// Goes down: closes every connection with `amqp:connection:forced`, and the ports. Events, tokens of no
    /// connection and faults stay. Nothing happens if it is down.
    ///
    /// # Cancel safety
    ///
    /// It goes down all the same if the future is dropped.
    pub async fn suspend(&self) {
        let mut server = self.server.lock().await;
        self.stop.send_replace(true);
        if let Some(running) = server.as_mut() {
            // It fails only if the runtime shuts down, and then it has stopped, too.
            let _ = running.await;
            *server = None;
        }
    }

    /// Comes back after [`suspend`](Self::suspend), on the same ports and with the same events. Nothing happens if it
    /// is up.
    ///
    /// # Errors
    ///
    /// If another program has taken a port meanwhile.
    ///
    /// # Cancel safety
    ///
    /// It stays down if the future is dropped.
    pub async fn resume(&self) -> Result<(), crate::StartError> {
        let mut server = self.server.lock().await;
        if server.is_some() {
            return Ok(());
        }
        let tls = self.tls_address().map(|address| address.port());
        let tls = tls.filter(|&port| port != self.address.port());
        let listeners = Listeners::bind(self.address.port(), tls)?;
        self.stop.send_replace(false);
        *server = Some(tokio::spawn(server::run(
            listeners,
            self.acceptor.clone(),
            Arc::clone(&self.broker),
            Arc::clone(&self.places),
            self.stop.subscribe(),
        )));
        Ok(())
    }

    fn hub(&self, name: &str) -> &Hub {
        let hub = self.broker.namespace.hub(name);
        hub.unwrap_or_else(|_| panic!("the emulator has no event hub named '{name}'"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("address", &self.address)
            .field("connections", &self.connection_count())
            .finish_non_exhaustive()
    }
}
