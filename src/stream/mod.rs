//! Adapters: from a stream of events to a stream of outcomes.
//!
//! # Sending
//! ```text
//!  events ──▶ batched ──▶ rate_limited ──▶ send_through ──▶ outcomes
//!             EventBatch   EventBatch       Sent
//!                    └────────── or FlowError ──────────┘
//! ```
//!
//! Each adapter is a method of [`EventStreamExt`]. Between them flows
//! `Result<EventBatch, FlowError>`: what cannot go on becomes an `Err` that hands
//! it back, passes the later adapters untouched and in its place, and ends
//! nothing. (Of a stream of plain batches make one with `map(Ok)`.) A `try_*`
//! combinator at the end stops at the first error: loop over the items where the
//! others should go on.
//!
//! Like all streams these do nothing until polled, and hold what they were given
//! and have not yielded: drop one and that is dropped with it. A batch being
//! sent is then as if its send had been dropped.
//!
//! # Receiving
//! ```text
//!  EventStream ──▶ process_concurrently ──▶ one outcome per event
//!  EventStream ──▶ chunks_by ──▶ chunks, to be acknowledged as a whole
//! ```
//!
//! These are methods of [`consumer::EventStream`](crate::consumer::EventStream),
//! since they hand acknowledgements back to the stream that they read. Both hold
//! what they read up to a bound, and read no further: so the credit stops.
//!
//! # When not to use it
//! Where many tasks produce events, or an outcome is wanted per event, a
//! [`BufferedProducer`](crate::producer::buffered::BufferedProducer) sends in the
//! background and retries; a stream is driven by whoever reads its outcomes.
//!
//! # Examples
//! ```
//! use eventhubs_flow::prelude::*;
//! use eventhubs_flow::producer::rate_limited::RateLimiter;
//! use eventhubs_flow::stream::BatchOptions;
//! use eventhubs_flow::transport::TransportProducer;
//! use eventhubs_flow::{EventData, Target};
//! use futures::{Stream, StreamExt};
//!
//! async fn send_all<P: TransportProducer>(
//!     events: impl Stream<Item = EventData>,
//!     producer: P,
//!     limiter: &RateLimiter,
//! ) -> Vec<EventData> {
//!     let limits = producer.limits(&Target::Any).min(limiter.limit().batch_limits());
//!     let mut outcomes = std::pin::pin!(
//!         events
//!             .batched(BatchOptions::default().with_limits(limits))
//!             .rate_limited(limiter)
//!             .send_through(producer)
//!     );
//!     let mut unsent = Vec::new();
//!     while let Some(outcome) = outcomes.next().await {
//!         if let Err(failed) = outcome {
//!             eprintln!("not sent: {failed}");
//!             unsent.extend(failed.into_events());
//!         }
//!     }
//!     unsent
//! }
//! ```

mod batch_options;
mod batched;
mod chunks_by;
mod error;
mod ext;
mod open_batches;
mod process_concurrently;
mod rate_limited;
mod send_through;

pub use batch_options::BatchOptions;
pub use batched::Batched;
pub use chunks_by::ChunksBy;
pub use error::FlowError;
pub use ext::EventStreamExt;
pub use process_concurrently::{ProcessConcurrently, ProcessError, ProcessReport, ProcessSnapshot};
pub use rate_limited::RateLimited;
pub use send_through::{SendThrough, Sent};
