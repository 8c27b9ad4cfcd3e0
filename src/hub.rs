//! The front door.

mod options;
#[cfg(test)]
mod wall_clock_tests;

use std::sync::Arc;

use crate::connection_string::ConnectionString;
use crate::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use crate::consumer::processor::{EventProcessor, EventProcessorOptions};
use crate::credential::TokenCredential;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::producer::ThrottleGate;
use crate::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use crate::transport::amqp::{AmqpConsumer, AmqpProducer, Connection, Server, TokenSource};
use crate::transport::{HubProperties, PartitionProperties, TransportManagement};

pub use options::EventHubOptions;

/// A connection to an event hub, which hands out producers and consumers.
///
/// All of them share one AMQP connection. It is made again when it was lost and
/// is needed, and goes when the last of them is dropped. A clone is the same
/// connection.
///
/// # Examples
/// ```
/// use eventhubs_emulator::Emulator;
/// use eventhubs_flow::transport::TransportProducer;
/// use eventhubs_flow::{EventBatch, EventData, EventHub, Target};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::start().await?;
/// let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
/// let producer = hub.producer();
///
/// let mut batch = EventBatch::new(Target::Any, producer.limits(&Target::Any));
/// batch.try_add(EventData::new("First event"))?;
/// producer.send_batch(batch).await?;
///
/// assert_eq!(emulator.received("eh1")[0].body, "First event");
/// # hub.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventHub {
    connection: Arc<Connection>,
    gate: ThrottleGate,
}

impl EventHub {
    /// Connects to the event hub that a connection string names (`EntityPath`).
    ///
    /// The host is reached and the credentials are shown; whether the hub exists
    /// shows when it is used.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidConnectionString`] if the string is not understood,
    ///   or names no hub;
    /// - [`ErrorKind::InvalidOptions`] if it would send events in the clear to
    ///   another machine;
    /// - [`ErrorKind::Untrusted`] if the host does not prove who it is;
    /// - [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`] (after 30 s) if
    ///   the host cannot be reached; the message says which host and port;
    /// - [`ErrorKind::Unauthorized`] if the credentials are refused.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect(connection_string: &str) -> Result<Self, Error> {
        Self::connect_with(connection_string, EventHubOptions::default()).await
    }

    /// Connects to an event hub by name.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); also [`ErrorKind::InvalidConnectionString`]
    /// if the string names another hub.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect_to(connection_string: &str, hub: &str) -> Result<Self, Error> {
        let options = EventHubOptions::default().with_event_hub(hub);
        Self::connect_with(connection_string, options).await
    }

    /// Connects as the options say.
    ///
    /// # Errors
    /// As [`connect_to`](Self::connect_to); also [`ErrorKind::InvalidOptions`] if
    /// an option makes no sense.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect_with(
        connection_string: &str,
        options: EventHubOptions,
    ) -> Result<Self, Error> {
        let settings: ConnectionString = connection_string.parse()?;
        let hub = hub_of(&settings, &options)?;
        let source = TokenSource::of(settings.credential(), options.token_life);
        let server = Server {
            host: settings.host().to_owned(),
            port: settings.port(),
            tls: !settings.is_development_emulator(),
        };
        Self::open(server, source, hub, &options).await
    }

    /// Connects with tokens from elsewhere, such as Microsoft Entra ID: `host` is
    /// the namespace's, `NAMESPACE.servicebus.windows.net`.
    ///
    /// # Errors
    /// As [`connect_with`](Self::connect_with).
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect_with_credential(
        host: &str,
        hub: &str,
        credential: Arc<dyn TokenCredential>,
        options: EventHubOptions,
    ) -> Result<Self, Error> {
        let server = Server {
            host: host.to_owned(),
            port: None,
            tls: true,
        };
        let source = TokenSource::Credential(credential);
        Self::open(server, source, hub, &options).await
    }

    async fn open(
        server: Server,
        source: TokenSource,
        hub: &str,
        options: &EventHubOptions,
    ) -> Result<Self, Error> {
        let connection = Connection::new(server, source, hub, options)?;
        connection.open().await?;
        Ok(Self {
            connection,
            gate: ThrottleGate::new(),
        })
    }

    /// How often the connection was made again after it had broken.
    #[must_use]
    pub fn recoveries(&self) -> u64 {
        self.connection.recoveries()
    }

    /// The event hub's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connection.hub()
    }

    /// A producer with links of its own.
    #[must_use]
    pub fn producer(&self) -> AmqpProducer {
        AmqpProducer::new(Arc::clone(&self.connection), self.gate.clone())
    }

    /// Where its producers wait while the service is busy.
    #[must_use]
    pub fn throttle_gate(&self) -> &ThrottleGate {
        &self.gate
    }

    /// A consumer.
    #[must_use]
    pub fn consumer(&self) -> AmqpConsumer {
        AmqpConsumer::new(Arc::clone(&self.connection))
    }

    /// An epoch-safe consumer: see [`EpochSafeConsumer::open`]. A store keeps its
    /// records under the host that this hub is connected to, unless the options name
    /// another namespace.
    ///
    /// # Errors
    /// As [`EpochSafeConsumer::open`].
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn epoch_safe_consumer(
        &self,
        mut options: EpochSafeConsumerOptions,
    ) -> Result<EpochSafeConsumer, Error> {
        let host = || self.connection.host().to_owned();
        options.namespace.get_or_insert_with(host);
        EpochSafeConsumer::open(Arc::new(self.consumer()), options).await
    }

    /// A processor, which shares the hub's partitions with other processes: see
    /// [`EventProcessor::start`]. The store keeps its records under the host that this
    /// hub is connected to, unless the options name another namespace.
    ///
    /// # Errors
    /// As [`EventProcessor::start`].
    ///
    /// # Cancel safety
    /// Dropping the future starts nothing.
    pub async fn event_processor(
        &self,
        mut options: EventProcessorOptions,
    ) -> Result<EventProcessor, Error> {
        let host = || self.connection.host().to_owned();
        options.consumer.namespace.get_or_insert_with(host);
        EventProcessor::start(Arc::new(self.consumer()), options).await
    }

    /// A buffered producer: see [`BufferedProducer::open`]. For one behind a
    /// rate limit, wrap [`producer`](Self::producer).
    ///
    /// # Errors
    /// As [`BufferedProducer::open`].
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn buffered_producer(
        &self,
        options: BufferedProducerOptions,
    ) -> Result<BufferedProducer, Error> {
        BufferedProducer::open(Arc::new(self.producer()), options).await
    }

    /// Reads the hub's properties.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such hub, or whatever keeps the
    /// service from answering.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    pub async fn properties(&self) -> Result<HubProperties, Error> {
        self.consumer().hub_properties().await
    }

    /// Reads a partition's properties.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPartition`] if there is no such partition, or whatever
    /// keeps the service from answering.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    pub async fn partition_properties(
        &self,
        partition: impl Into<PartitionId>,
    ) -> Result<PartitionProperties, Error> {
        self.consumer().partition_properties(partition.into()).await
    }

    /// Closes the connection under all its producers and consumers, whose calls
    /// fail with [`ErrorKind::Closed`] from now on. Idempotent.
    ///
    /// Close producers first to learn the outcome of what they have under way.
    ///
    /// # Errors
    /// What broke the connection before; it is closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    pub async fn close(&self) -> Result<(), Error> {
        self.connection.close().await
    }
}

/// The one hub that a connection string and the options name.
fn hub_of<'a>(
    settings: &'a ConnectionString,
    options: &'a EventHubOptions,
) -> Result<&'a str, Error> {
    let wanted = options.event_hub.as_deref();
    match (settings.entity_path(), wanted) {
        // The service's names know no case.
        (Some(named), Some(wanted)) if !named.eq_ignore_ascii_case(wanted) => Err(Error::new(
            ErrorKind::InvalidConnectionString,
            format!(
                "the connection string is for event hub {named:?}, not {wanted:?}: name one hub"
            ),
        )),
        (named, wanted) => wanted.or(named).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConnectionString,
                "the connection string names no event hub: add EntityPath=<hub>, or use EventHub::connect_to",
            )
        }),
    }
}
