//! The producer that waits for tokens before each attempt.

use std::future::poll_fn;

use async_trait::async_trait;
use tokio::sync::watch;

use super::limit::Cost;
use super::waiters::RateLimiter;
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, SendBatchError};
use crate::partition::Target;
use crate::producer::ThrottleGate;
use crate::transport::TransportProducer;
use crate::transport::forward::forward;

/// A producer whose every attempt passes a [`RateLimiter`].
///
/// Its [`limits`](TransportProducer::limits) are the narrower of the inner
/// producer's and the [limiter's](RateLimiter::batch_limits), so a buffer above
/// it never builds a batch that cannot pass.
///
/// It makes one attempt per call. One that the service throttled is told to the
/// limiter, whose rate falls if it is [adaptive](RateLimiter::adaptive).
///
/// # Cancel safety
/// A send that is dropped while it waits has taken no tokens and sent nothing.
/// Dropped later, it is what the inner producer makes of it; the tokens stay
/// spent, since the service may have counted the batch.
#[derive(Debug)]
pub struct RateLimitedProducer<P> {
    inner: P,
    limiter: RateLimiter,
    closed: watch::Sender<bool>,
}

impl<P: TransportProducer> RateLimitedProducer<P> {
    /// A producer behind a limiter, which others may share.
    pub fn new(inner: P, limiter: RateLimiter) -> Self {
        let closed = watch::Sender::new(false);
        Self {
            inner,
            limiter,
            closed,
        }
    }

    /// The limiter.
    #[must_use]
    pub fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }
}

forward!(management: [P: TransportProducer] RateLimitedProducer<P>, self => self.inner);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: TransportProducer> TransportProducer for RateLimitedProducer<P> {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let mut closed = self.closed.subscribe();
        let turn = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(Error::closed("producer")),
            turn = self.limiter.turn(Cost::of(&batch)) => turn,
        };
        let mut turn = match turn {
            Ok(turn) => Some(turn),
            Err(error) => return Err(SendBatchError::new(batch, error)),
        };
        let mut send = self.inner.send_batch(batch);
        // The port promises transfers in the order of the first polls: the next
        // in the queue goes on once the inner producer was polled for this one.
        let sent = poll_fn(|cx| {
            let poll = send.as_mut().poll(cx);
            turn = None;
            poll
        })
        .await;
        if let Err(refused) = &sent
            && let Some(retry_after) = refused.error.retry_after()
        {
            self.limiter.throttled(retry_after);
            if let Some(gate) = self.inner.throttle_gate() {
                gate.refused(refused.batch.target(), retry_after);
            }
        }
        sent
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target).min(self.limiter.batch_limits())
    }

    fn throttle_gate(&self) -> Option<ThrottleGate> {
        self.inner.throttle_gate()
    }

    async fn close(&self) -> Result<(), Error> {
        // The limiter is not ours alone: those who wait at it go, it stays.
        self.closed.send_replace(true);
        self.inner.close().await
    }
}
