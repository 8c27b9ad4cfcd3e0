//! Wrapping producers, one method each.

use std::future::Future;
use std::sync::Arc;

use super::buffered::{BufferedProducer, BufferedProducerOptions};
use super::rate_limited::{RateLimitedProducer, RateLimiter};
use crate::error::Error;
use crate::transport::TransportProducer;

/// Methods of every [`TransportProducer`]. The order of the calls is the order
/// of the layers, the innermost first.
///
/// # Examples
/// ```
/// use eventhubs_flow::prelude::*;
/// use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
/// use eventhubs_flow::transport::TransportProducer;
///
/// fn limited<P: TransportProducer>(
///     producer: P,
/// ) -> Result<Box<dyn TransportProducer>, eventhubs_flow::Error> {
///     let limiter = RateLimiter::new(RateLimit::throughput_units(2))?;
///     Ok(producer.rate_limited(&limiter).boxed())
/// }
/// ```
pub trait ProducerExt: TransportProducer + Sized {
    /// Puts a rate limiter in front: every attempt passes it. Producers that are
    /// given the same limiter share its rate.
    fn rate_limited(self, limiter: &RateLimiter) -> RateLimitedProducer<Self> {
        RateLimitedProducer::new(self, limiter.clone())
    }

    /// Puts a buffer in front: events go in, full batches come out. See
    /// [`BufferedProducer::open`].
    fn buffered(
        self,
        options: BufferedProducerOptions,
    ) -> impl Future<Output = Result<BufferedProducer, Error>> + Send {
        BufferedProducer::open(Arc::new(self), options)
    }

    /// Forgets the type: a box is a producer too.
    fn boxed(self) -> Box<dyn TransportProducer> {
        Box::new(self)
    }
}

impl<P: TransportProducer> ProducerExt for P {}
