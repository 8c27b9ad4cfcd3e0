//! Moves one partition's events from its receiver into the inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::explain::explain;
use super::inbox::Inbox;
use super::policy::EpochPolicy;
use super::state::{Action, Failure, Happened, State};
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::transport::{ReceiverOptions, StartPosition, TransportConsumer, TransportReceiver};

/// The wait before the first new attempt; it doubles with each failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(800);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Counts the ownerships of this process.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

pub(super) struct Pump {
    pub(super) transport: Arc<dyn TransportConsumer>,
    pub(super) inbox: Arc<Inbox>,
    /// The partition's place in the inbox.
    pub(super) index: usize,
    pub(super) options: ReceiverOptions,
    pub(super) policy: EpochPolicy,
    pub(super) closing: watch::Receiver<bool>,
}

impl Pump {
    /// Runs until the partition is lost or the consumer closes.
    pub(super) async fn run(mut self) {
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let mut closing = self.closing.clone();
        let mut state = State::START;
        let mut receiver: Option<Box<dyn TransportReceiver>> = None;
        loop {
            let step = async {
                match &mut receiver {
                    None => {
                        receiver = Some(self.transport.open_receiver(self.options.clone()).await?);
                        Ok(None)
                    }
                    Some(receiver) => {
                        let credit = self.inbox.credit(self.index).await;
                        receiver.receive(credit).await.map(Some)
                    }
                }
            };
            let happened: Result<Option<Vec<ReceivedEvent>>, Error> = tokio::select! {
                // The sender goes with the consumer, which ends this task.
                _ = closing.wait_for(|closing| *closing) => break,
                result = step => result,
            };
            let error = match happened {
                Ok(None) => {
                    tracing::info!(partition = %self.options.partition, generation, "attached");
                    state = state.next(Happened::Attached).0;
                    continue;
                }
                Ok(Some(events)) => {
                    self.received(events, generation);
                    continue;
                }
                Err(error) => error,
            };
            receiver = None;
            let (next, action) = state.next(Happened::Failed(Failure::of(&error)));
            state = next;
            match action {
                Action::AttachAgain { failures } => {
                    let wait = backoff(failures).max(error.retry_after().unwrap_or_default());
                    let partition = self.options.partition;
                    tracing::debug!(%partition, ?wait, %error, "attaching again");
                    tokio::select! {
                        _ = closing.wait_for(|closing| *closing) => break,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                action => return self.lost(error, action == Action::Discard),
            }
        }
        if let Some(receiver) = receiver
            && let Err(error) = receiver.close().await
        {
            tracing::debug!(partition = %self.options.partition, %error, "closed");
        }
        self.inbox.end(self.index, None, false);
    }

    fn received(&mut self, events: Vec<ReceivedEvent>, generation: u64) {
        if let Some(last) = events.last() {
            // Exclusive: a position beyond the last event is refused.
            self.options.position = StartPosition::SequenceNumber {
                number: last.sequence_number(),
                inclusive: false,
            };
        }
        let stamp = |event: ReceivedEvent| event.with_generation(generation);
        let events = events.into_iter().map(stamp).collect();
        self.inbox.push(self.index, events);
    }

    fn lost(&self, error: Error, discard: bool) {
        let ReceiverOptions {
            partition,
            consumer_group,
            ..
        } = &self.options;
        let reason = explain(*partition, consumer_group, self.policy, error);
        tracing::warn!(%partition, consumer_group, %reason, "partition lost");
        self.inbox.end(self.index, Some(reason), discard);
    }
}

fn backoff(failures: u32) -> Duration {
    let factor = 1 << (failures - 1).min(16);
    LONGEST_BACKOFF.min(FIRST_BACKOFF * factor)
}
