//! How a partition is opened: found out where, attached, claimed, fenced; in this
//! order.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use super::cursor::Cursor;
use super::liveness::Begin;
use super::pump::Pump;
use super::records::Standing;
use super::start::{self, after};
use super::state::{Event, History};
use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::sync::lock;
use crate::transport::{PartitionProperties, ReceiverOptions, StartPosition, TransportReceiver};

/// How long to look for word of a displacement after others claimed meanwhile.
const DOUBT: Duration = Duration::from_secs(10);

type Receiver = Box<dyn TransportReceiver>;

impl Pump {
    /// Looks whether the partition has an owner. A receiver without a level
    /// displaces nobody.
    pub(super) async fn probe(&mut self) -> Result<Event, Error> {
        let options = self.receiver_options(None, StartPosition::Earliest);
        match self.transport.open_receiver(options).await {
            Ok(probe) => {
                // What it says of its close is of no interest: it has shown enough.
                let _ = probe.close().await;
                Ok(Event::Free)
            }
            // Five others without a level, and so no owner.
            Err(error) if *error.kind() == ErrorKind::QuotaExceeded => Ok(Event::Free),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn open(&mut self, history: History) -> Result<Event, Error> {
        if history.owned || self.claim.is_some() {
            self.check_standing().await?;
        }
        if history.owned {
            lock(&self.lane.facts).reopened += 1;
        }
        let mut position = self.locate().await?;
        let receiver = if history.level.is_none() || self.life.generation.is_some() {
            self.attach(history, &position).await?
        } else {
            let claimed_before = match self.claim {
                Some(claimed) => claimed,
                None => self.records.last_claim().await?,
            };
            let mut receiver = self.attach(history, &position).await?;
            self.own(&mut receiver, claimed_before).await?;
            if self.fence().await? {
                // An older owner has written since the checkpoint was read.
                let _ = receiver.close().await;
                position = self.locate().await?;
                receiver = self.attach(history, &position).await?;
            }
            receiver
        };
        self.begin(receiver, &position);
        tracing::info!(
            partition = %self.lane.partition,
            group = self.consumer_group,
            level = history.level,
            generation = self.life.generation,
            again = history.owned,
            "partition opened"
        );
        Ok(Event::Opened)
    }

    async fn attach(
        &mut self,
        history: History,
        position: &StartPosition,
    ) -> Result<Receiver, Error> {
        let options = self.receiver_options(history.level, position.clone());
        self.transport.open_receiver(options).await
    }

    fn receiver_options(&self, level: Option<i64>, position: StartPosition) -> ReceiverOptions {
        ReceiverOptions {
            consumer_group: self.consumer_group.clone(),
            partition: self.lane.partition,
            position,
            owner_level: level,
            name: Some(self.name.clone()),
        }
    }

    /// Reads the ownership record again: the receiver that is about to be opened
    /// would displace whoever came in between.
    async fn check_standing(&mut self) -> Result<(), Error> {
        let Some(generation) = self.life.generation.or(self.claim) else {
            return Ok(());
        };
        match (self.records.standing(generation).await?, self.claim) {
            (Standing::Ours, _) => {}
            (Standing::Vacant, None) => self.disown(),
            // Who claimed it must know before anything is read again.
            (Standing::Vacant, Some(_)) => {
                return Err(Error::new(
                    ErrorKind::OwnershipLost(OwnershipLostReason::Revoked),
                    "a later owner has released the partition",
                ));
            }
        }
        Ok(())
    }

    /// Where to start: where it was read to, else after its checkpoint, else where
    /// the options say.
    async fn locate(&mut self) -> Result<StartPosition, Error> {
        let position = match &self.life.position {
            Some(position) => position.clone(),
            None => {
                let stored = self.records.checkpoint().await?;
                self.life.from = stored.map(|stored| stored.sequence_number);
                let of_use = self.life.from.filter(|at| Some(*at) != self.life.useless);
                of_use.map_or_else(|| self.start.clone(), after)
            }
        };
        let position = match position {
            // Fixed: a fault before the first event would move the end, and what came
            // in between would be skipped.
            StartPosition::Latest => {
                let properties = self.properties().await?;
                self.start = after(properties.last_enqueued_sequence_number);
                self.start.clone()
            }
            StartPosition::SequenceNumber {
                number,
                inclusive: false,
            } => {
                start::check(number, &self.properties().await?)?;
                after(number)
            }
            position => position,
        };
        self.life.position = Some(position.clone());
        Ok(position)
    }

    async fn properties(&mut self) -> Result<PartitionProperties, Error> {
        let partition = self.lane.partition;
        self.transport.partition_properties(partition).await
    }

    /// Claims the partition for a new generation.
    ///
    /// A receiver that was displaced must not claim over its successor, of which the
    /// service's word may still be on its way.
    async fn own(&mut self, receiver: &mut Receiver, claimed_before: u64) -> Result<(), Error> {
        ended(receiver)?;
        if let Some(generation) = self.claim {
            // The fence refuses it if there is a later one.
            self.life.claimed = Some(generation);
            return Ok(());
        }
        let generation = self.records.claim().await?;
        self.life.claimed = Some(generation);
        let others_claimed = generation > claimed_before.saturating_add(1);
        let checked = match others_claimed && self.records.stores.is_some() {
            true => match timeout(DOUBT, receiver.ended()).await {
                Ok(error) => Err(error),
                Err(_) => Ok(()),
            },
            false => ended(receiver),
        };
        if checked.is_err() {
            // The successor, who claimed earlier, must not take it for its own.
            let _ = self.records.release(generation).await;
        }
        checked
    }

    /// Keeps older generations from writing; tells whether what they left is not
    /// what the position is of.
    async fn fence(&mut self) -> Result<bool, Error> {
        let Some(generation) = self.life.claimed else {
            return Ok(false);
        };
        let mut left = self.records.fence(generation).await?;
        let at = left.as_ref().map(|left| left.sequence_number);
        if at.is_some() && at == self.life.useless {
            self.records.reset(generation).await?;
            left = None;
        }
        self.life.useless = None;
        let begun = self.lane.progressed(|progress| {
            progress.begin(generation, left.as_ref());
            Ok(())
        });
        if let Ok(((), change)) = begun {
            self.buffer.unblocked(&self.lane, change);
        }
        self.life.generation = Some(generation);
        let has_moved = self.records.stores.is_some() && at != self.life.from;
        if has_moved {
            self.life.position = None;
        }
        Ok(has_moved)
    }

    /// Begins to read through a receiver.
    fn begin(&mut self, receiver: Receiver, position: &StartPosition) {
        self.life.liveness.opened(match *position {
            StartPosition::SequenceNumber { number, inclusive } => {
                Begin::After(number.saturating_sub(i64::from(inclusive)))
            }
            StartPosition::Earliest => Begin::Oldest,
            _ => Begin::Unknown,
        });
        let cursor = Arc::new(Cursor::new());
        self.life.cursor = Some(Arc::clone(&cursor));
        self.life.receiver = Some(receiver);
        self.life.opened = Some(Instant::now());
        let mut facts = lock(&self.lane.facts);
        facts.cursor = Some(cursor);
        facts.owner = facts.level.map(|_| self.name.clone());
        facts.generation = self.life.generation;
        drop(facts);
        self.sample();
    }
}

/// The error that a receiver has ended with, if it has.
fn ended(receiver: &mut Receiver) -> Result<(), Error> {
    match receiver.ended().now_or_never() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
