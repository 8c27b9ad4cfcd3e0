//! What reads one partition: the state table, carried out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::buffer::Buffer;
use super::contest;
use super::credit::Credit;
use super::cursor::Cursor;
use super::explain;
use super::lane::Lane;
use super::liveness::Liveness;
use super::look::Look;
use super::meters::PartitionMeters;
use super::policy::EpochPolicy;
use super::records::Records;
use super::snapshot::PartitionState;
use super::start::{MissingPosition, after};
use super::state::{End, Event, Fault, History, State};
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;
use crate::sync::lock;
use crate::transport::{StartPosition, TransportConsumer, TransportReceiver};

/// How long a partition is read in peace before its thefts are forgotten.
pub(super) const PEACE: Duration = Duration::from_secs(60);

/// Thefts that make a war.
const WAR: u32 = 3;

#[derive(Debug)]
pub(super) struct Pump {
    pub(super) transport: Arc<dyn TransportConsumer>,
    pub(super) consumer_group: String,
    pub(super) name: String,
    pub(super) policy: EpochPolicy,
    /// The generation that somebody has claimed for it, and will release.
    pub(super) claim: Option<u64>,
    pub(super) missing: MissingPosition,
    pub(super) records: Records,
    pub(super) buffer: Arc<Buffer>,
    pub(super) lane: Arc<Lane>,
    pub(super) meters: PartitionMeters,
    pub(super) look: Look,
    /// Where to start if no checkpoint says so; fixed once it is known.
    pub(super) start: StartPosition,
    pub(super) life: Life,
}

/// What changes while it runs.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Where the next receiver starts, once that is found out.
    pub(super) position: Option<StartPosition>,
    /// The checkpoint that was read last: what the position may be of.
    pub(super) from: Option<i64>,
    /// A checkpoint whose events do not exist: it is reset once the partition is
    /// owned, if it is still there.
    pub(super) useless: Option<i64>,
    /// The last generation that was claimed.
    pub(super) claimed: Option<u64>,
    /// The generation that owns the partition: claimed, and the checkpoint fenced.
    pub(super) generation: Option<u64>,
    pub(super) receiver: Option<Box<dyn TransportReceiver>>,
    pub(super) cursor: Option<Arc<Cursor>>,
    pub(super) credit: Credit,
    /// The events that the receiver was asked for and that did not come yet.
    pub(super) asked: u32,
    pub(super) liveness: Liveness,
    pub(super) opened: Option<Instant>,
    ended: bool,
}

impl Pump {
    /// Reads the partition until it ends or `closing` does, then closes and gives
    /// it up.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<()>) -> Result<(), Error> {
        tokio::select! {
            biased;
            // Nothing is ever sent: the channel ends when the consumer closes.
            _ = closing.changed() => {}
            (end, error) = self.read_until_the_end() => {
                self.end(end, error);
                if end == End::Failed {
                    // Still its own: handlers may be at what was yielded.
                    let _ = closing.changed().await;
                }
            }
        }
        let closed = match self.life.receiver.take() {
            Some(receiver) => receiver.close().await,
            None => Ok(()),
        };
        let released = match self.life.claimed {
            Some(generation) if self.claim != Some(generation) => {
                self.records.release(generation).await
            }
            _ => Ok(()),
        };
        closed.and(released)
    }

    async fn read_until_the_end(&mut self) -> (End, Error) {
        let mut state = State::start(self.policy);
        let patience = self.policy.patience();
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        // What went wrong last.
        let mut failure = Error::closed("receiver");
        loop {
            self.tell(state);
            let outcome = match state {
                State::Probing(_) => self.probe().await,
                State::Opening(history) => self.open(history).await,
                State::Reading(history) => self.receive(history).await,
                State::BackingOff(history) => Ok(self.wait(history, &failure, deadline).await),
                State::Ended(end) => return (end, failure),
            };
            let event = outcome.unwrap_or_else(|error| {
                let level = state.history().and_then(|history| history.level);
                failure = contest::recognize(error, level);
                Event::Failed(self.fail(&failure))
            });
            state = state.next(self.policy, event);
        }
    }

    /// Nothing of this receiver is yielded from here on; the next one starts after
    /// the last event that was.
    fn fail(&mut self, failure: &Error) -> Fault {
        self.life.receiver = None;
        self.life.asked = 0;
        let last = self.life.cursor.take().and_then(|cursor| cursor.revoke());
        self.buffer.discard(self.lane.slot);
        if let Some(last) = last {
            self.life.position = Some(after(last));
        }
        let fault = match (failure.kind(), self.missing.start()) {
            (ErrorKind::InvalidPosition, Some(start)) => {
                self.relocate(start, failure);
                Fault::Transient
            }
            _ => Fault::of(failure),
        };
        if matches!(fault, Fault::Lost(_) | Fault::Refused(_)) && self.life.generation.is_some() {
            self.disown();
        }
        if self.life.generation.is_none() && self.records.stores.is_some() {
            // As above: nothing was owned yet.
            self.life.position = None;
        }
        let mut facts = lock(&self.lane.facts);
        facts.cursor = None;
        facts.yielded_before = last.or(facts.yielded_before);
        facts.credit = 0;
        if let Some(conflict) = contest::conflict(failure) {
            facts.owner.clone_from(&conflict.holder);
        }
        match fault {
            Fault::Lost(_) => facts.thefts += 1,
            Fault::Refused(_) => facts.refusals += 1,
            Fault::Transient | Fault::Final => {}
        }
        drop(facts);
        self.meters.failed(failure, fault);
        self.sample();
        fault
    }

    /// The generation owns it no more: nothing of it is written.
    pub(super) fn disown(&mut self) {
        self.life.generation = None;
        if self.records.stores.is_some() {
            // Whoever has it meanwhile may have come further.
            self.life.position = None;
        }
        lock(&self.lane.facts).generation = None;
        let ending = self.lane.progressed(|progress| {
            progress.end();
            Ok(())
        });
        if let Ok(((), change)) = ending {
            self.buffer.unblocked(&self.lane, change);
        }
    }

    /// Starts elsewhere, as the policy says: the position does not exist.
    fn relocate(&mut self, start: StartPosition, failure: &Error) {
        tracing::warn!(
            partition = %self.lane.partition,
            ?start,
            error = %failure,
            "partition starts elsewhere: its position does not exist"
        );
        // The numbers may begin anew, and with them all that is kept of them.
        let saved = self.lane.progress(|progress| progress.saved());
        self.life.useless = match self.life.generation {
            Some(_) => saved.map(|saved| saved.sequence_number),
            None => self.life.from,
        };
        if self.life.generation.is_some() {
            self.disown();
        }
        self.life.position = None;
        self.start = start;
    }

    /// Waits before the next try, but not beyond the policy's patience.
    async fn wait(
        &mut self,
        history: History,
        failure: &Error,
        deadline: Option<Instant>,
    ) -> Event {
        let delay = self.delay(history, failure);
        let until = Instant::now().checked_add(delay);
        let deadline = deadline.filter(|_| !history.owned);
        match (until, deadline) {
            (Some(until), Some(deadline)) if deadline < until => {
                tokio::time::sleep_until(deadline).await;
                Event::TimedOut
            }
            _ => {
                tokio::time::sleep(delay).await;
                Event::Waited
            }
        }
    }

    fn delay(&self, history: History, failure: &Error) -> Duration {
        let partition = self.lane.partition;
        match Fault::of(failure) {
            Fault::Lost(_) => {
                let delay = Backoff::new(Duration::from_secs(2), Duration::from_secs(60))
                    .long_delay(history.thefts);
                tracing::warn!(
                    %partition,
                    thefts = history.thefts,
                    war = history.thefts >= WAR,
                    level = history.level,
                    ?delay,
                    error = %failure,
                    "partition taken away: it is taken back"
                );
                delay
            }
            Fault::Refused(_) => {
                let delay = Backoff::new(Duration::from_secs(1), Duration::from_secs(10))
                    .long_delay(history.failures);
                tracing::info!(
                    %partition,
                    ?delay,
                    error = %failure,
                    "partition has an owner: it is waited for"
                );
                delay
            }
            Fault::Transient | Fault::Final => {
                let delay = Backoff::default().delay(history.failures, failure.retry_after());
                tracing::info!(
                    %partition,
                    failures = history.failures,
                    ?delay,
                    error = %failure,
                    "partition interrupted: it is opened again"
                );
                delay
            }
        }
    }

    /// Sets the gauges.
    pub(super) fn sample(&self) {
        let held = self.buffer.held(self.lane.slot);
        self.meters.sample(&self.lane, held);
    }

    fn tell(&self, state: State) {
        let mut facts = lock(&self.lane.facts);
        facts.state = match state {
            State::Probing(_) => PartitionState::Waiting,
            State::Opening(_) => PartitionState::Opening,
            State::Reading(_) => PartitionState::Reading,
            State::BackingOff(history) if self.policy.patience().is_some() && !history.owned => {
                PartitionState::Waiting
            }
            State::BackingOff(_) => PartitionState::BackingOff,
            State::Ended(_) => PartitionState::Ended,
        };
        if let Some(history) = state.history() {
            facts.level = history.level;
        }
    }

    fn end(&mut self, end: End, error: Error) {
        let partition = self.lane.partition;
        let level = lock(&self.lane.facts).level;
        let error = match end {
            End::Refused => explain::refused(self.policy, partition, error),
            End::Lost => explain::lost(self.policy, level, partition, error),
            End::Failed => explain::failed(partition, error),
        };
        tracing::warn!(%partition, %error, "partition ended");
        self.life.ended = true;
        self.buffer.end(self.lane.slot, Some(error));
    }
}

impl Drop for Pump {
    /// Whatever ended it, the streams and the handles must learn. A transport that
    /// panics takes its partition along.
    fn drop(&mut self) {
        if !self.life.ended && std::thread::panicking() {
            if let Some(cursor) = self.life.cursor.take() {
                cursor.revoke();
            }
            let error = Error::new(ErrorKind::Panicked, "its transport panicked");
            self.end(End::Failed, error);
        }
        self.buffer.end(self.lane.slot, None);
        self.disown();
        lock(&self.lane.facts).state = PartitionState::Ended;
    }
}
