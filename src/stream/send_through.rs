//! Batches go out through a producer.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{Fuse, FuturesOrdered, FuturesUnordered, Stream, StreamExt};
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
        outcomes: Outcomes,
        // Of the batches in flight.
        targets: Vec<Target>,
        waiting: Option<EventBatch>,
    }
}

impl<S: Stream, P: TransportProducer> SendThrough<S, P> {
    pub(super) fn new(batches: S, producer: P) -> Self {
        Self {
            batches: batches.fuse(),
            producer: Arc::new(producer),
            max_in_flight: NonZeroUsize::new(8).expect("not zero"),
            outcomes: Outcomes::InOrder(FuturesOrdered::new()),
            targets: Vec::new(),
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

    /// Yields each outcome as it comes: a slow batch keeps none behind it from being
    /// told. Those of one key or partition are still in order.
    ///
    /// Defaults to the order of the batches.
    pub fn as_they_come(mut self) -> Self {
        self.outcomes = Outcomes::AsTheyCome(FuturesUnordered::new());
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
                    let target = batch.target().clone();
                    this.targets.push(target.clone());
                    let sent = send(Arc::clone(this.producer), batch);
                    this.outcomes.push(sent.map(|sent| (target, sent)).boxed());
                }
                Err(error) => {
                    let told = (Target::Any, Err(error));
                    this.outcomes.push(ready(told).boxed());
                }
            }
        }
        match this.outcomes.poll_next(cx) {
            Poll::Ready(Some((target, outcome))) => {
                if let Some(landed) = this.targets.iter().position(|other| *other == target) {
                    this.targets.swap_remove(landed);
                }
                Poll::Ready(Some(outcome))
            }
            Poll::Ready(None) if this.batches.is_done() => Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

type Outcome = BoxFuture<'static, (Target, Result<Sent, FlowError>)>;

#[derive(Debug)]
enum Outcomes {
    InOrder(FuturesOrdered<Outcome>),
    AsTheyCome(FuturesUnordered<Outcome>),
}

impl Outcomes {
    fn len(&self) -> usize {
        match self {
            Self::InOrder(outcomes) => outcomes.len(),
            Self::AsTheyCome(outcomes) => outcomes.len(),
        }
    }

    fn push(&mut self, outcome: Outcome) {
        match self {
            Self::InOrder(outcomes) => outcomes.push_back(outcome),
            Self::AsTheyCome(outcomes) => outcomes.push(outcome),
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Target, Result<Sent, FlowError>)>> {
        match self {
            Self::InOrder(outcomes) => outcomes.poll_next_unpin(cx),
            Self::AsTheyCome(outcomes) => outcomes.poll_next_unpin(cx),
        }
    }
}

/// Whether a batch must wait for one before it: those for any partition have no
/// order to keep.
fn is_busy(in_flight: &[Target], target: &Target) -> bool {
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
