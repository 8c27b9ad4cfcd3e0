//! Choosing bounds: how much may be held, and for how long.
//!
//! Everything that is held is bounded, and every bound has a default. This page is
//! for when the default is not yours.
//!
//! # What each one bounds
//! | what is held | bound | default |
//! |---|---|---|
//! | events of one partition without an outcome | [`with_max_events_per_partition`] | 16,384 |
//! | their bytes | [`with_max_bytes_per_partition`] | 8 MiB |
//! | the events of all partitions | [`with_max_events`] | none of its own |
//! | their bytes | [`with_max_bytes`] | 64 MiB |
//! | one batch | [`with_max_batch_events`], [`with_max_batch_bytes`] | what the link takes, and half of its partition's bounds |
//! | how long a batch waits for company | [`with_linger`] | 50 ms |
//! | batches in flight, of one partition and of all | [`with_max_in_flight_per_partition`], [`with_max_in_flight`] | 1 and 32 |
//! | events of one partition on their way to a consumer | [`with_prefetch_events`] | 300 |
//! | their bytes, all partitions together | [`with_prefetch_bytes`] | 8 MiB |
//! | events of one partition that were yielded and are not done | [`with_max_unacknowledged`] | 16,384 |
//! | events in [`process_concurrently`] | twice its `limit` | you say |
//!
//! In the buffer an event costs its [`encoded_size`] and 128 bytes: a bound in bytes
//! bounds memory for small events, too. Room is held until the **outcome**, not
//! until the transfer.
//!
//! # The buffer: how long a pause is to be bridged?
//! ```text
//!  bytes ≥ bytes per second × the longest pause
//! ```
//! The pause to reckon with is a throttled service: it asks for 4 s as a rule, and
//! up to 0.8 s are added so that processes do not come back together. At 2 MB/s
//! that is 10 MB. What does not fit makes callers wait (or what [`OverflowPolicy`]
//! says), which is what a bound is for: raise it only if the pause matters.
//!
//! Events bound the work that is lost in a crash; bytes bound memory. Both hold.
//!
//! # The batch: a partition's bound is twice a batch, at least
//! A batch takes at most half of its partition's bounds, so that the next one fills
//! while it is in flight. With `n` batches in flight it is one part in `n + 1`. For
//! batches of 1 MiB (the most that a Standard namespace takes) with 4 in flight, a
//! partition needs 5 MiB and what 128 bytes per event add.
//!
//! # The link: does the round trip limit you?
//! ```text
//!  bytes per second of a partition ≤ batches in flight × bytes of a batch ÷ round trip
//! ```
//! 64 KiB, 20 ms and one in flight make 3.3 MB/s, where the service recommends 1 MB/s
//! for a partition: one is enough, and it keeps order when an attempt fails. More
//! than one pays for small batches over a long line, and gives up that order. The
//! events of all batches in flight, and of the one that fills, must fit into
//! [`with_max_events_per_partition`] too: four batches of 512 KiB hold 20,000 events
//! of 100 bytes.
//!
//! # The linger: what does an idle event cost?
//! It counts from the first event of a batch. It matters for the last events before
//! a pause only: under load a batch is closed by its size, and a buffer that is full
//! waits for no timer. Zero sends at once what is there whenever the link is free:
//! good batches under load, no delay without.
//!
//! # The consumer: how far ahead?
//! ```text
//!  prefetch ≥ events per second of a partition × round trip × 2
//! ```
//! 1000 events/s over 50 ms make 100; the default covers three times that. The bytes
//! are divided evenly among the partitions: with 32 of them each has 256 KiB. Before
//! the first event has come its size is taken for 1 MiB, so a partition may begin
//! with one event and ask for more when it knows.
//!
//! # When it is full
//! ```
//! use std::num::NonZeroUsize;
//!
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::buffered::{BufferedProducerOptions, OverflowPolicy};
//! use eventhubs_flow::transport::memory::MemoryHub;
//! use eventhubs_flow::{ErrorKind, EventData};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let two = NonZeroUsize::new(2).expect("not zero");
//! let options = BufferedProducerOptions::default()
//!     .with_max_events(two)
//!     .with_overflow(OverflowPolicy::Reject);
//! let producer = MemoryHub::new(1).producer().buffered(options).await?;
//!
//! producer.try_enqueue(EventData::new("1"))?;
//! producer.try_enqueue(EventData::new("2"))?;
//! let refused = producer.try_enqueue(EventData::new("3")).unwrap_err();
//! assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
//! assert_eq!(refused.event.body(), "3".as_bytes()); // it comes back
//! # let _ = producer.close(std::time::Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```
//!
//! | you want | take |
//! |---|---|
//! | callers to slow down | [`OverflowPolicy::Wait`], the default |
//! | callers to slow down, but not for long | [`enqueue_timeout`], [`send_timeout`] |
//! | to answer "busy" at once | [`OverflowPolicy::Reject`], or [`try_enqueue`] |
//! | the newest values only, as for a gauge | [`OverflowPolicy::DropOldest`] |
//! | to know that there is room before you make the event | [`reserve`] |
//!
//! # Is it right?
//! Look at [`snapshot`], or the [metrics](crate::telemetry): callers that wait while
//! the service is not busy want a larger bound or more in flight; batches that are
//! closed by `linger` under load want a longer one, or fewer partitions.
//!
//! [`with_max_events_per_partition`]: crate::producer::buffered::BufferedProducerOptions::with_max_events_per_partition
//! [`with_max_bytes_per_partition`]: crate::producer::buffered::BufferedProducerOptions::with_max_bytes_per_partition
//! [`with_max_events`]: crate::producer::buffered::BufferedProducerOptions::with_max_events
//! [`with_max_bytes`]: crate::producer::buffered::BufferedProducerOptions::with_max_bytes
//! [`with_max_batch_events`]: crate::producer::buffered::BufferedProducerOptions::with_max_batch_events
//! [`with_max_batch_bytes`]: crate::producer::buffered::BufferedProducerOptions::with_max_batch_bytes
//! [`with_linger`]: crate::producer::buffered::BufferedProducerOptions::with_linger
//! [`with_max_in_flight_per_partition`]: crate::producer::buffered::BufferedProducerOptions::with_max_in_flight_per_partition
//! [`with_max_in_flight`]: crate::producer::buffered::BufferedProducerOptions::with_max_in_flight
//! [`with_prefetch_events`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_events
//! [`with_prefetch_bytes`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_prefetch_bytes
//! [`with_max_unacknowledged`]: crate::consumer::epoch_safe::EpochSafeConsumerOptions::with_max_unacknowledged
//! [`process_concurrently`]: crate::consumer::EventStream::process_concurrently
//! [`encoded_size`]: crate::EventData::encoded_size
//! [`OverflowPolicy`]: crate::producer::buffered::OverflowPolicy
//! [`OverflowPolicy::Wait`]: crate::producer::buffered::OverflowPolicy::Wait
//! [`OverflowPolicy::Reject`]: crate::producer::buffered::OverflowPolicy::Reject
//! [`OverflowPolicy::DropOldest`]: crate::producer::buffered::OverflowPolicy::DropOldest
//! [`enqueue_timeout`]: crate::producer::buffered::BufferedProducer::enqueue_timeout
//! [`send_timeout`]: crate::producer::buffered::BufferedProducer::send_timeout
//! [`try_enqueue`]: crate::producer::buffered::BufferedProducer::try_enqueue
//! [`reserve`]: crate::producer::buffered::BufferedProducer::reserve
//! [`snapshot`]: crate::producer::buffered::BufferedProducer::snapshot
