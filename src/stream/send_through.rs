//! Batches go out through a producer.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{Fuse, FuturesOrdered, Stream, StreamExt};
use pin_project_lite::pin_project;

use super::error::FlowError;
use crate::batch::EventBatch;
use crate::partition::Target;
use crate::transport::TransportProducer;

/// A batch that the service acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Where the batch went.
    pub target: Target,
    /// How many events it held.
    pub events: usize,
    /// The encoded bytes that it took.
    pub bytes: usize,
}

pin_project! {
    /// Stream of [`EventStreamExt::send_through`](super::EventStreamExt::send_through).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct SendThrough<S, P> {
        #[pin]
        batches: Fuse<S>,
        producer: Arc<P>,
        max_in_flight: NonZeroUsize,
        // One target for each outcome to come.
        outcomes: FuturesOrdered<BoxFuture<'static, Result<Sent, FlowError>>>,
        targets: VecDeque<Target>,
        waiting: Option<EventBatch>,
    }
}

impl<S: Stream, P: TransportProducer> SendThrough<S, P> {
    pub(super) fn new(batches: S, producer: P) -> Self {
        Self {
            batches: batches.fuse(),
            producer: Arc::new(producer),
            max_in_flight: NonZeroUsize::new(8).expect("not zero"),
            outcomes: FuturesOrdered::new(),
            targets: VecDeque::new(),
            waiting: None,
        }
    }

    /// Bounds the batches in flight, and with them the outcomes that wait for
    /// an earlier one.
    ///
    /// Defaults to 8.
    pub fn with_max_in_flight(mut self, batches: NonZeroUsize) -> Self {
        self.max_in_flight = batches;
        self
    }
}

impl<S, P> Stream for SendThrough<S, P>
where
    S: Stream<Item = Result<EventBatch, FlowError>>,
    P: TransportProducer,
{
    type Item = Result<Sent, FlowError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        while this.outcomes.len() < this.max_in_flight.get() {
            let next = match this.waiting.take() {
                Some(batch) => Ok(batch),
                None => match this.batches.as_mut().poll_next(cx) {
                    Poll::Ready(Some(next)) => next,
                    Poll::Ready(None) | Poll::Pending => break,
                },
            };
            match next {
                Ok(batch) if is_busy(this.targets, batch.target()) => {
                    *this.waiting = Some(batch);
                    break;
                }
                Ok(batch) => {
                    this.targets.push_back(batch.target().clone());
                    let sent = send(Arc::clone(this.producer), batch);
                    this.outcomes.push_back(sent.boxed());
                }
                Err(error) => {
                    this.targets.push_back(Target::Any);
                    this.outcomes.push_back(ready(Err(error)).boxed());
                }
            }
        }
        match this.outcomes.poll_next_unpin(cx) {
            Poll::Ready(Some(outcome)) => {
                this.targets.pop_front();
                Poll::Ready(Some(outcome))
            }
            Poll::Ready(None) if this.batches.is_done() => Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Whether a batch must wait for one before it: those for any partition have no
/// order to keep.
fn is_busy(in_flight: &VecDeque<Target>, target: &Target) -> bool {
    *target != Target::Any && in_flight.contains(target)
}

async fn send<P: TransportProducer>(
    producer: Arc<P>,
    batch: EventBatch,
) -> Result<Sent, FlowError> {
    let sent = Sent {
        target: batch.target().clone(),
        events: batch.len(),
        bytes: batch.encoded_size(),
    };
    producer.send_batch(batch).await?;
    Ok(sent)
}
