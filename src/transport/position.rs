//! Where a receiver starts to read.

use crate::value::Timestamp;

/// Where in a partition to start to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartPosition {
    /// At the oldest event still kept.
    #[default]
    Earliest,
    /// After the newest event: only what is stored from now on.
    Latest,
    /// After (or at) an offset, as [`ReceivedEvent::offset`] tells it.
    ///
    /// [`ReceivedEvent::offset`]: crate::ReceivedEvent::offset
    Offset {
        /// The offset: opaque.
        offset: String,
        /// Whether the event at the offset is read too.
        inclusive: bool,
    },
    /// After (or at) a sequence number.
    SequenceNumber {
        /// The sequence number.
        number: i64,
        /// Whether the event with that number is read too.
        inclusive: bool,
    },
    /// At the first event stored after a time.
    EnqueuedAfter(Timestamp),
}
