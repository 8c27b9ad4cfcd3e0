//! From the crate `azeventhubs` 0.20.
//!
//! It is deprecated, builds with no `tokio-util` from 0.7.20 on, and reports success
//! for batches that the service refused as too large or while it was busy.
//!
//! # Connecting
//! | `azeventhubs` | here | what changes |
//! |---|---|---|
//! | `EventHubProducerClient::new_from_connection_string(string, hub, options)` | [`EventHub::connect_to`]`(string, hub)`, then [`producer`] or [`buffered_producer`] | connects at once; one connection for all |
//! | `new_from_credential(..)` | [`EventHub::connect_with_credential`] | any [`TokenCredential`](crate::TokenCredential); those of the Azure SDK with the feature `azure-core` |
//! | a shared access signature | in the connection string (`SharedAccessSignature=`) | |
//! | `EventHubConnection`, to share | a clone of the [`EventHub`] | |
//! | `EventHubsRetryOptions::max_retries`, `delay`, `maximum_delay` | [`with_max_retries`], [`with_retry_backoff`] of the buffer | throttling spends none |
//! | `try_timeout` | [`EventHubOptions::with_try_timeout`](crate::EventHubOptions::with_try_timeout) | |
//! | AMQP over WebSockets | [`EventHubOptions::with_web_sockets`](crate::EventHubOptions::with_web_sockets) | |
//! | `native-tls` or `rustls` | `rustls`, always | no OpenSSL |
//!
//! # Sending
//! | `azeventhubs` | here | what changes |
//! |---|---|---|
//! | `client.send_event(event, options)`, `&mut self` | [`enqueue`], or [`send`] and await, `&self` | many at once, in batches; one call at a time before |
//! | `create_batch`, `try_add`, `send_batch` | the same by the buffer; or [`EventBatch`](crate::EventBatch), [`try_add`](crate::EventBatch::try_add), [`send_batch`](crate::transport::TransportProducer::send_batch) | the refused event or batch comes back; `Ok` means stored |
//! | `SendEventOptions::with_partition_id("3")` | [`with_target`]`(PartitionId::new(3))` | on the event, not on the call |
//! | `SendEventOptions::with_partition_key("k")` | [`with_target`]`(PartitionKey::new("k")?)` | each event its own |
//! | `EventData::new(body)`, `set_message_id(..)` | [`EventData::new`], [`with_message_id`](crate::EventData::with_message_id) | the body is [`Bytes`](bytes::Bytes): a clone shares it |
//! | `get_partition_ids()` | [`properties`]`().await?.partitions` | numbers, not strings |
//! | `client.close()` | [`close`](crate::producer::buffered::BufferedProducer::close)`(within)`, then [`EventHub::close`] | tells what was not delivered |
//!
//! # Receiving
//! | `azeventhubs` | here | what changes |
//! |---|---|---|
//! | `read_events_from_partition(id, position, options)` | [`epoch_safe_consumer`] with [`with_partitions`] | runs in the background; owns its parts, borrows no client |
//! | `read_events(true, options)` | all partitions, [`StartPosition::Earliest`] | new partitions are found, too |
//! | `EventPosition::earliest()`, `latest()`, `from_..` | [`StartPosition`] | an offset is a string: never a number |
//! | `ReadEventOptions::with_owner_level(7)` | [`EpochPolicy::TakeOver`]` { level: 7 }` | a theft ends the partition; `azeventhubs` steals it back, for ever |
//! | no owner level | [`EpochPolicy::NonEpoch`] | the default here is level 0 |
//! | `with_prefetch_count(n)` | [`with_prefetch_events`], [`with_prefetch_bytes`] | follows the demand: a stopped reader stops the wire |
//! | (no checkpoints) | [`with_store`], [`checkpoint_every`] | |
//! | an item is `PartitionEvent` | an item is [`ReceivedEvent`](crate::ReceivedEvent) | an `Err` is the end of **one** partition: read on |
//!
//! # Before and after
//! ```text
//! let mut client = EventHubProducerClient::new_from_connection_string(string, hub, options).await?;
//! let options = SendEventOptions::new().with_partition_key("device1");
//! client.send_event("21.5", options).await?;      // Ok, though a busy service refused it
//! client.close().await?;
//! ```
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! use eventhubs_flow::{EventData, EventHub, PartitionKey};
//! # use eventhubs_emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let string = emulator.connection_string();
//! let hub = EventHub::connect_to(&string, "eh1").await?;
//! let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//! let event = EventData::new("21.5").with_target(PartitionKey::new("device1")?);
//! producer.send(event).await?.await?; // stored
//! producer.close(Duration::from_secs(30)).await.into_result().expect("all delivered");
//! hub.close().await?;
//! # assert_eq!(emulator.received("eh1")[0].partition_key.as_deref(), Some("device1"));
//! # Ok(())
//! # }
//! ```
//!
//! # Keeping the client for now
//! With the feature `azeventhubs` its client is a transport, fenced in: one attempt, no
//! success that is none, no stealing back. A client that the program made must be made
//! with the retry policy `OneAttempt`, which the type demands:
//!
//! ```
//! # #[cfg(feature = "azeventhubs")]
//! # mod with_the_feature {
//! use azeventhubs::producer::{EventHubProducerClient, EventHubProducerClientOptions};
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
//! use eventhubs_flow::transport::{AzeventhubsOptions, AzeventhubsProducer, OneAttempt};
//!
//! async fn open(
//!     connection_string: String,
//!     hub: String,
//! ) -> Result<BufferedProducer, Box<dyn std::error::Error>> {
//!     let client = EventHubProducerClient::with_policy::<OneAttempt>()
//!         .new_from_connection_string(
//!             connection_string,
//!             hub,
//!             EventHubProducerClientOptions::default(),
//!         )
//!         .await?;
//!     let transport = AzeventhubsProducer::from_client(client, &AzeventhubsOptions::default());
//!     Ok(transport.buffered(BufferedProducerOptions::default()).await?)
//! }
//! # }
//! ```
//! `AzeventhubsProducer::connect` makes a client by itself, and another one when it
//! broke. Events with application properties, and keys through a buffer, are refused
//! there: `azeventhubs` would lose them.
//!
//! [`EventHub`]: crate::EventHub
//! [`EventHub::connect_to`]: crate::EventHub::connect_to
//! [`EventHub::connect_with_credential`]: crate::EventHub::connect_with_credential
//! [`EventHub::close`]: crate::EventHub::close
//! [`producer`]: crate::EventHub::producer
//! [`buffered_producer`]: crate::EventHub::buffered_producer
//! [`epoch_safe_consumer`]: crate::EventHub::epoch_safe_consumer
//! [`properties`]: crate::EventHub::properties
//! [`with_max_retries`]: crate::producer::buffered::BufferedProducerOptions::with_max_retries
//! [`with_retry_backoff`]: crate::producer::buffered::BufferedProducerOptions::with_retry_backoff
//! [`enqueue`]: crate::producer::buffered::BufferedProducer::enqueue
//! [`send`]: crate::producer::buffered::BufferedProducer::send
//! [`EventData::new`]: crate::EventData::new
//! [`with_target`]: crate::EventData::with_target
//! [`StartPosition`]: crate::transport::StartPosition
//! [`StartPosition::Earliest`]: crate::transport::StartPosition::Earliest
//! [`EpochPolicy::TakeOver`]: crate::consumer::epoch_safe::EpochPolicy::TakeOver
//! [`EpochPolicy::NonEpoch`]: crate::consumer::epoch_safe::EpochPolicy::NonEpoch
//! [`with_partitions`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_partitions
//! [`with_prefetch_events`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_events
//! [`with_prefetch_bytes`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_bytes
//! [`with_store`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_store
//! [`checkpoint_every`]: crate::consumer::epoch_safe::EpochSafeConsumer::checkpoint_every
