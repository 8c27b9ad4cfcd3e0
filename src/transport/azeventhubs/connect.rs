//! How clients are made.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azeventhubs::authorization::{AzureNamedKeyCredential, AzureSasCredential};
use azeventhubs::consumer::{EventHubConsumerClient, EventHubConsumerClientOptions};
use azeventhubs::producer::{
    CreateBatchOptions, EventHubProducerClient, EventHubProducerClientOptions, SendEventOptions,
};
use azeventhubs::{EventHubConnectionOptions, EventHubsRetryOptions, MaxRetries};

use super::properties::{self, Known};
use super::{AzeventhubsOptions, OneAttempt, codec, errors};
use crate::batch::{BatchLimits, EventBatch};
use crate::connection_string::{ConnectionString, Credential};
use crate::error::{Error, ErrorKind};
use crate::partition::{PartitionId, Target};
use crate::transport::client::{Client, Connect, Place, Request};
use crate::transport::{HubProperties, PartitionProperties};

pub(super) type Producer = EventHubProducerClient<OneAttempt>;
pub(super) type Consumer = EventHubConsumerClient<OneAttempt>;

/// Reading waits without limit: azeventhubs may lose an event as its own ends.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Attempts to attach to the gateway.
const ATTACHING: u32 = 3;

/// Whom to connect to, and as whom.
pub(super) struct Access {
    settings: ConnectionString,
    hub: String,
    options: AzeventhubsOptions,
}

impl Access {
    /// # Errors
    /// As [`AzeventhubsProducer::connect`](super::AzeventhubsProducer::connect).
    pub(super) fn new(connection_string: &str, options: AzeventhubsOptions) -> Result<Self, Error> {
        let settings: ConnectionString = connection_string.parse()?;
        let named = options.event_hub.as_deref().or(settings.entity_path());
        let hub = named.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConnectionString,
                "the connection string names no event hub: add EntityPath=<hub>, or use AzeventhubsOptions::with_event_hub",
            )
        })?;
        let hub = hub.to_owned();
        let access = Self {
            settings,
            hub,
            options,
        };
        access.connection().map(|_| access)
    }

    pub(super) fn options(&self) -> &AzeventhubsOptions {
        &self.options
    }

    fn connection(&self) -> Result<EventHubConnectionOptions, Error> {
        let mut options = EventHubConnectionOptions::default();
        let with_port = |port| format!("{}:{port}", self.settings.host());
        let own = self.settings.port().map(with_port);
        if let Some(endpoint) = self.options.custom_endpoint.as_ref().or(own.as_ref()) {
            let url = format!("amqps://{endpoint}").parse();
            options.custom_endpoint_address = Some(url.map_err(|error| {
                let message = format!("{endpoint:?} is no endpoint: it reads HOST or HOST:PORT");
                Error::new(ErrorKind::InvalidOptions, message).with_source(error)
            })?);
        }
        Ok(options)
    }

    /// Without a second attempt, as the policy has it, too.
    fn retries(try_timeout: Duration) -> EventHubsRetryOptions {
        EventHubsRetryOptions {
            max_retries: MaxRetries::new(0).expect("few enough"),
            try_timeout,
            ..EventHubsRetryOptions::default()
        }
    }

    pub(super) async fn producer(&self) -> Result<Producer, Error> {
        let options = EventHubProducerClientOptions {
            connection_options: self.connection()?,
            retry_options: Self::retries(self.options.try_timeout),
            ..EventHubProducerClientOptions::default()
        };
        let builder = EventHubProducerClient::with_policy::<OneAttempt>();
        let (host, hub) = (self.settings.host(), &self.hub);
        let made = match self.settings.credential() {
            Credential::Key { name, key } => {
                let credential = AzureNamedKeyCredential::new(name, key);
                let made = builder.new_from_named_key_credential(host, hub, credential, options);
                Box::pin(made).await
            }
            Credential::Signature(signature) => {
                let credential = AzureSasCredential::new(signature);
                let made =
                    builder.from_namespace_and_sas_credential(host, hub, credential, options);
                Box::pin(made).await
            }
        };
        made.map_err(|error| errors::explain(error, &self.connecting()))
    }

    pub(super) async fn consumer(
        &self,
        group: &str,
        name: Option<String>,
    ) -> Result<Consumer, Error> {
        let options = EventHubConsumerClientOptions {
            connection_options: self.connection()?,
            retry_options: Self::retries(FOR_EVER),
            identifier: name,
        };
        let builder = EventHubConsumerClient::with_policy::<OneAttempt>();
        let (host, hub) = (self.settings.host(), &self.hub);
        let made = match self.settings.credential() {
            Credential::Key { name, key } => {
                let credential = AzureNamedKeyCredential::new(name, key);
                let made =
                    builder.new_from_named_key_credential(group, host, hub, credential, options);
                Box::pin(made).await
            }
            Credential::Signature(signature) => {
                let credential = AzureSasCredential::new(signature);
                let made = builder.new_from_sas_credential(group, host, hub, credential, options);
                Box::pin(made).await
            }
        };
        made.map_err(|error| errors::explain(error, &self.connecting()))
    }

    fn connecting(&self) -> String {
        format!("connecting to {}", self.settings.host())
    }
}

/// Where a producer's clients come from.
pub(super) enum Source {
    /// As many as are needed.
    Access(Box<Access>),
    /// The one that was given, for good.
    Given(Mutex<Option<Box<Producer>>>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(access) => f.debug_tuple("Access").field(&access.options).finish(),
            Self::Given(_) => f.write_str("Given"),
        }
    }
}

#[async_trait]
impl Connect for Source {
    type Client = Sending;

    async fn connect(&self, spoiled: Option<Sending>) -> Result<Sending, Error> {
        // Gone before there is another: what it holds is let go of.
        drop(spoiled);
        match self {
            Self::Access(access) => attached(access).await,
            Self::Given(client) => {
                let client = client.lock().unwrap_or_else(PoisonError::into_inner).take();
                client.map(Sending::new).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Closed,
                        "the client that was given broke, and cannot be made again: make a new one",
                    )
                })
            }
        }
    }

    fn place(&self, _: &Request) -> Place {
        Place::Everything
    }

    fn limits(&self, max_message_size: u64) -> BatchLimits {
        limits(max_message_size)
    }
}

/// A client that is attached to the gateway. azeventhubs loses the word with which
/// a link is refused now and then: nothing was sent, so it is asked again.
async fn attached(access: &Access) -> Result<Sending, Error> {
    let mut left = ATTACHING;
    loop {
        let mut sending = Sending::new(Box::new(access.producer().await?));
        left -= 1;
        match sending.size().await {
            Ok(_) => return Ok(sending),
            Err(error) if left > 0 && *error.kind() == ErrorKind::Disconnected => {}
            Err(error) => return Err(error),
        }
    }
}

fn limits(max_message_size: u64) -> BatchLimits {
    BatchLimits {
        bytes: usize::try_from(max_message_size).unwrap_or(usize::MAX),
        events: usize::MAX,
    }
}

/// A producer client as its lane drives it.
pub(super) struct Sending {
    client: Box<Producer>,
    size: Option<u64>,
    known: Known,
}

impl Sending {
    fn new(client: Box<Producer>) -> Self {
        Self {
            client,
            size: None,
            known: Known::default(),
        }
    }

    /// The largest message that the gateway takes; attaches to it.
    async fn size(&mut self) -> Result<u64, Error> {
        if let Some(size) = self.size {
            return Ok(size);
        }
        let batch = Box::pin(self.client.create_batch(CreateBatchOptions::new())).await;
        let batch = batch.map_err(|error| errors::explain(error, "sending to the event hub"))?;
        Ok(*self.size.insert(batch.max_size_in_bytes()))
    }

    /// Refuses a partition that the hub has not.
    async fn check(&mut self, partition: PartitionId) -> Result<(), Error> {
        if !self.known.has(partition) {
            let hub = self.hub_properties().await?;
            self.known.learn(&hub, partition)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Client for Sending {
    async fn send(&mut self, batch: &EventBatch) -> Result<(), Error> {
        let events = codec::events(batch)?;
        let limits = limits(self.size().await?);
        if batch.encoded_size() > limits.bytes {
            return Err(Error::too_large(batch.encoded_size(), limits.bytes));
        }
        if let Target::Partition(partition) = batch.target() {
            // The attempt would end without a word, or with another's.
            self.check(*partition).await?;
        }
        let (options, what) = match batch.target() {
            Target::Any => (SendEventOptions::new(), "sending to the event hub".into()),
            Target::Key(key) => (
                SendEventOptions::new().with_partition_key(key.as_str()),
                "sending to the event hub".into(),
            ),
            Target::Partition(partition) => (
                SendEventOptions::new().with_partition_id(partition.to_string()),
                format!("sending to partition {partition}"),
            ),
        };
        let sent = Box::pin(self.client.send_events(events, options)).await;
        sent.map_err(|error| errors::of_a_transfer(error, &what))
    }

    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        let told = Box::pin(self.client.get_event_hub_properties()).await;
        match (properties::of_the_hub(told), self.size) {
            // It hides why it was refused; a sender does not.
            (Err(error), None) if *error.kind() == ErrorKind::Protocol => {
                Err(self.size().await.err().unwrap_or(error))
            }
            (told, _) => told,
        }
    }

    async fn partition_properties(
        &mut self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        self.check(partition).await?;
        let id = partition.to_string();
        let told = Box::pin(self.client.get_partition_properties(&id)).await;
        properties::of_a_partition(partition, told)
    }

    fn max_message_size(&self) -> Option<u64> {
        self.size
    }

    fn is_spoiled_by(&self, error: &Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::Closed
                | ErrorKind::Disconnected
                | ErrorKind::Panicked
                | ErrorKind::Protocol
                | ErrorKind::Timeout
                // A link that was refused leaves a connection that refuses all others.
                | ErrorKind::NotFound
                | ErrorKind::QuotaExceeded
                | ErrorKind::Unauthorized
        )
    }

    async fn close(self) {
        // Whatever is left goes with the drop.
        let _ = Box::pin(self.client.close()).await;
    }
}
