//! What a flush and a close tell.

use std::sync::Arc;

use super::delivery::{Undelivered, UndeliveredReason};
use super::signal::Signal;
use crate::error::{Error, ErrorKind};
use crate::sync::{Mutex, lock};

/// What became of the events that were accepted before a flush and are not in
/// an earlier report.
#[derive(Debug, Clone, Default)]
#[must_use = "a flush can end with events that failed or are still under way"]
#[non_exhaustive]
pub struct FlushReport {
    /// Events that the hub acknowledged.
    pub delivered: u64,
    /// Events that ended otherwise.
    pub failed: u64,
    /// Events without an outcome when the time was up; a later report has them.
    pub pending: u64,
    /// The first error among the failed ones.
    pub first_error: Option<Error>,
}

impl FlushReport {
    /// `Ok` if every event was delivered.
    ///
    /// # Errors
    /// The first error if any event failed, [`ErrorKind::Timeout`] if any is
    /// still pending.
    pub fn into_result(self) -> Result<(), Error> {
        match self {
            Self {
                first_error: Some(error),
                ..
            } => Err(error),
            Self { pending: 0, .. } => Ok(()),
            Self { pending, .. } => Err(Error::new(
                ErrorKind::Timeout,
                format!("{pending} events had no outcome when the flush's time was up"),
            )),
        }
    }
}

/// What became of all events that a producer ever accepted.
#[derive(Debug, Clone, Default)]
#[must_use = "a close can hand back events that were not delivered"]
#[non_exhaustive]
pub struct CloseReport {
    /// Events accepted since the producer was opened: the sum of all below.
    pub accepted: u64,
    /// Events that the hub acknowledged.
    pub delivered: u64,
    /// Events refused for good.
    pub rejected: u64,
    /// Events whose attempts were used up.
    pub failed: u64,
    /// Events whose deadline passed before they were transferred.
    pub expired: u64,
    /// Events that were transferred and may be stored.
    pub unknown: u64,
    /// Events that newer ones displaced.
    pub dropped: u64,
    /// Events that were never transferred.
    pub returned: u64,
    /// The events that got an outcome other than delivered while the producer
    /// closed, unless a kept [`Delivery`](super::Delivery) has them.
    ///
    /// A second close finds this empty.
    pub undelivered: Vec<Undelivered>,
}

impl CloseReport {
    /// `Ok` if every event ever accepted was delivered.
    ///
    /// # Errors
    /// The report itself if any was not.
    // The report holds what the caller wants back.
    #[allow(clippy::result_large_err)]
    pub fn into_result(self) -> Result<(), Self> {
        if self.delivered == self.accepted {
            Ok(())
        } else {
            Err(self)
        }
    }

    pub(super) fn count(&mut self, events: u64, reason: Option<UndeliveredReason>) {
        self.accepted += events;
        match reason {
            None => self.delivered += events,
            Some(UndeliveredReason::Rejected) => self.rejected += events,
            Some(UndeliveredReason::Failed { .. }) => self.failed += events,
            Some(UndeliveredReason::Expired) => self.expired += events,
            Some(UndeliveredReason::Unknown) => self.unknown += events,
            Some(UndeliveredReason::Dropped) => self.dropped += events,
            Some(UndeliveredReason::Returned) => self.returned += events,
        }
    }
}

/// Counts the batches between two flushes until all of them have an outcome.
#[derive(Default)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
    settled: Signal,
}

#[derive(Default)]
struct Counts {
    open_batches: u64,
    report: FlushReport,
}

impl Tally {
    /// A batch was closed, or one of its parts leaves it; so many more events are
    /// pending.
    pub(super) fn begin(&self, events: usize) {
        let mut counts = lock(&self.counts);
        counts.open_batches += 1;
        counts.report.pending += events as u64;
    }

    /// A batch got its outcome.
    pub(super) fn end(&self, delivered: usize, failed: usize, error: Option<&Error>) {
        let settled = {
            let mut counts = lock(&self.counts);
            counts.open_batches -= 1;
            let report = &mut counts.report;
            report.pending -= (delivered + failed) as u64;
            report.delivered += delivered as u64;
            report.failed += failed as u64;
            if let Some(error) = error {
                report.first_error.get_or_insert_with(|| error.clone());
            }
            counts.open_batches == 0
        };
        if settled {
            self.settled.give();
        }
    }

    /// Waits until every batch has its outcome; no batch may begin any more.
    pub(super) async fn settled(&self) {
        loop {
            let signal = self.settled.subscribe();
            if self.is_settled() {
                return;
            }
            // Resolves, given or not, only when the signal was.
            let _ = signal.await;
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        lock(&self.counts).open_batches == 0
    }

    /// Moves what was not reported yet into a report; pending events stay.
    pub(super) fn report_into(&self, sum: &mut FlushReport) {
        let mut counts = lock(&self.counts);
        let report = &mut counts.report;
        sum.delivered += std::mem::take(&mut report.delivered);
        sum.failed += std::mem::take(&mut report.failed);
        sum.pending += report.pending;
        if let Some(error) = report.first_error.take() {
            sum.first_error.get_or_insert(error);
        }
    }
}

/// The tallies that are not wholly reported; the last one is current.
pub(super) struct Ledger {
    tallies: Vec<Arc<Tally>>,
}

impl Ledger {
    pub(super) fn new(current: Arc<Tally>) -> Self {
        Self {
            tallies: vec![current],
        }
    }

    /// The tally of what is accepted now.
    pub(super) fn current(&self) -> Arc<Tally> {
        Arc::clone(self.tallies.last().expect("there is always one"))
    }

    /// Makes `current` the tally of what is accepted from now on and returns the
    /// earlier ones.
    pub(super) fn turn(&mut self, current: Arc<Tally>) -> Vec<Arc<Tally>> {
        let earlier = self.tallies.clone();
        self.tallies.push(current);
        earlier
    }

    /// Reports tallies, and forgets those that have nothing left to tell.
    pub(super) fn report(&mut self, covered: &[Arc<Tally>]) -> FlushReport {
        let mut report = FlushReport::default();
        for tally in covered {
            tally.report_into(&mut report);
        }
        let is_covered = |tally: &Arc<Tally>| covered.iter().any(|of| Arc::ptr_eq(of, tally));
        self.tallies
            .retain(|tally| !(is_covered(tally) && tally.is_settled()));
        report
    }
}
