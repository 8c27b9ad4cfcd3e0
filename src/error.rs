//! The one error type, and the errors that hand an event or a batch back.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::EventBatch;
use crate::event::EventData;
use crate::partition::PartitionId;

/// How long a throttled caller waits when the service names no time.
///
/// Java, Python and the old .NET client use the same four seconds.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(4);

/// What went wrong, cheap to clone: one failed batch fails many events.
///
/// An `Error` never holds an event, a payload or a secret. Methods that refuse
/// an event return it in a [`SendError`] or a [`SendBatchError`].
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    fate_unknown: bool,
    partition: Option<PartitionId>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The classes of [`Error`] that a program can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The service is over its capacity and asks to wait.
    Throttled {
        /// The wait that the service asked for, four seconds where it named none.
        retry_after: Duration,
    },
    /// The connection, session or link broke, or could not be made.
    Disconnected,
    /// No answer within the time allowed.
    Timeout,
    /// The credentials lack the right, are wrong, or have expired.
    Unauthorized,
    /// The host does not prove by a certificate that it is who it should be.
    Untrusted,
    /// The event hub, consumer group or host does not exist.
    NotFound,
    /// An event or a batch is larger than the service takes.
    TooLarge {
        /// The encoded size, in bytes.
        size: u64,
        /// The most that is allowed, in bytes.
        limit: u64,
    },
    /// The partition does not exist, or does not match the batch.
    InvalidPartition,
    /// The position to read from does not exist.
    InvalidPosition,
    /// Options contradict each other or lie outside what the service takes.
    InvalidOptions,
    /// The connection string cannot be understood.
    InvalidConnectionString,
    /// A receiver was refused since another one holds the partition.
    OwnershipRefused(EpochConflict),
    /// A partition was held and is not any more.
    OwnershipLost(OwnershipLostReason),
    /// A write of an older generation was refused.
    Fenced,
    /// A store of checkpoints or owners cannot be reached, or cannot do its work.
    StoreUnavailable,
    /// A checkpoint is no position, or what is stored cannot be understood.
    CorruptCheckpoint,
    /// The buffer is full and its policy is not to wait.
    BufferFull,
    /// A batch costs more than the limiter's burst and could never pass.
    CostExceedsBurst {
        /// What the batch costs, in events or bytes.
        cost: u64,
        /// The most that passes at once, in the same unit.
        burst: u64,
    },
    /// The service gave the transfer back (released or modified): not stored by
    /// this attempt as far as one can know.
    NotAcknowledged,
    /// The service refused for a reason that has no kind of its own.
    Rejected {
        /// The AMQP condition, such as `amqp:not-allowed`.
        condition: String,
    },
    /// A quota of the service is used up, such as receivers per partition.
    QuotaExceeded,
    /// The other side broke the protocol.
    Protocol,
    /// Code that was called, such as a transport's, panicked.
    Panicked,
    /// The object was closed.
    Closed,
}

/// Why a partition is no longer ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnershipLostReason {
    /// Another receiver took it at the same or a higher owner level.
    Stolen(EpochConflict),
    /// The ownership record names another owner or a later generation.
    Revoked,
}

/// Who stands in the way of a receiver, as far as the service's text tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochConflict {
    /// The name of the receiver that holds the partition; `None` if it has none.
    pub holder: Option<String>,
    /// The holder's owner level (epoch).
    pub holder_level: Option<i64>,
    /// Our own owner level; `None` for a receiver without one.
    pub own_level: Option<i64>,
}

impl EpochConflict {
    /// The least owner level that displaces the holder.
    ///
    /// An equal level wins too: the service lets the last one have it.
    #[must_use]
    pub fn least_winning_level(&self) -> Option<i64> {
        self.holder_level
    }
}

impl Error {
    /// An error of a kind, with a sentence that says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::build(kind, message.into(), false, None, None)
    }

    fn build(
        kind: ErrorKind,
        message: String,
        fate_unknown: bool,
        partition: Option<PartitionId>,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                message,
                fate_unknown,
                partition,
                source,
            }),
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let Inner { kind, message, .. } = &*self.inner;
        Self::build(
            kind.clone(),
            message.clone(),
            self.inner.fate_unknown,
            self.inner.partition,
            Some(source.into()),
        )
    }

    /// The same error, marked: the batch was transferred and its fate was not
    /// learned. A transport says so where it cannot tell.
    #[must_use]
    pub fn with_unknown_fate(self) -> Self {
        let Inner { kind, message, .. } = &*self.inner;
        let (kind, message) = (kind.clone(), message.clone());
        let partition = self.inner.partition;
        Self::build(kind, message, true, partition, Some(Box::new(self)))
    }

    /// The same error, said to be about a partition: by a stream over several.
    #[must_use]
    pub fn with_partition(self, partition: PartitionId) -> Self {
        let Inner { kind, message, .. } = &*self.inner;
        let (kind, message) = (kind.clone(), message.clone());
        let fate_unknown = self.inner.fate_unknown;
        let source: Option<Box<dyn StdError + Send + Sync>> = match Arc::try_unwrap(self.inner) {
            Ok(inner) => inner.source,
            // Shared, so that its cause is: it becomes the cause itself.
            Err(inner) => Some(Box::new(Self { inner })),
        };
        Self::build(kind, message, fate_unknown, Some(partition), source)
    }

    /// An error about a partition, with its cause.
    pub(crate) fn about(
        partition: PartitionId,
        kind: ErrorKind,
        message: String,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::build(kind, message, false, Some(partition), Some(source.into()))
    }

    /// The partition that the error is about, where a primitive over several
    /// partitions tells it.
    #[must_use]
    pub fn partition(&self) -> Option<PartitionId> {
        self.inner.partition
    }

    /// What a program can act on.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// The sentence that says what happened and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Whether a batch that failed with this error may be stored all the same.
    #[must_use]
    pub fn is_fate_unknown(&self) -> bool {
        self.inner.fate_unknown
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Throttled { .. }
                | ErrorKind::Disconnected
                | ErrorKind::Timeout
                | ErrorKind::NotAcknowledged
                | ErrorKind::StoreUnavailable
        )
    }

    /// How long the service asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind() {
            ErrorKind::Throttled { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    pub(crate) fn invalid_options(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidOptions, message)
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(ErrorKind::Closed, format!("the {what} is closed"))
    }

    pub(crate) fn too_large(size: usize, limit: usize) -> Self {
        Self::new(
            ErrorKind::TooLarge {
                size: size as u64,
                limit: limit as u64,
            },
            format!("{size} bytes encoded exceed the limit of {limit} bytes: send a smaller event"),
        )
    }

    pub(crate) fn invalid_partition(partition: PartitionId, count: u32) -> Self {
        Self::new(
            ErrorKind::InvalidPartition,
            format!("partition {partition} does not exist: the hub has {count}, from 0"),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.inner.kind);
        debug.field("message", &self.inner.message);
        if self.inner.fate_unknown {
            debug.field("fate_unknown", &true);
        }
        if let Some(partition) = &self.inner.partition {
            debug.field("partition", partition);
        }
        if let Some(source) = &self.inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| &**source as _)
    }
}

/// An event that was not accepted, with the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct SendError {
    /// The event, as it was given. Boxed, so that a `Result` stays small where
    /// nothing is refused.
    pub event: Box<EventData>,
    /// Why it was not accepted.
    #[source]
    pub error: Error,
}

impl SendError {
    /// Hands an event back with the reason.
    #[must_use]
    pub fn new(event: EventData, error: Error) -> Self {
        let event = Box::new(event);
        Self { event, error }
    }
}

/// A batch that was not sent, or not known to be, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct SendBatchError {
    /// The batch, as it was given.
    pub batch: EventBatch,
    /// Why it was not acknowledged.
    #[source]
    pub error: Error,
}

impl SendBatchError {
    /// Hands a batch back with the reason.
    #[must_use]
    pub fn new(batch: EventBatch, error: Error) -> Self {
        Self { batch, error }
    }
}

impl From<SendError> for Error {
    fn from(refused: SendError) -> Self {
        refused.error
    }
}

impl From<SendBatchError> for Error {
    fn from(refused: SendBatchError) -> Self {
        refused.error
    }
}
