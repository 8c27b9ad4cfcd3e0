//! Received events in chunks, by count, bytes and time.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::consumer::EventStream;
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use open_chunk::OpenChunk;

mod open_chunk;

/// Stream of [`EventStream::chunks_by`]: chunks of events, and the last words about
/// partitions.
///
/// A chunk mixes the partitions, each of which is in order. Nothing in it is
/// acknowledged: do so with [`ack_chunk`](Self::ack_chunk) when it is done.
///
/// It holds one open chunk, which is at most `count` events, and `bytes` unless it
/// is one larger event. The stream below is read only while it is being polled.
///
/// When a partition is lost, its events in the open chunk are dropped: another
/// owner reads them. Any other end of a partition comes after the open chunk.
///
/// # Cancel safety
/// Dropping a [`next`](StreamExt::next) loses nothing: all is kept in the stream.
///
/// # Examples
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
///
/// use eventhubs_flow::Error;
/// use eventhubs_flow::consumer::EventStream;
/// use futures::StreamExt;
///
/// async fn run(events: impl EventStream, count: NonZeroUsize) -> Result<(), Error> {
///     let bytes = NonZeroUsize::new(1 << 20).expect("not zero");
///     let mut chunks = events.chunks_by(count, bytes, Duration::from_secs(1));
///     while let Some(chunk) = chunks.next().await {
///         match chunk {
///             Ok(chunk) => {
///                 println!("{} events", chunk.len());
///                 chunks.ack_chunk(&chunk)?;
///             }
///             Err(ended) => eprintln!("{ended}"),
///         }
///     }
///     chunks.close().await
/// }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct ChunksBy<S> {
    events: S,
    has_ended: bool,
    open: OpenChunk,
    wait: Duration,
    // Boxed, so that the stream can be moved where the events can.
    timer: Option<Pin<Box<Sleep>>>,
    /// The end of a partition, which comes after the chunk that was open.
    ended: Option<Error>,
}

impl<S: EventStream> ChunksBy<S> {
    pub(crate) fn new(events: S, count: NonZeroUsize, bytes: NonZeroUsize, wait: Duration) -> Self {
        Self {
            events,
            has_ended: false,
            open: OpenChunk::new(count.get(), bytes.get()),
            wait,
            timer: None,
            ended: None,
        }
    }

    /// Acknowledges all of these events.
    ///
    /// # Errors
    /// The first error that [`EventStream::ack`] returned; all events are tried all
    /// the same.
    pub fn ack_chunk(&self, chunk: &[ReceivedEvent]) -> Result<(), Error> {
        let mut first = Ok(());
        for event in chunk {
            first = first.and(self.events.ack(event));
        }
        first
    }

    /// Reads nothing more: the stream ends after the open chunk.
    pub fn stop(&self) {
        self.events.stop();
    }

    /// Closes the stream below, which writes what was acknowledged as checkpoints.
    ///
    /// The open chunk is dropped, and comes again at a restart: to get it,
    /// [`stop`](Self::stop) and read to the end first.
    ///
    /// # Errors
    /// As [`EventStream::close`].
    ///
    /// # Cancel safety
    /// As [`EventStream::close`].
    pub async fn close(self) -> Result<(), Error> {
        self.events.close().await
    }

    /// Whether the open chunk has waited for long enough. The timer is polled once
    /// per call of `poll_next`, unless it was moved.
    fn is_due(&mut self, cx: &mut Context<'_>, is_polled: &mut bool) -> bool {
        // No timer for no wait, nor for one that never ends.
        let since = self.open.opened_at().filter(|_| !self.wait.is_zero());
        let Some(due) = since.and_then(|since| since.checked_add(self.wait)) else {
            return false;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
            *is_polled = false;
        }
        !std::mem::replace(is_polled, true) && timer.as_mut().poll(cx).is_ready()
    }

    /// Adds what the stream below yields; returns what that closes.
    fn add(&mut self, item: Result<ReceivedEvent, Error>) -> Option<Chunk> {
        let ended = match item {
            Ok(event) => return self.open.add(event, Instant::now).map(Ok),
            Err(ended) => ended,
        };
        if let (ErrorKind::OwnershipLost(_), Some(lost)) = (ended.kind(), ended.partition()) {
            self.open.lose(lost);
            return Some(Err(ended));
        }
        let Some(chunk) = self.open.take() else {
            return Some(Err(ended));
        };
        self.ended = Some(ended);
        Some(Ok(chunk))
    }
}

type Chunk = Result<Vec<ReceivedEvent>, Error>;

impl<S: EventStream> Stream for ChunksBy<S> {
    type Item = Chunk;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let this = self.get_mut();
        if let Some(ended) = this.ended.take() {
            return Poll::Ready(Some(Err(ended)));
        }
        let mut is_timer_polled = false;
        loop {
            // The timer comes first: a chunk that is due goes though the events
            // never pause.
            if this.has_ended || this.open.is_full() || this.is_due(cx, &mut is_timer_polled) {
                return Poll::Ready(this.open.take().map(Ok));
            }
            match this.events.poll_next_unpin(cx) {
                Poll::Ready(Some(item)) => {
                    if let Some(chunk) = this.add(item) {
                        return Poll::Ready(Some(chunk));
                    }
                }
                Poll::Ready(None) => this.has_ended = true,
                Poll::Pending => {
                    let idle = this.wait.is_zero().then(|| this.open.take()).flatten();
                    return idle.map_or(Poll::Pending, |chunk| Poll::Ready(Some(Ok(chunk))));
                }
            }
        }
    }
}
