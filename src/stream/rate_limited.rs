//! Batches pass at a rate.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::stream::Stream;
use pin_project_lite::pin_project;

use super::error::FlowError;
use crate::batch::EventBatch;
use crate::error::SendBatchError;
use crate::producer::rate_limited::RateLimiter;

pin_project! {
    /// Stream of [`EventStreamExt::rate_limited`](super::EventStreamExt::rate_limited).
    #[must_use = "streams do nothing unless polled"]
    pub struct RateLimited<S> {
        #[pin]
        batches: S,
        limiter: RateLimiter,
        waiting: Option<BoxFuture<'static, Result<EventBatch, FlowError>>>,
    }
}

impl<S> RateLimited<S> {
    pub(super) fn new(batches: S, limiter: RateLimiter) -> Self {
        Self {
            batches,
            limiter,
            waiting: None,
        }
    }
}

impl<S> Stream for RateLimited<S>
where
    S: Stream<Item = Result<EventBatch, FlowError>>,
{
    type Item = Result<EventBatch, FlowError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let waiting = match this.waiting {
            Some(waiting) => waiting,
            None => match ready!(this.batches.poll_next(cx)) {
                Some(Ok(batch)) => {
                    let pass = pass(this.limiter.clone(), batch);
                    this.waiting.insert(Box::pin(pass))
                }
                end_or_error => return Poll::Ready(end_or_error),
            },
        };
        let passed = ready!(waiting.as_mut().poll(cx));
        *this.waiting = None;
        Poll::Ready(Some(passed))
    }
}

async fn pass(limiter: RateLimiter, batch: EventBatch) -> Result<EventBatch, FlowError> {
    match limiter.acquire(batch.len(), batch.encoded_size()).await {
        Ok(()) => Ok(batch),
        Err(error) => Err(SendBatchError::new(batch, error).into()),
    }
}

impl<S: fmt::Debug> fmt::Debug for RateLimited<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimited")
            .field("batches", &self.batches)
            .field("limiter", &self.limiter)
            .field("is_waiting", &self.waiting.is_some())
            .finish()
    }
}
