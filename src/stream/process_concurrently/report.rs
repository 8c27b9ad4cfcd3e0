//! What a close tells, and what is held meanwhile.

use std::sync::Arc;

use super::error::ProcessError;
use crate::error::Error;
use crate::event::ReceivedEvent;

/// What became of the events whose outcomes were not taken before a close.
#[derive(Debug, Default)]
#[must_use = "a close can end with events that were not handled"]
#[non_exhaustive]
pub struct ProcessReport {
    /// Events handled and acknowledged.
    pub handled: u64,
    /// Events whose handler failed.
    pub failed: u64,
    /// Events whose handler panicked.
    pub panicked: u64,
    /// Events handled after their partition was lost.
    pub fenced: u64,
    /// Events whose handler was aborted, or never started since time was up.
    pub aborted: u64,
    /// Events that were dropped unhandled since their partition was lost: all of
    /// them since the adapter was made.
    pub lost: u64,
    /// The errors, as they came, with their events; the ends of partitions too. At
    /// most as many as were held.
    pub errors: Vec<ProcessError>,
    /// Why the stream below did not close as it should: a checkpoint may be
    /// missing.
    pub close_error: Option<Error>,
}

impl ProcessReport {
    /// `Ok` if all events were handled and acknowledged, no partition ended
    /// meanwhile, and the stream below is closed. Lost events do not count: they are
    /// another owner's.
    ///
    /// # Errors
    /// The report itself if any was not.
    // The report holds what the caller wants back.
    #[allow(clippy::result_large_err)]
    pub fn into_result(self) -> Result<(), Self> {
        if self.errors.is_empty() && self.close_error.is_none() {
            Ok(())
        } else {
            Err(self)
        }
    }

    pub(super) fn count(&mut self, outcome: Result<Arc<ReceivedEvent>, ProcessError>) {
        let Err(error) = outcome else {
            self.handled += 1;
            return;
        };
        match &error {
            ProcessError::Failed { .. } => self.failed += 1,
            ProcessError::Panicked { .. } => self.panicked += 1,
            ProcessError::Fenced { .. } => self.fenced += 1,
            ProcessError::Aborted { .. } => self.aborted += 1,
            ProcessError::PartitionEnded(_) => {}
        }
        self.errors.push(error);
    }
}

/// What a [`ProcessConcurrently`](super::ProcessConcurrently) holds, as of when it
/// was last polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProcessSnapshot {
    /// Events whose handler was started and has no outcome yet.
    pub running: usize,
    /// Events that wait for their key's turn or for a free place.
    pub waiting: usize,
    /// Outcomes that nobody took yet.
    pub untaken: usize,
    /// Events that were dropped unhandled since their partition was lost: all of
    /// them since the adapter was made.
    pub lost: u64,
}
