//! A `Sink` over a buffered producer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Sink;
use futures::future::BoxFuture;

use super::handle::BufferedProducer;
use super::report::FlushReport;
use crate::error::{Error, SendError};
use crate::event::EventData;

/// A failure seen by a [`BufferedSink`].
///
/// `event` is the event that was refused; where accepted events failed later,
/// it is `None` and `error` the first failure since the last one reported.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct SinkError {
    /// The refused event, handed back.
    pub event: Option<Box<EventData>>,
    /// Why.
    #[source]
    pub error: Error,
}

impl From<SendError> for SinkError {
    fn from(refused: SendError) -> Self {
        Self {
            event: Some(refused.event),
            error: refused.error,
        }
    }
}

impl From<Error> for SinkError {
    fn from(error: Error) -> Self {
        Self { event: None, error }
    }
}

/// A [`Sink`] of events over a [`BufferedProducer`].
///
/// It owns one slot: `start_send` fills it, and `poll_ready` is ready once the
/// slot's event was accepted. A `Sink` cannot know an event's size before it is
/// given, so what is held is the buffer's bound and one event. `poll_flush` and
/// `poll_close` are barriers over everything accepted before; the producer's
/// other handles stay open.
///
/// A failure of accepted events is returned by the next poll, once; after that
/// the sink goes on. Sinks over one producer share its failures.
#[must_use = "sinks do nothing unless polled"]
pub struct BufferedSink {
    producer: BufferedProducer,
    slot: Option<BoxFuture<'static, Result<(), SendError>>>,
    flush: Option<BoxFuture<'static, FlushReport>>,
}

impl BufferedSink {
    pub(super) fn new(producer: BufferedProducer) -> Self {
        Self {
            producer,
            slot: None,
            flush: None,
        }
    }

    /// The producer behind the sink.
    #[must_use]
    pub fn producer(&self) -> &BufferedProducer {
        &self.producer
    }

    /// Waits until the slot's event was accepted, or is handed back.
    fn poll_slot(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        let Some(slot) = &mut self.slot else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(slot.as_mut().poll(cx));
        self.slot = None;
        Poll::Ready(result.map_err(SinkError::from))
    }
}

impl Sink<EventData> for BufferedSink {
    type Error = SinkError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        if let Some(failure) = self.producer.take_failure() {
            return Poll::Ready(Err(failure.into()));
        }
        ready!(self.poll_slot(cx))?;
        if self.producer.workers_wait() {
            // Comes back at once, but behind it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, event: EventData) -> Result<(), SinkError> {
        assert!(
            self.slot.is_none(),
            "`start_send` was called before `poll_ready` was ready"
        );
        // The common case has room and needs no future.
        let Err(refused) = self.producer.try_enqueue(event) else {
            return Ok(());
        };
        if *refused.error.kind() != crate::error::ErrorKind::BufferFull {
            return Err(refused.into());
        }
        let producer = self.producer.clone();
        self.slot = Some(Box::pin(
            async move { producer.enqueue(*refused.event).await },
        ));
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        ready!(self.poll_slot(cx))?;
        let this = &mut *self;
        let flush = this.flush.get_or_insert_with(|| {
            let producer = this.producer.clone();
            Box::pin(async move { producer.flush(Duration::MAX).await })
        });
        let report = ready!(flush.as_mut().poll(cx));
        this.flush = None;
        // The report holds these failures: they are told once.
        let earlier = this.producer.take_failure();
        let failure = earlier.map_or_else(|| report.into_result(), Err);
        Poll::Ready(failure.map_err(SinkError::from))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.poll_flush(cx)
    }
}

impl fmt::Debug for BufferedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedSink")
            .field("producer", &self.producer)
            .field("slot_full", &self.slot.is_some())
            .finish_non_exhaustive()
    }
}
