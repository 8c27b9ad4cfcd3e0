//! Single events become batches.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{Fuse, Stream, StreamExt};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::batch_options::BatchOptions;
use super::error::FlowError;
use super::open_batches::OpenBatches;
use crate::batch::EventBatch;
use crate::event::EventData;

pin_project! {
    /// Stream of [`EventStreamExt::batched`](super::EventStreamExt::batched).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Batched<S> {
        #[pin]
        events: Fuse<S>,
        // Boxed, so that the stream can be moved where the events can.
        timer: Option<Pin<Box<Sleep>>>,
        batches: OpenBatches,
    }
}

impl<S: Stream<Item = EventData>> Batched<S> {
    pub(super) fn new(events: S, options: BatchOptions) -> Self {
        Self {
            events: events.fuse(),
            timer: None,
            batches: OpenBatches::new(options),
        }
    }
}

impl<S: Stream<Item = EventData>> Stream for Batched<S> {
    type Item = Result<EventBatch, FlowError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let mut is_timer_polled = false;
        loop {
            if let Some(item) = this.batches.take_closed() {
                return Poll::Ready(Some(item));
            }
            // The timer comes first: a batch that is due goes though the events
            // of others never pause. Once per call is enough unless it was moved.
            if let Some(due) = this.batches.due_at() {
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                    is_timer_polled = false;
                }
                if !is_timer_polled && timer.as_mut().poll(cx).is_ready() {
                    this.batches.close_due(Instant::now());
                    continue;
                }
                is_timer_polled = true;
            }
            match this.events.as_mut().poll_next(cx) {
                Poll::Ready(Some(event)) => this.batches.add(event, Instant::now),
                Poll::Ready(None) => {
                    this.batches.close_all();
                    return Poll::Ready(this.batches.take_closed());
                }
                Poll::Pending => {
                    this.batches.close_idle();
                    let closed = this.batches.take_closed();
                    return closed.map_or(Poll::Pending, |item| Poll::Ready(Some(item)));
                }
            }
        }
    }
}
