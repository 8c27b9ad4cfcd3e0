//! What the adapters of this crate ask of a stream of received events.

use std::error::Error as StdError;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;

use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::stream::{ChunksBy, ProcessConcurrently};

/// A stream of received events that knows what was done with them.
///
/// An item is an event, or the last word about a partition
/// ([`Error::partition`]); the stream goes on with the other partitions after
/// that. It ends when none is left, or once it was [stopped](Self::stop).
///
/// The `try_*` combinators of `futures` stop at the first error, and so lose the
/// other partitions: match on the items instead.
pub trait EventStream:
    Stream<Item = Result<ReceivedEvent, Error>> + Unpin + Send + Sized + 'static
{
    /// Says that an event is done: in any order, and more than once. What is
    /// written as checkpoint is the highest event up to which all are done.
    ///
    /// Without a checkpoint store it does nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) if the event's generation
    /// owns its partition no more: whoever does reads it again.
    fn ack(&self, event: &ReceivedEvent) -> Result<(), Error>;

    /// Yields nothing more: the stream ends. Its partitions stay its own until it
    /// is closed, so that what was yielded can still be acknowledged.
    fn stop(&self);

    /// Stops, writes what was acknowledged as checkpoints, gives its partitions
    /// up and waits until the service has let go of them: in this order.
    ///
    /// # Errors
    /// The first error met on the way; all of it is tried all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting; a checkpoint may be missing.
    fn close(self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Runs a handler at each event, up to `limit` at once, acknowledges the events
    /// that it is done with, and yields one outcome per event as they come. See
    /// [`ProcessConcurrently`].
    ///
    /// Each handler runs in a task of its own. Events of one partition and
    /// [key](ReceivedEvent::partition_key) are handled one at a time and in order,
    /// also after one of them failed; events without a key beside all others.
    ///
    /// # Panics
    /// The stream panics if it is polled outside of a tokio runtime with time
    /// enabled.
    fn process_concurrently<H, Fut, E>(
        self,
        limit: NonZeroUsize,
        handler: H,
    ) -> ProcessConcurrently<Self>
    where
        H: Fn(Arc<ReceivedEvent>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        ProcessConcurrently::new(self, limit, handler)
    }

    /// Gathers events into chunks, in order, and acknowledges none. See [`ChunksBy`].
    ///
    /// A chunk closes when it has `count` events, when the next one would exceed
    /// `bytes` encoded bytes (a larger event is a chunk of its own), when `wait`
    /// passed since its first event, and when the stream ends. A `wait` of zero
    /// closes it as soon as no next event is ready.
    ///
    /// # Panics
    /// The stream panics if it is polled outside of a tokio runtime with time
    /// enabled.
    fn chunks_by(self, count: NonZeroUsize, bytes: NonZeroUsize, wait: Duration) -> ChunksBy<Self> {
        ChunksBy::new(self, count, bytes, wait)
    }
}
