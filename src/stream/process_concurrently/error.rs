//! What an event's handling can end with.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

/// An event that was not handled or not acknowledged, or the end of a partition.
///
/// The event is kept: put it aside, and then
/// [`ack`](super::ProcessConcurrently::ack) it, so that checkpoints go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The handler returned an error. The event is not acknowledged.
    #[error("the handler failed at {}", place(event))]
    #[non_exhaustive]
    Failed {
        /// The event, as it was handled.
        event: Arc<ReceivedEvent>,
        /// The handler's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The handler panicked. The event is not acknowledged.
    ///
    /// What the panic said is not kept, since it may tell of the event.
    #[error("the handler panicked at {}", place(event))]
    #[non_exhaustive]
    Panicked {
        /// The event, as it was handled.
        event: Arc<ReceivedEvent>,
    },
    /// The handler did its work, but the partition was lost meanwhile: another
    /// owner reads the event again.
    #[error(
        "handled and not acknowledged, another owner reads it again: {}",
        place(event)
    )]
    #[non_exhaustive]
    Fenced {
        /// The event, as it was handled.
        event: Arc<ReceivedEvent>,
        /// What the acknowledgement was refused with:
        /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced).
        source: Error,
    },
    /// The handler was not run to its end, or not at all, since a close had no
    /// more time or the runtime shut down. The event is not acknowledged.
    #[error("the handler was aborted at {}", place(event))]
    #[non_exhaustive]
    Aborted {
        /// The event, as it was given to the handler.
        event: Arc<ReceivedEvent>,
    },
    /// The last word about a partition.
    #[error(transparent)]
    PartitionEnded(Error),
}

impl ProcessError {
    /// The event; `None` if it is about a partition.
    #[must_use]
    pub fn event(&self) -> Option<&Arc<ReceivedEvent>> {
        match self {
            Self::Failed { event, .. }
            | Self::Panicked { event }
            | Self::Fenced { event, .. }
            | Self::Aborted { event } => Some(event),
            Self::PartitionEnded(_) => None,
        }
    }

    /// The partition that it is about.
    #[must_use]
    pub fn partition(&self) -> Option<PartitionId> {
        match self {
            Self::PartitionEnded(error) => error.partition(),
            _ => self.event().map(|event| event.partition()),
        }
    }
}

fn place(event: &ReceivedEvent) -> String {
    let number = event.sequence_number();
    format!("event {number} of partition {}", event.partition())
}
