//! A handler runs at each event, many at once.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use tokio::time::timeout;

use crate::consumer::EventStream;
use crate::error::Error;
use crate::event::ReceivedEvent;
use handling::{BoxError, Handler};
use work::Work;

mod error;
mod handling;
mod lanes;
mod metrics;
mod partition;
mod report;
mod work;

pub use error::ProcessError;
pub use report::{ProcessReport, ProcessSnapshot};

/// How long a close waits for handlers that it aborted: one that blocks its
/// thread cannot be.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// Stream of [`EventStream::process_concurrently`]: one outcome per event, in the
/// order in which handlers end, and the last words about partitions.
///
/// ```text
///  EventStream ─▶ waiting ─▶ running (limit) ─▶ ack ─▶ outcomes ─▶ next()
///                 └──────────── 2 × limit in all ────────────┘
/// ```
///
/// - **Acknowledging.** An event whose handler returned `Ok` is acknowledged, once
///   and after that. One whose handler failed or panicked is not: the checkpoint
///   stays below it until the reader [acknowledges](Self::ack) it, say after it put
///   the event from the [`ProcessError`] aside. So at a restart it comes again, with
///   all that came after it.
/// - **Order.** One partition's events of one key are handled one at a time and in
///   order. A failed one does not hold up the next. Events without a key have no
///   order. The oldest event that may run starts first.
/// - **Bound.** At most `2 * limit` events are held: running, waiting, or as
///   outcomes not taken. Beyond that the stream below is not read. A busy key may
///   fill that room with its own events, which then run one by one.
/// - **Driven by its reader.** Handlers run on their own, but it is
///   [`next`](StreamExt::next) that acknowledges, reads and starts more.
/// - **A lost partition.** When the stream below says that it was lost, or refuses
///   an acknowledgement as fenced, events of it that wait are dropped without a
///   handler and without an outcome: another owner reads them. They are counted as
///   [`lost`](ProcessSnapshot::lost). Handlers that run go on to their end, whose
///   outcome is then [`ProcessError::Fenced`].
/// - **A handler that panics** ends alone. The program's panic hook is called as
///   always, and may print what the panic said.
/// - **A handler that hangs** keeps its place, and is reported
///   ([`with_slow_after`](Self::with_slow_after)): set a time-out inside the handler.
///
/// Dropping it aborts the handlers; their events come again at a restart. To end
/// well, [`close`](Self::close) it.
///
/// # Cancel safety
/// Dropping a [`next`](StreamExt::next) loses nothing: all is kept in the stream.
///
/// # Examples
/// ```
/// use std::num::NonZeroUsize;
///
/// use eventhubs_flow::Error;
/// use eventhubs_flow::consumer::EventStream;
/// use eventhubs_flow::stream::ProcessError;
/// use futures::StreamExt;
///
/// async fn run(events: impl EventStream, limit: NonZeroUsize) -> Result<(), Error> {
///     let mut outcomes = events.process_concurrently(limit, |event| async move {
///         let text = std::str::from_utf8(event.body())?;
///         println!("{}: {} characters", event.offset(), text.chars().count());
///         Ok::<_, std::str::Utf8Error>(())
///     });
///     while let Some(outcome) = outcomes.next().await {
///         match outcome {
///             Ok(_handled) => {}
///             Err(ProcessError::Failed { event, source, .. }) => {
///                 eprintln!("put aside: {source}");
///                 outcomes.ack(&event)?;
///             }
///             Err(other) => eprintln!("{other}"),
///         }
///     }
///     outcomes.close().await.close_error.map_or(Ok(()), Err)
/// }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ProcessConcurrently<S> {
    events: S,
    has_ended: bool,
    work: Work,
}

impl<S: EventStream> ProcessConcurrently<S> {
    pub(crate) fn new<H, Fut, E>(events: S, limit: NonZeroUsize, handler: H) -> Self
    where
        H: Fn(Arc<ReceivedEvent>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self {
            events,
            has_ended: false,
            work: Work::new(limit, Handler::new(handler)),
        }
    }

    /// Reports a handler that runs for longer than this, once: a warning with the
    /// event's place, and the metric
    /// [`PROCESS_SLOW`](crate::telemetry::PROCESS_SLOW).
    ///
    /// Defaults to 60 s.
    pub fn with_slow_after(mut self, slow_after: Duration) -> Self {
        self.work.slow_after = slow_after;
        self
    }

    /// Says that an event is done that was not handled as it should.
    ///
    /// # Errors
    /// As [`EventStream::ack`].
    pub fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        self.events.ack(event)
    }

    /// Reads nothing more: the stream ends after the outcomes of what is held.
    ///
    /// Before a [`close`](Self::close), it leaves time to acknowledge events whose
    /// handler failed.
    pub fn stop(&self) {
        self.events.stop();
    }

    /// What is held.
    #[must_use]
    pub fn snapshot(&self) -> ProcessSnapshot {
        self.work.snapshot()
    }

    /// Stops, lets all handlers end, those of waiting events too, acknowledges
    /// their events, and closes the stream below, which writes the checkpoints and
    /// gives the partitions up: in this order.
    ///
    /// It takes as long as the handlers do. The events of the errors in the report
    /// can be acknowledged no more: [`stop`](Self::stop) and read to the end first
    /// where that matters. The report tells too why the stream below did not close,
    /// if so.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the handlers, as dropping the stream does.
    pub async fn close(mut self) -> ProcessReport {
        let mut report = ProcessReport::default();
        self.events.stop();
        self.drain(&mut report).await;
        self.end(report).await
    }

    /// Like [`close`](Self::close), but aborts the handlers that still run after so
    /// long and starts no more. Their events are in the report, as
    /// [`ProcessError::Aborted`], and are not acknowledged.
    ///
    /// A handler that blocks its thread cannot be aborted: it is waited for for one
    /// more second, and then left to itself. The deadline is not about the
    /// checkpoints that are written after that.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the handlers, as dropping the stream does.
    pub async fn close_within(mut self, deadline: Duration) -> ProcessReport {
        let mut report = ProcessReport::default();
        self.events.stop();
        if timeout(deadline, self.drain(&mut report)).await.is_err() {
            self.work.abort();
            if timeout(ABORT_GRACE, self.drain(&mut report)).await.is_err() {
                let rest = self.work.give_up().into_iter();
                rest.for_each(|outcome| report.count(outcome));
            }
        }
        self.end(report).await
    }

    async fn drain(&mut self, report: &mut ProcessReport) {
        while let Some(outcome) = self.next().await {
            report.count(outcome);
        }
    }

    async fn end(self, mut report: ProcessReport) -> ProcessReport {
        let Self { events, work, .. } = self;
        report.lost = work.snapshot().lost;
        drop(work);
        report.close_error = events.close().await.err();
        report
    }

    fn collect(&mut self, cx: &mut Context<'_>) {
        let events = &self.events;
        self.work.collect(cx, |event| events.ack(event));
    }

    fn read(&mut self, cx: &mut Context<'_>) {
        while !self.has_ended && self.work.has_room() {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(event))) => self.work.add(event),
                Poll::Ready(Some(Err(error))) => self.work.partition_ended(error),
                Poll::Ready(None) => self.has_ended = true,
                Poll::Pending => return,
            }
        }
    }
}

impl<S: EventStream> Stream for ProcessConcurrently<S> {
    type Item = Result<Arc<ReceivedEvent>, ProcessError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            this.collect(cx);
            // Before anything is started: it may tell of a theft.
            this.read(cx);
            let is_any_started = this.work.start();
            if let Some(outcome) = this.work.take() {
                return Poll::Ready(Some(outcome));
            }
            if !is_any_started {
                let is_done = this.has_ended && this.work.is_empty();
                return if is_done {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
            // Once more, to be woken when one of the started ends.
        }
    }
}
