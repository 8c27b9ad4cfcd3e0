//! The half behind the hub: events in, handled, acknowledged, in checkpoints.

use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::consumer::epoch_safe::{
    ConsumerHandle, EpochSafeConsumer, EpochSafeConsumerOptions, PartitionSnapshot, PartitionState,
};
use eventhubs_flow::prelude::*;
use eventhubs_flow::stream::{ProcessConcurrently, ProcessReport};
use eventhubs_flow::transport::{PartitionProperties, StartPosition};
use eventhubs_flow::{Error, EventHub};
use futures::StreamExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::common::{Failure, Place};
use crate::counts::Counts;

/// Handlers at once.
const HANDLERS: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");
/// Events of a partition between two checkpoints, and the time.
const CHECKPOINT_EVENTS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// All partitions, read from their checkpoints on.
pub(crate) struct Reading {
    handle: ConsumerHandle,
    end: oneshot::Sender<Duration>,
    working: JoinHandle<ProcessReport>,
}

impl Reading {
    pub(crate) async fn start(place: &Place, counts: Arc<Counts>) -> Result<Self, Failure> {
        let options = EpochSafeConsumerOptions::default()
            .with_store(place.store("pipeline").await?)
            .with_position(StartPosition::Earliest);
        let events = place.hub.epoch_safe_consumer(options).await?;
        let handle = events.handle();
        let (end, ended) = oneshot::channel();
        let working = tokio::spawn(work(events, counts, ended));
        Ok(Self {
            handle,
            end,
            working,
        })
    }

    /// Reads on to the last event that the hub has now, handles it, writes the
    /// checkpoints and lets go of the partitions.
    pub(crate) async fn finish(self, hub: &EventHub, within: Duration) -> Result<(), Failure> {
        let late = |_| format!("what was sent was not read within {within:?}");
        let read = timeout(within, read_to_the_end(&self.handle, hub)).await;
        // It may have ended by itself.
        let _ = self.end.send(within);
        let report = self.working.await?;
        read.map_err(late)??;
        report.close_error.map_or(Ok(()), |error| Err(error.into()))
    }
}

async fn work(
    events: EpochSafeConsumer,
    counts: Arc<Counts>,
    mut ended: oneshot::Receiver<Duration>,
) -> ProcessReport {
    let events = events.checkpoint_every(CHECKPOINT_EVENTS, CHECKPOINT_EVERY);
    let mut outcomes: ProcessConcurrently<_> =
        events.process_concurrently(HANDLERS, move |event| {
            counts.note(&event);
            std::future::ready(Ok::<_, Infallible>(()))
        });
    let within = loop {
        tokio::select! {
            outcome = outcomes.next() => match outcome {
                Some(Ok(_)) => {}
                Some(Err(error)) => eprintln!("Error: {error}"),
                None => {
                    println!("Nothing is read any more: all partitions are lost.");
                    break Duration::ZERO;
                }
            },
            within = &mut ended => break within.unwrap_or_default(),
        }
    };
    outcomes.close_within(within).await
}

/// Waits until all that the hub has now is read and acknowledged, but for partitions
/// that were lost to others.
async fn read_to_the_end(handle: &ConsumerHandle, hub: &EventHub) -> Result<(), Error> {
    let mut ends = Vec::new();
    for partition in hub.properties().await?.partitions {
        let end = hub.partition_properties(partition).await?;
        if !end.is_empty {
            ends.push(end);
        }
    }
    let mut look = interval(Duration::from_millis(20));
    loop {
        look.tick().await;
        let read = handle.snapshot().partitions;
        let is_done = |end: &PartitionProperties| {
            let mut read = read.iter();
            read.any(|read| read.partition == end.partition && is_read(read, end))
        };
        if ends.iter().all(is_done) {
            return Ok(());
        }
    }
}

fn is_read(read: &PartitionSnapshot, end: &PartitionProperties) -> bool {
    let done = read.last_yielded.max(read.checkpoint);
    let is_all = done >= Some(end.last_enqueued_sequence_number) && read.unacknowledged == 0;
    is_all || read.state == PartitionState::Ended
}
