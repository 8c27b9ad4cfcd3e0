//! One client of the SDK for all lanes of a producer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_messaging_eventhubs::error::ErrorKind as SdkErrorKind;
use azure_messaging_eventhubs::models::{EventHubPartitionProperties, EventHubProperties};
use azure_messaging_eventhubs::{EventDataBatchOptions, ProducerClient};
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::{codec, errors};
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind};
use crate::partition::{PartitionId, Target};
use crate::transport::client::{Client, Connect, Place, Request};
use crate::transport::{HubProperties, PartitionProperties};

/// The most events of a batch.
const MOST_EVENTS: usize = 1000;

/// What the SDK adds to an event without a message id, at most.
const MESSAGE_ID: u64 = 29;

/// Opens clients.
pub(super) trait Open: Send + Sync + 'static {
    /// A client, in place of one that is spoiled.
    fn open(&self, spoiled: Option<Arc<ProducerClient>>) -> BoxFuture<'_, Opened>;
}

type Opened = Result<Arc<ProducerClient>, Error>;

/// Opens as the user says.
pub(super) struct Opening<F>(F);

impl<F> Opening<F>
where
    F: Fn() -> BoxFuture<'static, azure_messaging_eventhubs::Result<ProducerClient>>,
{
    pub(super) fn new(open: F) -> Self {
        Self(open)
    }
}

impl<F> Open for Opening<F>
where
    F: Fn() -> BoxFuture<'static, azure_messaging_eventhubs::Result<ProducerClient>>
        + Send
        + Sync
        + 'static,
{
    fn open(&self, _: Option<Arc<ProducerClient>>) -> BoxFuture<'_, Opened> {
        Box::pin(async {
            match (self.0)().await {
                Ok(client) => Ok(Arc::new(client)),
                Err(error) => Err(errors::explain(error, "connecting to the namespace")),
            }
        })
    }
}

/// Has one client, for good.
pub(super) struct Given(StdMutex<Option<ProducerClient>>);

impl Given {
    pub(super) fn new(client: ProducerClient) -> Self {
        Self(StdMutex::new(Some(client)))
    }
}

impl Open for Given {
    fn open(&self, spoiled: Option<Arc<ProducerClient>>) -> BoxFuture<'_, Opened> {
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It mends itself, if it was built to.
        let client = spoiled.or_else(|| client.take().map(Arc::new));
        Box::pin(async { client.ok_or_else(|| Error::closed("client")) })
    }
}

/// The client that lanes share until one of them finds it spoiled.
pub(super) struct SharedClients {
    open: Box<dyn Open>,
    current: Mutex<Option<Arc<ProducerClient>>>,
}

impl SharedClients {
    pub(super) fn new(open: Box<dyn Open>) -> Self {
        Self {
            open,
            current: Mutex::default(),
        }
    }

    /// Opens the first client.
    pub(super) async fn first(&self, limit: Duration) -> Result<(), Error> {
        match timeout(limit, self.current(None)).await {
            Ok(client) => client.map(drop),
            Err(_) => {
                let message = format!("connecting took longer than {limit:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    async fn current(&self, spoiled: Option<Arc<ProducerClient>>) -> Opened {
        let mut current = self.current.lock().await;
        // Another lane may have found it spoiled before.
        if let (Some(spoiled), Some(here)) = (&spoiled, &*current)
            && Arc::ptr_eq(spoiled, here)
        {
            *current = None;
        }
        match &*current {
            Some(client) => Ok(Arc::clone(client)),
            None => {
                let client = self.open.open(spoiled).await?;
                Ok(Arc::clone(current.insert(client)))
            }
        }
    }
}

impl fmt::Debug for SharedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedClients").finish_non_exhaustive()
    }
}

#[async_trait]
impl Connect for SharedClients {
    type Client = SharedClient;

    async fn connect(&self, spoiled: Option<SharedClient>) -> Result<SharedClient, Error> {
        let spoiled = spoiled.map(|shared| shared.client);
        Ok(SharedClient {
            client: self.current(spoiled).await?,
            sizes: HashMap::new(),
        })
    }

    async fn disconnect(&self) {
        let client = self.current.lock().await.take();
        if let Some(client) = client.and_then(Arc::into_inner) {
            // Whatever is left goes with the drop.
            let _ = client.close().await;
        }
    }

    fn place(&self, request: &Request) -> Place {
        match request {
            Request::Send(batch) => Place::Sends(match batch.target() {
                Target::Partition(partition) => Some(*partition),
                Target::Any | Target::Key(_) => None,
            }),
            Request::Hub | Request::Partition(_) => Place::Properties,
        }
    }

    fn limits(&self, max_message_size: u64) -> BatchLimits {
        limits(max_message_size)
    }
}

/// What the SDK's own count lets through for certain: it takes the first event
/// twice, and adds message ids.
fn limits(max_message_size: u64) -> BatchLimits {
    let added = MESSAGE_ID * (MOST_EVENTS as u64 + 1);
    let bytes = max_message_size.saturating_sub(added) / 2;
    BatchLimits {
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        events: MOST_EVENTS,
    }
}

/// The shared client as one lane uses it.
pub(super) struct SharedClient {
    client: Arc<ProducerClient>,
    /// The largest message, by partition; the gateway's is `None`.
    sizes: HashMap<Option<PartitionId>, u64>,
}

impl SharedClient {
    /// The largest message that the link to a target takes.
    async fn size(&mut self, place: Option<PartitionId>, what: &str) -> Result<u64, Error> {
        if let Some(size) = self.sizes.get(&place) {
            return Ok(*size);
        }
        // The SDK names it to those alone who ask for more, and logs that as an error.
        let options = EventDataBatchOptions {
            partition_id: place.map(|partition| partition.to_string()),
            max_size_in_bytes: Some(u64::MAX),
            ..EventDataBatchOptions::default()
        };
        let asked = self.client.create_batch(Some(options));
        let size = match asked.with_subscriber(NoSubscriber::new()).await {
            Ok(_) => u64::MAX,
            Err(error) => match error.kind {
                SdkErrorKind::InvalidBatchSize { max_allowed, .. } => max_allowed,
                _ => return Err(errors::explain(error, what)),
            },
        };
        self.sizes.insert(place, size);
        Ok(size)
    }
}

#[async_trait]
impl Client for SharedClient {
    async fn send(&mut self, batch: &EventBatch) -> Result<(), Error> {
        let (place, key) = match batch.target() {
            Target::Partition(partition) => (Some(*partition), None),
            Target::Key(key) => (None, Some(key.as_str().to_owned())),
            Target::Any => (None, None),
        };
        let what = match place {
            Some(partition) => format!("sending to partition {partition}"),
            None => "sending to the event hub".to_owned(),
        };
        codec::check_keys(batch)?;
        let limits = limits(self.size(place, &what).await?);
        if batch.encoded_size() > limits.bytes {
            return Err(Error::too_large(batch.encoded_size(), limits.bytes));
        }
        if batch.len() > limits.events {
            let message = format!("a batch holds at most {} events", limits.events);
            return Err(Error::invalid_options(message));
        }
        let options = EventDataBatchOptions {
            partition_id: place.map(|partition| partition.to_string()),
            partition_key: key,
            ..EventDataBatchOptions::default()
        };
        let refused = |error| errors::explain(error, &what);
        let envelope = self.client.create_batch(Some(options)).await;
        let envelope = envelope.map_err(refused)?;
        for event in batch.events() {
            let message = codec::message(event, batch.target());
            if !envelope
                .try_add_amqp_message(message, None)
                .map_err(refused)?
            {
                return Err(Error::too_large(batch.encoded_size(), limits.bytes));
            }
        }
        let sent = self.client.send_batch(envelope, None).await;
        sent.map_err(|error| errors::of_a_transfer(error, &what))
    }

    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        hub(self.client.get_eventhub_properties().await)
    }

    async fn partition_properties(
        &mut self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        let id = partition.to_string();
        of_partition(partition, self.client.get_partition_properties(&id).await)
    }

    fn max_message_size(&self) -> Option<u64> {
        self.sizes.values().copied().max()
    }

    async fn close(self) {
        // It is shared: see `disconnect`.
        drop(self);
    }
}

/// The properties of a hub as the SDK tells them.
pub(super) fn hub(
    told: azure_messaging_eventhubs::Result<EventHubProperties>,
) -> Result<HubProperties, Error> {
    let told = told.map_err(|error| errors::explain(error, "reading the hub's properties"))?;
    let partitions = told.partition_ids.iter().map(|id| id.parse());
    Ok(HubProperties {
        name: told.name,
        created_at: told.created_on.unwrap_or(SystemTime::UNIX_EPOCH),
        partitions: partitions.collect::<Result<_, _>>()?,
    })
}

/// The properties of a partition as the SDK tells them.
pub(super) fn of_partition(
    partition: PartitionId,
    told: azure_messaging_eventhubs::Result<EventHubPartitionProperties>,
) -> Result<PartitionProperties, Error> {
    let what = format!("reading the properties of partition {partition}");
    let told = told.map_err(|error| errors::explain(error, &what))?;
    let time = told.last_enqueued_time_utc;
    Ok(PartitionProperties {
        partition,
        beginning_sequence_number: told.beginning_sequence_number,
        last_enqueued_sequence_number: told.last_enqueued_sequence_number,
        last_enqueued_offset: told.last_enqueued_offset,
        last_enqueued_time: time.unwrap_or(SystemTime::UNIX_EPOCH),
        is_empty: told.is_empty,
    })
}
