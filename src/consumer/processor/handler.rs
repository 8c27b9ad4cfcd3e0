//! The other shape: a handler for each event.

use std::error::Error as StdError;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::task::JoinSet;

use super::event_processor::EventProcessor;
use super::owned::OwnedPartition;
use crate::consumer::EventStream;
use crate::event::ReceivedEvent;
use crate::stream::{ProcessError, ProcessReport};

/// What became of the events of an [`EventProcessor::process`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProcessorReport {
    /// Events handled and acknowledged.
    pub handled: u64,
    /// Events whose handler failed.
    pub failed: u64,
    /// Events whose handler panicked.
    pub panicked: u64,
    /// Events handled after their partition was lost: another handles them again.
    pub fenced: u64,
    /// Events whose handler was aborted at a hand-over that took too long.
    pub aborted: u64,
    /// Events that were dropped unhandled since their partition was lost.
    pub lost: u64,
    /// Partitions that ended with an error.
    pub partitions_failed: u64,
}

impl ProcessorReport {
    fn note(&mut self, outcome: &Result<Arc<ReceivedEvent>, ProcessError>) {
        match outcome {
            Ok(_) => self.handled += 1,
            Err(ProcessError::PartitionEnded(_)) => self.partitions_failed += 1,
            Err(ProcessError::Failed { .. }) => self.failed += 1,
            Err(ProcessError::Panicked { .. }) => self.panicked += 1,
            Err(ProcessError::Fenced { .. }) => self.fenced += 1,
            Err(ProcessError::Aborted { .. }) => self.aborted += 1,
        }
        if let Err(error) = outcome {
            tracing::warn!(%error, "event not handled to its end");
        }
    }

    fn add(&mut self, other: Self) {
        self.handled += other.handled;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.fenced += other.fenced;
        self.aborted += other.aborted;
        self.lost += other.lost;
        self.partitions_failed += other.partitions_failed;
    }

    fn of(report: &ProcessReport) -> Self {
        let ended = |error: &&ProcessError| matches!(error, ProcessError::PartitionEnded(_));
        Self {
            handled: report.handled,
            failed: report.failed,
            panicked: report.panicked,
            fenced: report.fenced,
            aborted: report.aborted,
            lost: report.lost,
            partitions_failed: report.errors.iter().filter(ended).count() as u64,
        }
    }
}

impl EventProcessor {
    /// Runs a handler at each event of its partitions, up to `limit` at once for each
    /// partition, until it was [stopped](super::ProcessorHandle::stop) and all is handed
    /// over.
    ///
    /// It is [`process_concurrently`](EventStream::process_concurrently) for each
    /// partition: events of one key are handled in order, and an event is acknowledged
    /// after its handler has returned `Ok`. One whose handler failed or panicked is
    /// told of in a warning and not acknowledged: the checkpoint stays below it, so that
    /// the next owner handles it again, with all that came after it. A handler that can
    /// put such an event aside does so, and returns `Ok`.
    ///
    /// Handlers that are still at work when the hand-over time-out has passed are
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the future stops without waiting, and aborts the handlers.
    pub async fn process<H, Fut, E>(mut self, limit: NonZeroUsize, handler: H) -> ProcessorReport
    where
        H: Fn(Arc<ReceivedEvent>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let handler = Arc::new(handler);
        let mut report = ProcessorReport::default();
        let mut working = JoinSet::new();
        loop {
            tokio::select! {
                next = self.next() => match next {
                    Some(partition) => {
                        let handler = Arc::clone(&handler);
                        working.spawn(work(partition, limit, move |event| handler(event)));
                    }
                    None => break,
                },
                Some(Ok(worked)) = working.join_next() => report.add(worked),
            }
        }
        while let Some(worked) = working.join_next().await {
            report.add(worked.unwrap_or_default());
        }
        self.close().await;
        report
    }
}

async fn work<H, Fut, E>(
    partition: OwnedPartition,
    limit: NonZeroUsize,
    handler: H,
) -> ProcessorReport
where
    H: Fn(Arc<ReceivedEvent>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    let over = partition.over();
    let mut outcomes = partition.process_concurrently(limit, handler);
    let mut report = ProcessorReport::default();
    let handling = async {
        while let Some(outcome) = outcomes.next().await {
            report.note(&outcome);
        }
    };
    tokio::select! {
        () = handling => {}
        // It was not waited for any longer.
        () = over => {}
    }
    report.add(ProcessorReport::of(
        &outcomes.close_within(Duration::ZERO).await,
    ));
    report
}
