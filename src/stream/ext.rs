//! The adapters as methods.

use futures::stream::Stream;

use super::batch_options::BatchOptions;
use super::batched::Batched;
use super::error::FlowError;
use super::rate_limited::RateLimited;
use super::send_through::SendThrough;
use crate::batch::EventBatch;
use crate::event::EventData;
use crate::producer::rate_limited::RateLimiter;
use crate::transport::TransportProducer;

/// Methods of streams of events and of batches. See the
/// [module](crate::stream) for how they compose.
pub trait EventStreamExt: Stream + Sized {
    /// Gathers events into batches, one open batch per target.
    ///
    /// A batch closes when the next event does not fit, when it has all the
    /// events it may have, when it lingered (counted from its first event), when
    /// a bound on the open batches needs it closed, and when the stream ends.
    /// Events of one target keep their order; nothing is lost.
    ///
    /// # Errors
    /// An event that is too large for a batch of its own is handed back in an
    /// item, [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
    fn batched(self, options: BatchOptions) -> Batched<Self>
    where
        Self: Stream<Item = EventData>,
    {
        Batched::new(self, options)
    }

    /// Lets batches pass at the limiter's rate, in order. Streams and producers
    /// that are given the same limiter share its rate.
    ///
    /// The next batch is asked for when the one before has passed. What counts
    /// is when a batch passes here: to limit the attempts of a producer, retries
    /// included, wrap it in a
    /// [`RateLimitedProducer`](crate::producer::rate_limited::RateLimitedProducer).
    ///
    /// # Errors
    /// A batch that costs more than the burst is handed back in an item,
    /// [`ErrorKind::CostExceedsBurst`](crate::ErrorKind::CostExceedsBurst).
    fn rate_limited(self, limiter: &RateLimiter) -> RateLimited<Self>
    where
        Self: Stream<Item = Result<EventBatch, FlowError>>,
    {
        RateLimited::new(self, limiter.clone())
    }

    /// Sends each batch, once, and yields the outcomes in the order of the
    /// batches, or [as they come](SendThrough::as_they_come).
    ///
    /// Up to 8 batches are in flight
    /// ([`with_max_in_flight`](SendThrough::with_max_in_flight)), but of one key
    /// or partition one at a time: the next goes after the outcome of the one
    /// before was yielded. So whoever stops at an error knows that nothing later
    /// for that target was sent. Batches for any partition overlap freely.
    ///
    /// # Errors
    /// A batch that was not acknowledged is handed back in an item; the stream
    /// goes on with the next.
    fn send_through<P>(self, producer: P) -> SendThrough<Self, P>
    where
        Self: Stream<Item = Result<EventBatch, FlowError>>,
        P: TransportProducer,
    {
        SendThrough::new(self, producer)
    }
}

impl<S: Stream> EventStreamExt for S {}
