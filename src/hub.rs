//! The front door.

use std::sync::Arc;

use crate::connection_string::ConnectionString;
use crate::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use crate::transport::amqp::{AmqpConsumer, AmqpProducer, Connection};
use crate::transport::{HubProperties, PartitionProperties, TransportManagement};

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
    /// - [`ErrorKind::InvalidOptions`] if it would need TLS, which is not built
    ///   in yet;
    /// - [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`] (after 30 s) if
    ///   the host cannot be reached; the message says which host and port;
    /// - [`ErrorKind::Unauthorized`] if the credentials are refused.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect(connection_string: &str) -> Result<Self, Error> {
        let settings: ConnectionString = connection_string.parse()?;
        let hub = settings.entity_path().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConnectionString,
                "the connection string names no event hub: add EntityPath=<hub>, or use EventHub::connect_to",
            )
        })?;
        Self::open(&settings, hub).await
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
        let settings: ConnectionString = connection_string.parse()?;
        match settings.entity_path() {
            // The service's names know no case.
            Some(named) if !named.eq_ignore_ascii_case(hub) => Err(Error::new(
                ErrorKind::InvalidConnectionString,
                format!(
                    "the connection string is for event hub {named:?}, not {hub:?}: name one hub"
                ),
            )),
            _ => Self::open(&settings, hub).await,
        }
    }

    async fn open(settings: &ConnectionString, hub: &str) -> Result<Self, Error> {
        let connection = Connection::new(settings, hub)?;
        connection.open().await?;
        Ok(Self { connection })
    }

    /// The event hub's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connection.hub()
    }

    /// A producer with links of its own.
    #[must_use]
    pub fn producer(&self) -> AmqpProducer {
        AmqpProducer::new(Arc::clone(&self.connection))
    }

    /// A consumer.
    #[must_use]
    pub fn consumer(&self) -> AmqpConsumer {
        AmqpConsumer::new(Arc::clone(&self.connection))
    }

    /// An epoch-safe consumer: see [`EpochSafeConsumer::open`].
    ///
    /// # Errors
    /// As [`EpochSafeConsumer::open`].
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn epoch_safe_consumer(
        &self,
        options: EpochSafeConsumerOptions,
    ) -> Result<EpochSafeConsumer, Error> {
        EpochSafeConsumer::open(Arc::new(self.consumer()), options).await
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
