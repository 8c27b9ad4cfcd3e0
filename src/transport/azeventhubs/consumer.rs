//! The consuming port over azeventhubs's consumer clients.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use azeventhubs::consumer::{EventPosition, ReadEventOptions};
use futures::StreamExt as _;

use super::connect::{Access, Consumer};
use super::properties::{self, Known};
use super::{AzeventhubsOptions, codec, errors};
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::client::{Client, ClientConsumer, Connect, Outlet, Place, Read, Request};
use crate::transport::forward::forward;
use crate::transport::{HubProperties, PartitionProperties, ReceiverOptions, StartPosition};
use crate::value::Timestamp;

/// Opens receivers by azeventhubs, each on a client of its own.
///
/// A receiver that lost its partition says so, and does not steal it back. It asks
/// for [`with_prefetch`](AzeventhubsOptions::with_prefetch) events ahead, whatever
/// the demand; while it holds twice as many, it does not notice that another took
/// its place.
#[derive(Debug)]
pub struct AzeventhubsConsumer(ClientConsumer<Clients>);

impl AzeventhubsConsumer {
    /// Connects to the event hub that a connection string names, over TLS, as often
    /// as a receiver is opened.
    ///
    /// # Errors
    /// As [`AzeventhubsProducer::connect`](super::AzeventhubsProducer::connect).
    pub fn connect(connection_string: &str, options: AzeventhubsOptions) -> Result<Self, Error> {
        let access = Access::new(connection_string, options)?;
        let try_timeout = access.options().try_timeout;
        let clients = Clients(access);
        Ok(Self(ClientConsumer::new(Arc::new(clients), try_timeout)))
    }
}

forward!(management: [] AzeventhubsConsumer, self => self.0);
forward!(consumer: [] AzeventhubsConsumer, self => self.0);

/// Makes clients.
struct Clients(Access);

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clients").field(self.0.options()).finish()
    }
}

#[async_trait]
impl Connect for Clients {
    type Client = Asking;

    async fn connect(&self, _: Option<Asking>) -> Result<Asking, Error> {
        let client = self.0.consumer("$Default", None).await?;
        Ok(Asking {
            client: Box::new(client),
            known: Known::default(),
        })
    }

    fn place(&self, _: &Request) -> Place {
        Place::Everything
    }

    fn limits(&self, _: u64) -> BatchLimits {
        BatchLimits::STANDARD
    }
}

/// The client that properties are read by.
struct Asking {
    client: Box<Consumer>,
    known: Known,
}

#[async_trait]
impl Client for Asking {
    async fn hub_properties(&mut self) -> Result<HubProperties, Error> {
        properties::of_the_hub(Box::pin(self.client.get_event_hub_properties()).await)
    }

    async fn partition_properties(
        &mut self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        if !self.known.has(partition) {
            let hub = self.hub_properties().await?;
            self.known.learn(&hub, partition)?;
        }
        let id = partition.to_string();
        let told = Box::pin(self.client.get_partition_properties(&id)).await;
        properties::of_a_partition(partition, told)
    }

    async fn close(self) {
        // Whatever is left goes with the drop.
        let _ = Box::pin(self.client.close()).await;
    }
}

#[async_trait]
impl Read for Clients {
    fn prefetch(&self) -> NonZeroU32 {
        self.0.options().prefetch
    }

    async fn read(&self, options: &ReceiverOptions, outlet: &mut Outlet) {
        let group = &options.consumer_group;
        let mut client = match self.0.consumer(group, options.name.clone()).await {
            Ok(client) => client,
            Err(error) => return outlet.end(error),
        };
        if let Err(error) = self.read_by(&mut client, options, outlet).await {
            outlet.end(error);
        }
        // Whatever is left goes with the drop.
        let _ = Box::pin(client.close()).await;
    }
}

impl Clients {
    async fn read_by(
        &self,
        client: &mut Consumer,
        options: &ReceiverOptions,
        outlet: &mut Outlet,
    ) -> Result<(), Error> {
        let (partition, level) = (options.partition, options.owner_level);
        let group = &options.consumer_group;
        let opening = format!("opening a receiver on partition {partition} in {group}");
        let receiving = format!("receiving from partition {partition} in {group}");
        let how = ReadEventOptions {
            prefetch_count: self.prefetch().get(),
            owner_level: level,
            track_last_enqueued_event_properties: false,
        };
        let id = partition.to_string();
        let start = position(&options.position)?;
        let opened = client.read_events_from_partition(&id, start, how);
        let events = Box::pin(opened)
            .await
            .map_err(|error| errors::of_a_receiver(error, &opening, level, false))?;
        outlet.opened();
        let decoded = events.map(|event| -> Result<ReceivedEvent, Error> {
            let event =
                event.map_err(|error| errors::of_a_receiver(error, &receiving, level, true))?;
            codec::decode(event, partition)
        });
        // Its own close would wait for an event first: it goes with the connection.
        outlet.pump(decoded).await;
        Ok(())
    }
}

fn position(position: &StartPosition) -> Result<EventPosition, Error> {
    Ok(match position {
        StartPosition::Earliest => EventPosition::earliest(),
        StartPosition::Latest => EventPosition::latest(),
        StartPosition::Offset { offset, inclusive } => {
            // It stands without quotes in what the service is asked.
            let plain = |char: char| char.is_ascii_graphic() && char != '\'';
            if offset.is_empty() || !offset.chars().all(plain) {
                return Err(Error::invalid_options(
                    "an offset is not empty and holds no quote or space: give one that an event had",
                ));
            }
            EventPosition::Offset {
                offset: offset.clone(),
                is_inclusive: *inclusive,
            }
        }
        StartPosition::SequenceNumber { number, inclusive } => {
            EventPosition::from_sequence_number(*number, *inclusive)
        }
        StartPosition::EnqueuedAfter(time) => {
            // No event is older; and there are times that azeventhubs cannot hold.
            let time = Timestamp::from_millis(time.as_millis().max(0));
            let time: std::time::SystemTime = time.into();
            EventPosition::from_enqueued_time(time.into())
        }
    })
}
