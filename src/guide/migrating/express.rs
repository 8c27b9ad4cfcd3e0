//! From the tutorial's Express code, step by step.
//!
//! The tutorial manages high throughput with `@azure/event-hubs` 5 or 6 in two Express
//! apps. The examples of this crate are the same apps; here is what becomes of each
//! piece.
//!
//! # Step 2: `/send`
//! ```js
//! const batch = await producer.createBatch();
//! batch.tryAdd({ body: 'First event' });
//! batch.tryAdd({ body: 'Second event' });
//! await producer.sendBatch(batch);
//! res.send('Events sent to Event Hub');
//! ```
//! ```
//! use eventhubs_flow::EventData;
//! use eventhubs_flow::producer::buffered::BufferedProducer;
//!
//! /// What the route does; clones of the producer share one buffer.
//! async fn send(
//!     producer: &BufferedProducer,
//! ) -> Result<&'static str, Box<dyn std::error::Error + Send + Sync>> {
//!     let first = producer.send(EventData::new("First event")).await?;
//!     let second = producer.send(EventData::new("Second event")).await?;
//!     first.await?;
//!     second.await?; // the hub has both
//!     Ok("Events sent to Event Hub")
//! }
//! # use eventhubs_flow::{EventHub, producer::buffered::BufferedProducerOptions};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = eventhubs_emulator::Emulator::start().await?;
//! # let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await?;
//! # let producer = hub.buffered_producer(BufferedProducerOptions::default()).await?;
//! # send(&producer).await.map_err(|error| error.to_string())?;
//! # assert_eq!(emulator.event_count("eh1"), 2);
//! # let _ = producer.close(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//! Many requests at once share batches. Example: `send`.
//!
//! # Step 3: `/receive`, and its error
//! ```js
//! consumer.subscribe({
//!   processEvents: async (events, context) => { /* .. */ },
//!   processError: async (err, context) => { console.error(`Error: ${err}`); }
//! });
//! ```
//! | JavaScript | here |
//! |---|---|
//! | reads without a level, as there is no checkpoint store: refused as soon as a processor reads `$Default` ("At least one receiver for the endpoint is created with epoch of '0' ...") | level 0 by default: takes over; or [a policy](crate::guide::epochs) |
//! | `processError` | an `Err` item, which names its partition |
//! | events come in arrays, one partition at a time | one by one; [`process_concurrently`] or [`chunks_by`] for more |
//! | starts at the latest event | the same by default: [`with_position`] |
//! | no checkpoint: starts over | [`with_store`], [`checkpoint_every`] |
//!
//! ```
//! use eventhubs_flow::EventHub;
//! use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
//! use futures::StreamExt;
//!
//! async fn receive(hub: &EventHub) -> Result<(), eventhubs_flow::Error> {
//!     let mut events = hub.epoch_safe_consumer(EpochSafeConsumerOptions::default()).await?;
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Ok(event) => {
//!                 println!("Received event: {}", String::from_utf8_lossy(event.body()));
//!             }
//!             Err(ended) => eprintln!("Error: {ended}"), // one partition; the others go on
//!         }
//!     }
//!     events.close().await
//! }
//! ```
//! Examples: `receive`, and `epoch_conflict`, which meets the error and solves it.
//!
//! # Side by side
//! Express apps and programs of this crate read each other's events, with two things to
//! know.
//!
//! **Bodies.** Here a body is bytes. The JavaScript SDK sends anything but a `Buffer` as
//! JSON, and reads as JSON whatever happens to be some:
//!
//! | `body` sent there | read here | | sent here | `event.body` there |
//! |---|---|---|---|---|
//! | `'First event'` | `"First event"`, **in quotes** | | `First event` | a `Buffer` of it, which a template prints as text |
//! | `{ celsius: 21.5 }` | `{"celsius":21.5}` | | `{"celsius":21.5}` | the object |
//! | `Buffer.from('21.5')` | `21.5` | | `21.5` | the number |
//!
//! Whoever reads strings of both does as the SDK does:
//! ```
//! use std::borrow::Cow;
//!
//! fn text(body: &[u8]) -> Cow<'_, str> {
//!     serde_json::from_slice(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Owned)
//! }
//! assert_eq!(text(br#""First event""#), "First event"); // sent by JavaScript
//! assert_eq!(text(b"First event"), "First event");
//! ```
//! **Readers.** In one consumer group a reader of ours, at level 0, displaces the
//! tutorial's consumer, which asks again every 10 s and is told the tutorial's error each
//! time. Give one of them a group of its own
//! ([`with_consumer_group`](crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_consumer_group);
//! the example `receive` takes it from `EVENTHUB_CONSUMER_GROUP`), and each reads
//! everything.
//!
//! # Step 4: partition keys
//! ```js
//! batch.tryAdd({ body: 'First event', partitionKey: 'device1' });   // sets no key
//! ```
//! The JavaScript SDK takes the key of a batch from the options of `createBatch`, one
//! for all of its events. Here each event has its own, and the buffer sorts them:
//!
//! ```
//! use eventhubs_flow::{EventData, PartitionKey};
//!
//! # fn main() -> Result<(), eventhubs_flow::Error> {
//! let event = EventData::new("First event").with_target(PartitionKey::new("device1")?);
//! # assert_eq!(event.target().key().map(PartitionKey::as_str), Some("device1"));
//! # Ok(())
//! # }
//! ```
//! A key goes to the partition that the SDKs' hash says
//! ([`PartitionKey::partition`](crate::PartitionKey::partition)). Example:
//! `partition_keys`.
//!
//! # Step 5: scaling
//! | the tutorial | here |
//! |---|---|
//! | more partitions | found within 10 s; keys stay where they are, or [`PartitionGrowth::Rehash`](crate::producer::buffered::PartitionGrowth::Rehash) |
//! | more throughput units | [`RateLimiter::set_limit`](crate::producer::rate_limited::RateLimiter::set_limit) while it runs |
//!
//! # Step 6: monitoring
//! The portal shows what the namespace did. What your program waits for, holds and
//! lost, [`telemetry`](crate::telemetry) and the snapshots show.
//!
//! # Step 7: buffering
//! ```js
//! buffer.push({ body: 'New event' });
//! if (buffer.length >= maxBufferSize) {
//!   const batch = await producer.createBatch();
//!   buffer.forEach(event => batch.tryAdd(event));
//!   await producer.sendBatch(batch);
//!   buffer.length = 0; // Clear the buffer
//! }
//! ```
//! | the array loses | the buffer |
//! |---|---|
//! | an event that does not fit: `tryAdd` says so, nobody listens | puts it in the next batch, or hands it back as too large |
//! | what is pushed while a batch is being sent | fills the next batch |
//! | what a failed send leaves: the array stays and grows | sends it again, in order, within bounds |
//! | 99 events and no more, which wait for ever | lingers 50 ms, or as long as you say |
//! | all of it, when the program is stopped | sends it on [`close`](crate::producer::buffered::BufferedProducer::close) |
//!
//! ```
//! # use eventhubs_flow::prelude::*;
//! # use eventhubs_flow::transport::memory::MemoryHub;
//! use std::num::NonZeroUsize;
//! use std::time::Duration;
//!
//! use eventhubs_flow::EventData;
//! use eventhubs_flow::producer::buffered::BufferedProducerOptions;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let hub = MemoryHub::new(4);
//! let options = BufferedProducerOptions::default()
//!     .with_max_batch_events(NonZeroUsize::new(100).expect("not zero"))
//!     .with_linger(Duration::from_secs(1));
//! # let producer = hub.producer().buffered(options).await?;
//! producer.enqueue(EventData::new("New event")).await?; // waits while it is full
//! # let report = producer.close(Duration::from_secs(5)).await;
//! # assert_eq!(report.delivered, 1);
//! # Ok(())
//! # }
//! ```
//! Example: `buffering`.
//!
//! # Step 7: throttling
//! ```js
//! await producer.sendBatch(batch);
//! await delay(1000); // Add a delay of 1 second
//! ```
//! That slows down whoever asked, and nobody else: forty requests at once are forty
//! batches at once. A token bucket limits what is **sent**, however many ask:
//!
//! ```
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
//! use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
//! use eventhubs_flow::{Error, EventHub};
//!
//! async fn one_unit(hub: &EventHub) -> Result<BufferedProducer, Error> {
//!     let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
//!     let limited = hub.producer().rate_limited(&limiter);
//!     limited.buffered(BufferedProducerOptions::default()).await
//! }
//! ```
//! Examples: `throttling`, and `adaptive` for a namespace with other writers.
//!
//! [`process_concurrently`]: crate::consumer::EventStream::process_concurrently
//! [`chunks_by`]: crate::consumer::EventStream::chunks_by
//! [`with_position`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_position
//! [`with_store`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_store
//! [`checkpoint_every`]: crate::consumer::epoch_safe::EpochSafeConsumer::checkpoint_every
