//! What the adapters of this crate ask of a stream of received events.

use futures::Stream;

use crate::error::Error;
use crate::event::ReceivedEvent;

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
}
