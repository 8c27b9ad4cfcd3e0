//! What an adapter hands back.

use crate::error::{Error, SendBatchError, SendError};
use crate::event::EventData;

/// An event or a batch that could not go on, with the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// An event that fits into no batch.
    #[error(transparent)]
    Event(#[from] SendError),
    /// A batch that cannot pass the limiter, or was not acknowledged.
    #[error(transparent)]
    Batch(#[from] SendBatchError),
}

impl FlowError {
    /// Why it could not go on.
    #[must_use]
    pub fn error(&self) -> &Error {
        match self {
            Self::Event(refused) => &refused.error,
            Self::Batch(refused) => &refused.error,
        }
    }

    /// The events that are handed back, in order.
    #[must_use]
    pub fn into_events(self) -> Vec<EventData> {
        match self {
            Self::Event(refused) => vec![*refused.event],
            Self::Batch(refused) => refused.batch.into_events(),
        }
    }
}

impl From<FlowError> for Error {
    fn from(failed: FlowError) -> Self {
        match failed {
            FlowError::Event(refused) => refused.error,
            FlowError::Batch(refused) => refused.error,
        }
    }
}
