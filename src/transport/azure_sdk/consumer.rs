//! The consuming port over the SDK's consumer clients.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::time::Duration as SdkDuration;
use azure_messaging_eventhubs::builders::ConsumerClientBuilder;
use azure_messaging_eventhubs::{
    ConsumerClient, EventHubsError, OpenReceiverOptions, StartLocation,
    StartPosition as SdkPosition,
};
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};

use super::{AzureSdkOptions, codec, connect, errors};
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::client::{Client, ClientConsumer, Connect, Outlet, Place, Read, Request};
use crate::transport::forward::forward;
use crate::transport::{HubProperties, PartitionProperties, ReceiverOptions, StartPosition};

/// How long the SDK waits for an event while a receiver is opened: it does not
/// tell otherwise that it is attached.
const ATTACHING: SdkDuration = SdkDuration::milliseconds(1);

/// Opens receivers by the official SDK, each on a client of its own.
///
/// A receiver asks for [`with_prefetch`](AzureSdkOptions::with_prefetch) events
/// ahead, whatever the demand; while it holds twice as many, it does not notice
/// that another took its place.
#[derive(Debug)]
pub struct AzureSdkConsumer(ClientConsumer<Clients>);

impl AzureSdkConsumer {
    /// Reads by clients that `open` opens from a builder, which knows the consumer
    /// group and the receiver's name. Their own retries are off.
    ///
    /// # Examples
    /// ```no_run
    /// use eventhubs_flow::transport::AzureSdkConsumer;
    ///
    /// # fn open(connection_string: String) {
    /// let consumer = AzureSdkConsumer::new(move |client| {
    ///     let connection_string = connection_string.clone();
    ///     async move { client.open_with_connection_string(&connection_string, None).await }
    /// });
    /// # }
    /// ```
    pub fn new<F, O>(open: F) -> Self
    where
        F: Fn(ConsumerClientBuilder) -> O + Send + Sync + 'static,
        O: Future<Output = azure_messaging_eventhubs::Result<ConsumerClient>> + Send + 'static,
    {
        Self::with_options(&AzureSdkOptions::default(), open)
    }

    /// As [`new`](Self::new), with options.
    pub fn with_options<F, O>(options: &AzureSdkOptions, open: F) -> Self
    where
        F: Fn(ConsumerClientBuilder) -> O + Send + Sync + 'static,
        O: Future<Output = azure_messaging_eventhubs::Result<ConsumerClient>> + Send + 'static,
    {
        let clients = Clients {
            open: Box::new(move |builder| Box::pin(open(builder))),
            prefetch: options.prefetch,
        };
        Self(ClientConsumer::new(Arc::new(clients), options.try_timeout))
    }
}

forward!(management: [] AzureSdkConsumer, self => self.0);
forward!(consumer: [] AzureSdkConsumer, self => self.0);

type Opened = azure_messaging_eventhubs::Result<ConsumerClient>;

/// Opens clients as the user says.
struct Clients {
    open: Box<dyn Fn(ConsumerClientBuilder) -> BoxFuture<'static, Opened> + Send + Sync>,
    prefetch: NonZeroU32,
}

impl Clients {
    async fn open(&self, builder: ConsumerClientBuilder) -> Result<ConsumerClient, Error> {
        let builder = builder.with_retry_options(errors::one_attempt());
        let opened = (self.open)(builder).await;
        opened.map_err(|error| errors::explain(error, "connecting to the namespace"))
    }

    /// A client for a receiver.
    async fn open_for(&self, options: &ReceiverOptions) -> Result<ConsumerClient, Error> {
        let group = options.consumer_group.clone();
        let mut builder = ConsumerClient::builder().with_consumer_group(group);
        if let Some(name) = &options.name {
            builder = builder.with_instance_id(name.clone());
        }
        self.open(builder).await
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Connect for Clients {
    type Client = Asking;

    async fn connect(&self, _: Option<Asking>) -> Result<Asking, Error> {
        self.open(ConsumerClient::builder()).await.map(Asking)
    }

    fn place(&self, _: &Request) -> Place {
        Place::Properties
    }

    fn limits(&self, _: u64) -> BatchLimits {
        BatchLimits::STANDARD
    }
}

/// The client that properties are read by.
struct Asking(ConsumerClient);

#[async_trait]
impl Client for Asking {
    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        connect::hub(self.0.get_eventhub_properties().await)
    }

    async fn partition_properties(
        &mut self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        let id = partition.to_string();
        connect::of_partition(partition, self.0.get_partition_properties(&id).await)
    }

    async fn close(self) {
        // Whatever is left goes with the drop.
        let _ = self.0.close().await;
    }
}

#[async_trait]
impl Read for Clients {
    fn prefetch(&self) -> NonZeroU32 {
        self.prefetch
    }

    async fn read(&self, options: &ReceiverOptions, outlet: &mut Outlet) {
        let client = match self.open_for(options).await {
            Ok(client) => client,
            Err(error) => return outlet.end(error),
        };
        if let Err(error) = self.read_by(&client, options, outlet).await {
            outlet.end(error);
        }
        // Whatever is left goes with the drop.
        let _ = client.close().await;
    }
}

impl Clients {
    async fn read_by(
        &self,
        client: &ConsumerClient,
        options: &ReceiverOptions,
        outlet: &mut Outlet,
    ) -> Result<(), Error> {
        let (partition, level) = (options.partition, options.owner_level);
        let group = &options.consumer_group;
        let opening = format!("opening a receiver on partition {partition} in {group}");
        let receiving = format!("receiving from partition {partition} in {group}");
        let refused = |error| errors::of_a_receiver(error, &opening, level, false);
        let open = async |wait: Option<SdkDuration>| {
            let options = OpenReceiverOptions {
                owner_level: level,
                prefetch: Some(self.prefetch.get()),
                start_position: Some(position(&options.position)?),
                receive_timeout: wait,
            };
            let opened = client.open_receiver_on_partition(partition.to_string(), Some(options));
            opened.await.map_err(refused)
        };
        // A receiver attaches when it is first read. The link stays with the client,
        // and the second receiver finds it there.
        let attaching = open(Some(ATTACHING)).await?;
        let first = pin!(attaching.stream_events()).next().await;
        let first = match first {
            Some(Err(error)) if !errors::is_time_out(&error) => return Err(refused(error)),
            first => first.and_then(Result::ok),
        };
        outlet.opened();
        let receiver = open(None).await?;
        let lost = |error: EventHubsError| errors::of_a_receiver(error, &receiving, level, true);
        let events = stream::iter(first.map(Ok)).chain(receiver.stream_events());
        let decoded = events.map(|event| -> Result<ReceivedEvent, Error> {
            codec::decode(event.map_err(lost)?.raw_amqp_message(), partition)
        });
        outlet.pump(decoded).await;
        // Whatever is left goes with the client.
        let _ = receiver.close().await;
        Ok(())
    }
}

fn position(position: &StartPosition) -> Result<SdkPosition, Error> {
    let (location, inclusive) = match position {
        StartPosition::Earliest => (StartLocation::Earliest, false),
        StartPosition::Latest => (StartLocation::Latest, false),
        StartPosition::Offset { offset, inclusive } => {
            // It stands between quotes, and the SDK escapes none.
            if offset.is_empty() || offset.contains('\'') {
                return Err(Error::invalid_options(
                    "an offset is not empty and holds no quote: give one that an event had",
                ));
            }
            (StartLocation::Offset(offset.clone()), *inclusive)
        }
        StartPosition::SequenceNumber { number, inclusive } => {
            (StartLocation::SequenceNumber(*number), *inclusive)
        }
        // The SDK panics at a time before 1970.
        StartPosition::EnqueuedAfter(time) if time.as_millis() < 0 => {
            (StartLocation::Earliest, false)
        }
        StartPosition::EnqueuedAfter(time) => (StartLocation::EnqueuedTime((*time).into()), false),
    };
    Ok(SdkPosition {
        location,
        inclusive,
    })
}
