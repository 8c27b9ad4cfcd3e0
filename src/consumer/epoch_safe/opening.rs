//! How a partition is opened: found out where, attached, claimed, fenced; in this
//! order.

use std::sync::Arc;

use futures::FutureExt;

use super::cursor::Cursor;
use super::liveness::Begin;
use super::pump::Pump;
use super::records::Standing;
use super::start::{self, after};
use super::state::{Event, History};
use crate::error::{Error, ErrorKind};
use crate::sync::lock;
use crate::transport::{ReceiverOptions, StartPosition, TransportReceiver};

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
        if history.owned {
            self.check_standing().await?;
            lock(&self.lane.facts).reopened += 1;
        }
        let position = self.locate().await?;
        let options = self.receiver_options(history.level, position.clone());
        let mut receiver = self.transport.open_receiver(options).await?;
        if history.level.is_some() && self.life.generation.is_none() {
            self.own(&mut *receiver, &position).await?;
        }
        self.life.liveness.opened(match position {
            StartPosition::SequenceNumber {
                number,
                inclusive: false,
            } => Begin::After(number),
            StartPosition::Earliest => Begin::Oldest,
            _ => Begin::Unknown,
        });
        let cursor = Arc::new(Cursor::new());
        self.life.cursor = Some(Arc::clone(&cursor));
        self.life.receiver = Some(receiver);
        self.life.opened = Some(tokio::time::Instant::now());
        let mut facts = lock(&self.lane.facts);
        facts.cursor = Some(cursor);
        facts.generation = self.life.generation;
        drop(facts);
        self.sample();
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
        if let Some(generation) = self.life.generation
            && self.records.standing(generation).await? == Standing::Vacant
        {
            self.disown();
        }
        Ok(())
    }

    /// Where to start: where it was read to, else its checkpoint, else what the
    /// options say.
    async fn locate(&mut self) -> Result<StartPosition, Error> {
        let position = match self.life.position.clone() {
            Some(position) => position,
            None => match self.records.checkpoint().await? {
                Some(checkpoint) => {
                    let partition = self.lane.partition;
                    let properties = self.transport.partition_properties(partition).await?;
                    start::check(&checkpoint, &properties)?;
                    after(checkpoint.sequence_number)
                }
                None => self.start.clone(),
            },
        };
        // A fault before the first event would move the end, and what came in
        // between would be skipped.
        let position = match position {
            StartPosition::Latest => {
                let partition = self.lane.partition;
                let properties = self.transport.partition_properties(partition).await?;
                after(properties.last_enqueued_sequence_number)
            }
            position => position,
        };
        if self.life.position.is_none() && self.start == StartPosition::Latest {
            // Nothing is skipped, if another owner comes in between either.
            self.start = position.clone();
        }
        self.life.position = Some(position.clone());
        Ok(position)
    }

    /// Claims the partition for a new generation, and keeps older ones from
    /// writing.
    async fn own(
        &mut self,
        receiver: &mut dyn TransportReceiver,
        position: &StartPosition,
    ) -> Result<(), Error> {
        // A receiver that was displaced already must not claim over its successor.
        ended(receiver)?;
        let generation = self.records.claim().await?;
        if let Err(error) = ended(receiver) {
            // The successor, claiming earlier, must not take it for its own.
            let _ = self.records.release(generation).await;
            return Err(error);
        }
        let mut left = self.records.fence(generation).await?;
        if std::mem::take(&mut self.life.relocated) && left.is_some() {
            self.records.reset(generation).await?;
            left = None;
        }
        // An older owner may have written while this one opened.
        let done = left.as_ref().map(|left| left.sequence_number);
        self.life.done_through = done.filter(|_| is_of_a_checkpoint(position));
        let begun = self.lane.progressed(|progress| {
            progress.begin(generation, left.as_ref());
            Ok(())
        });
        if let Ok(((), change)) = begun {
            self.buffer.unblocked(&self.lane, change);
        }
        self.life.generation = Some(generation);
        Ok(())
    }
}

/// The error that a receiver has ended with, if it has.
fn ended(receiver: &mut dyn TransportReceiver) -> Result<(), Error> {
    match receiver.ended().now_or_never() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn is_of_a_checkpoint(position: &StartPosition) -> bool {
    matches!(position, StartPosition::SequenceNumber { .. })
}
