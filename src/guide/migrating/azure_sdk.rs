//! From the official crate, `azure_messaging_eventhubs` 0.16.
//!
//! It is maintained, and knows ways in that this crate does not. What it does not tell
//! is that a batch was given back: its `Ok` then means lost
//! ([`transport`](crate::transport#which-transport)).
//!
//! # Connecting
//! | `azure_messaging_eventhubs` | here | what changes |
//! |---|---|---|
//! | `ProducerClient::builder().open(namespace, hub, credential)` | [`EventHub::connect_with_credential`], with `AzureCredential` (feature `azure-core`) | one connection for producers and consumers |
//! | `.open_with_connection_string(string, hub)` | [`EventHub::connect`], [`EventHub::connect_to`] | |
//! | `.with_custom_endpoint("amqp://localhost:5672")` for an emulator | nothing: `UseDevelopmentEmulator=true` and the port in the string do | |
//! | `.with_custom_endpoint(url)` | [`with_custom_endpoint`](crate::EventHubOptions::with_custom_endpoint)`("HOST:PORT")` | no scheme |
//! | `.with_retry_options(..)` | [`with_max_retries`], [`with_retry_backoff`] of the buffer | throttling waits as long as it takes, and spends none |
//! | `get_eventhub_properties()`, `get_partition_properties(id)` | [`properties`], [`partition_properties`] | partitions are numbers |
//!
//! # Sending
//! | `azure_messaging_eventhubs` | here | what changes |
//! |---|---|---|
//! | `BufferedProducerClient` | [`BufferedProducer`] | below |
//! | `ProducerClient::send_event(event, options)` | [`send`], and await the delivery | goes in batches |
//! | `create_batch`, `try_add_event_data`, `send_batch` | [`EventBatch`](crate::EventBatch), [`send_batch`](crate::transport::TransportProducer::send_batch) | a refused batch comes back, and one that the service gave back is an error |
//! | `partition_id`, `partition_key` in options | [`with_target`] of the event | |
//!
//! The buffered ones, side by side:
//!
//! | `BufferedProducerClient` | [`BufferedProducer`] |
//! |---|---|
//! | bound: 1500 events per partition, of any size | events **and** bytes, per partition **and** in total |
//! | `enqueue_event` waits when full | waits, refuses or drops the oldest; `try_*`, `*_timeout`, `reserve` |
//! | `with_max_wait_time`, 1 s | [`with_linger`], 50 ms |
//! | one send in flight per partition | one by default, more on demand |
//! | `with_on_send_failed`, which it demands; runs on the worker | a [`Delivery`](crate::producer::buffered::Delivery) per event, or a [stream](crate::producer::buffered::BufferedProducer::outcomes): no code of yours on a worker |
//! | `flush()` is `Ok` though events failed | a [`FlushReport`](crate::producer::buffered::FlushReport) that counts, and [`into_result`](crate::producer::buffered::FlushReport::into_result) |
//! | `close()` | [`close`]`(within)`: bounded, and hands back what was not sent |
//! | `abort()` drops what waits | [`abort`](crate::producer::buffered::BufferedProducer::abort): each event has its outcome, and [`close`] hands those back that nobody waits for |
//! | partitions are read once | every 10 s |
//! | a throttle that outlasts the retries fails the events | waits, at one gate with all others |
//!
//! # Receiving
//! | `azure_messaging_eventhubs` | here | what changes |
//! |---|---|---|
//! | `ConsumerClient`, `open_receiver_on_partition(id, options)`, `stream_events()` | [`epoch_safe_consumer`] with [`with_partitions`] | opens again by itself what waiting heals |
//! | `OpenReceiverOptions::owner_level: None` | [`EpochPolicy::NonEpoch`] | the default here is level 0 |
//! | `owner_level: Some(7)` | [`EpochPolicy::TakeOver`]` { level: 7 }` | |
//! | `ErrorKind::ConsumerDisconnected` | [`ErrorKind::OwnershipLost`](crate::ErrorKind::OwnershipLost), [`ErrorKind::OwnershipRefused`](crate::ErrorKind::OwnershipRefused) | says who has it, and what level would win |
//! | `prefetch` | [`with_prefetch_events`], [`with_prefetch_bytes`] | follows the demand |
//! | `StartLocation` | [`StartPosition`](crate::transport::StartPosition) | the default is the latest in both |
//! | `with_consumer_group`, `with_instance_id` | [`with_consumer_group`], [`with_name`] | |
//! | `partition_client.update_checkpoint(&event)` | [`ack`], and [`checkpoint_every`] | in any order; a late one is refused |
//! | `EventProcessor`, and a checkpoint store | [`EventProcessor`](crate::consumer::processor::EventProcessor), and a [store](crate::guide::sharing) | hands over before it lets go; generations fence |
//!
//! # Before and after
//! ```text
//! let producer = BufferedProducerClient::builder()
//!     .with_on_send_failed(|failed| async move { eprintln!("{}", failed.error) })
//!     .open(&namespace, &hub, credential).await?;
//! producer.enqueue_event("21.5", None).await?;
//! producer.flush().await?;                         // Ok, delivered or not
//! producer.close().await?;
//! ```
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_flow::EventData;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//! # use eventhubs_emulator::Emulator;
//! # use eventhubs_flow::EventHub;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//! producer.enqueue(EventData::new("21.5")).await?;
//! producer.flush(Duration::from_secs(30)).await.into_result()?; // Ok: delivered
//! let report = producer.close(Duration::from_secs(30)).await;
//! for undelivered in report.undelivered {
//!     eprintln!("{undelivered}"); // and its event is here
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Keeping the client for now
//! With the feature `azure-sdk` its clients are transports. The closure opens one, and
//! another whenever the last one broke; retries of its own are off:
//!
//! ```
//! # #[cfg(feature = "azure-sdk")]
//! # mod with_the_feature {
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
//! use eventhubs_flow::transport::AzureSdkProducer;
//!
//! async fn open(connection_string: String) -> Result<BufferedProducer, eventhubs_flow::Error> {
//!     let transport = AzureSdkProducer::open(move |client| {
//!         let connection_string = connection_string.clone();
//!         async move { client.open_with_connection_string(&connection_string, None).await }
//!     })
//!     .await?;
//!     transport.buffered(BufferedProducerOptions::default()).await
//! }
//! # }
//! ```
//! `AzureSdkConsumer::new` does the same for an
//! [`EpochSafeConsumer`](crate::consumer::epoch_safe::EpochSafeConsumer).
//!
//! [`EventHub::connect`]: crate::EventHub::connect
//! [`EventHub::connect_to`]: crate::EventHub::connect_to
//! [`EventHub::connect_with_credential`]: crate::EventHub::connect_with_credential
//! [`epoch_safe_consumer`]: crate::EventHub::epoch_safe_consumer
//! [`properties`]: crate::EventHub::properties
//! [`partition_properties`]: crate::EventHub::partition_properties
//! [`BufferedProducer`]: crate::producer::buffered::BufferedProducer
//! [`with_max_retries`]: crate::producer::buffered::BufferedProducerOptions::with_max_retries
//! [`with_retry_backoff`]: crate::producer::buffered::BufferedProducerOptions::with_retry_backoff
//! [`with_linger`]: crate::producer::buffered::BufferedProducerOptions::with_linger
//! [`send`]: crate::producer::buffered::BufferedProducer::send
//! [`close`]: crate::producer::buffered::BufferedProducer::close
//! [`with_target`]: crate::EventData::with_target
//! [`EpochPolicy::TakeOver`]: crate::consumer::epoch_safe::EpochPolicy::TakeOver
//! [`EpochPolicy::NonEpoch`]: crate::consumer::epoch_safe::EpochPolicy::NonEpoch
//! [`with_partitions`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_partitions
//! [`with_prefetch_events`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_events
//! [`with_prefetch_bytes`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_bytes
//! [`with_consumer_group`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_consumer_group
//! [`with_name`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_name
//! [`ack`]: crate::consumer::EventStream::ack
//! [`checkpoint_every`]: crate::consumer::epoch_safe::EpochSafeConsumer::checkpoint_every
