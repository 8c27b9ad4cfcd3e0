//! The front door: start an emulator, connect to it, look inside, stop it.

use crate::builder::EmulatorBuilder;
use crate::config::AccessKey;
use crate::growth::PartitionCountError;
use crate::hub::Hub;
use crate::receivers::ReceiverInfo;
use crate::recorded::RecordedEvent;
use crate::server::{self, Listeners, MAX_CONNECTIONS};
use crate::service::Broker;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// The port of AMQP without TLS, which connection strings leave out.
const AMQP_PORT: u16 = 5672;

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
    key: AccessKey,
    broker: Arc<Broker>,
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
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

    pub(crate) fn serve(listeners: Listeners, broker: Broker, key: AccessKey) -> io::Result<Self> {
        let address = listeners.address()?;
        let broker = Arc::new(broker);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (stop, stopped) = watch::channel(false);
        let server = server::run(listeners, Arc::clone(&broker), Arc::clone(&places), stopped);
        Ok(Self {
            address,
            key,
            broker,
            places,
            stop,
            server: Some(tokio::spawn(server)),
        })
    }

    /// The connection string of the namespace, for clients that name the hub apart.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let port = match self.address.port() {
            AMQP_PORT => String::new(),
            port => format!(":{port}"),
        };
        let AccessKey { name, key } = &self.key;
        format!(
            "Endpoint=sb://localhost{port};SharedAccessKeyName={name};SharedAccessKey={key};UseDevelopmentEmulator=true;"
        )
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

    /// The events that a hub holds, by partition and in order.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    #[must_use]
    pub fn received(&self, hub: &str) -> Vec<RecordedEvent> {
        let mut recorded = Vec::new();
        for (partition, log) in (0..).zip(self.hub(hub).partitions().iter()) {
            let mut events = Vec::new();
            log.read(0, usize::MAX, usize::MAX, &mut events);
            recorded.extend(
                events
                    .iter()
                    .map(|event| RecordedEvent::new(partition, event)),
            );
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

    /// Changes the throughput units, see [`EmulatorBuilder::throughput_units`]; `None` ends all throttling by them.
    ///
    /// It takes effect at once, for receivers that are held up, too. What is in use counts on: more units hand out
    /// nothing at first, only faster.
    pub fn set_throughput_units(&self, units: Option<NonZeroU32>) {
        self.broker.namespace.throughput().set_units(units);
    }

    /// Changes whether partitions have a limit of their own, see [`EmulatorBuilder::partition_throttling`].
    pub fn set_partition_throttling(&self, on: bool) {
        let throughput = self.broker.namespace.throughput();
        throughput.set_partition_throttling(on);
    }

    /// Raises the number of a hub's partitions while it is in use.
    ///
    /// As in the service, clients learn of it when they read the hub's properties again; senders and receivers at the
    /// partitions that were there are not disturbed, and events stay where they are. From now on keys are placed over
    /// all partitions, so a key may move.
    ///
    /// # Errors
    ///
    /// If the hub has more partitions than that, or may not have as many.
    ///
    /// # Panics
    ///
    /// Panics if there is no such hub.
    pub fn set_partition_count(
        &self,
        hub: &str,
        partitions: u32,
    ) -> Result<(), PartitionCountError> {
        self.broker.namespace.grow(self.hub(hub), partitions)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        MAX_CONNECTIONS - self.places.available_permits()
    }

    /// Closes every connection with `amqp:connection:forced`, and the port.
    ///
    /// # Cancel safety
    ///
    /// It stops all the same if the future is dropped.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            // It fails only if the runtime shuts down, and then it has stopped, too.
            let _ = server.await;
        }
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
