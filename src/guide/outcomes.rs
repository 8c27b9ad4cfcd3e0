//! What each outcome means: is the event stored, and should it be sent again?
//!
//! Accepting an event is not delivering it. Every event that was accepted gets
//! exactly one outcome.
//!
//! ```text
//!  enqueue ─▶ accepted ───────────────▶ attempts ───────────────▶ Delivered
//!     │           │                        ├─ refused for good ──▶ Rejected
//!     │           ├─ newer event: Dropped  ├─ retries used up ───▶ Failed { attempts }
//!     │           ├─ deadline: Expired     └─ no word ──▶ again, else Unknown
//!     │           └─ close, abort, drop: Returned
//!     └─ SendError { event, error }: never accepted, it comes back at once
//! ```
//!
//! # The outcomes
//! | outcome | stored? | send it again? |
//! |---|---|---|
//! | `Ok` (delivered) | yes; by default perhaps twice | no |
//! | [`Rejected`] | no | not as it is: too large, no such hub, no right to send |
//! | [`Failed`] | no: every attempt was refused or never left | yes, when the service is well |
//! | [`Expired`] | no: its deadline passed | only if it is worth something still |
//! | [`Unknown`] | perhaps: an attempt was sent and no answer came | yes if a copy does no harm |
//! | [`Dropped`] | no: a newer event took its place, as you asked | no |
//! | [`Returned`] | no: it was never sent | yes, by the next producer |
//!
//! One attempt without an answer is enough: from then on the event is delivered or
//! [`Unknown`], whatever else goes wrong.
//!
//! # Twice, or not at all
//! An attempt whose answer is lost may have been stored. By default it is made
//! again, in its place: **at least once**. With
//! [`with_duplicates_allowed(false)`](crate::producer::buffered::BufferedProducerOptions::with_duplicates_allowed)
//! it is not: **at most once**, and the event is [`Unknown`]. To tell copies apart,
//! give events a [message id](crate::EventData::with_message_id): the service does
//! not, but your consumer can.
//!
//! ```
//! use std::time::Duration;
//!
//! use eventhubs_emulator::{Emulator, Fault};
//! use eventhubs_flow::producer::buffered::{BufferedProducerOptions, UndeliveredReason};
//! use eventhubs_flow::{EventData, EventHub, EventHubOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! let options = EventHubOptions::default().with_try_timeout(Duration::from_millis(300));
//! let hub = EventHub::connect_with(&emulator.connection_string_for("eh1"), options).await?;
//! let at_most_once = BufferedProducerOptions::default().with_duplicates_allowed(false);
//! let producer = hub.buffered_producer(at_most_once).await?;
//!
//! // The hub stores the event, and its answer is lost.
//! let fault = emulator.faults().inject(Fault::lose_outcomes().times(1));
//! let delivery = producer.send(EventData::new("paid")).await?;
//! let undelivered = delivery.await.unwrap_err();
//! assert_eq!(undelivered.reason, UndeliveredReason::Unknown);
//! assert_eq!(undelivered.event.body(), "paid".as_bytes()); // it comes back
//! assert_eq!(emulator.event_count("eh1"), 1); // and is stored all the same
//! # drop(fault);
//! # let _ = producer.close(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # A busy service is no failure
//! A batch that was throttled waits at the gate and goes again, in its place, as long
//! as it takes. It spends no retry. Only with a
//! [throttle deadline](crate::producer::buffered::BufferedProducerOptions::with_throttle_deadline)
//! its events end as [`Failed`], with
//! [`ErrorKind::Throttled`](crate::ErrorKind::Throttled).
//!
//! # Where it is told, and where the event comes back
//! | you called | told in | the event comes back in |
//! |---|---|---|
//! | [`send`] and kept the [`Delivery`] | the delivery | the delivery |
//! | [`enqueue`], or dropped the delivery; an [outcome stream] is on | the stream | the stream |
//! | the same, and it failed while the producer closed | the close report | the close report |
//! | the same, without a stream, before the close | counts and a warning | **nowhere** |
//!
//! So whoever cannot do without an event uses [`send`], or reads the [outcome
//! stream]. That stream never holds up a worker: it has a bound, leaves out
//! deliveries first, and [counts](crate::producer::buffered::Outcomes::lost) what it
//! left out.
//!
//! Everything is counted in any case: [`CloseReport::accepted`] is the sum of all
//! outcomes, and a [`FlushReport`] covers what was accepted before the flush.
//!
//! # When order matters more than going on
//! After a failure the events behind it are sent, unless
//! [`OnFailure::HaltPartition`](crate::producer::buffered::OnFailure::HaltPartition)
//! stops that partition until you
//! [`resume`](crate::producer::buffered::BufferedProducer::resume) it.
//!
//! # Without a buffer
//! [`send_batch`](crate::transport::TransportProducer::send_batch) is one attempt.
//! `Ok` is delivered; an error brings the batch back, and
//! [`is_fate_unknown`](crate::Error::is_fate_unknown) tells `Unknown` from the rest,
//! [`is_retryable`](crate::Error::is_retryable) whether the same may succeed later,
//! [`retry_after`](crate::Error::retry_after) not before when.
//!
//! [`Rejected`]: crate::producer::buffered::UndeliveredReason::Rejected
//! [`Failed`]: crate::producer::buffered::UndeliveredReason::Failed
//! [`Expired`]: crate::producer::buffered::UndeliveredReason::Expired
//! [`Unknown`]: crate::producer::buffered::UndeliveredReason::Unknown
//! [`Dropped`]: crate::producer::buffered::UndeliveredReason::Dropped
//! [`Returned`]: crate::producer::buffered::UndeliveredReason::Returned
//! [`send`]: crate::producer::buffered::BufferedProducer::send
//! [`enqueue`]: crate::producer::buffered::BufferedProducer::enqueue
//! [`Delivery`]: crate::producer::buffered::Delivery
//! [outcome stream]: crate::producer::buffered::BufferedProducerOptions::with_outcome_stream
//! [`CloseReport::accepted`]: crate::producer::buffered::CloseReport::accepted
//! [`FlushReport`]: crate::producer::buffered::FlushReport
