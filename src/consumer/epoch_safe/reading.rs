//! How an open partition is read.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::buffer::Chunk;
use super::credit::Load;
use super::generation;
use super::pump::{PEACE, Pump};
use super::state::{Event, History};
use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::event::ReceivedEvent;
use crate::sync::lock;
use crate::transport::PartitionProperties;

impl Pump {
    /// Waits for room, then for events, with an eye on what ends the receiver.
    pub(super) async fn receive(&mut self, history: History) -> Result<Event, Error> {
        let Some(receiver) = &mut self.life.receiver else {
            return Err(Error::closed("receiver"));
        };
        if let Some(room) = self.buffer.room(self.lane.slot, &self.life.credit) {
            // What was asked for cannot be called back.
            self.life.asked = self.life.asked.max(room.get());
            lock(&self.lane.facts).credit = self.life.asked;
        }
        let Some(asked) = NonZeroU32::new(self.life.asked) else {
            return tokio::select! {
                biased;
                generation = self.lane.revoked() => self.revoked(generation),
                () = self.buffer.room_made(self.lane.slot) => Ok(Event::Waited),
                looked = &mut self.look => {
                    self.life.liveness.not_asked();
                    Ok(self.looked(looked, history))
                }
                // A reader that has stopped learns of a theft all the same.
                error = receiver.ended() => Err(error),
            };
        };
        let events = tokio::select! {
            biased;
            generation = self.lane.revoked() => return self.revoked(generation),
            events = receiver.receive(asked) => events?,
            looked = &mut self.look => return self.listen(looked, history),
        };
        self.push(events);
        Ok(Event::Received)
    }

    fn push(&mut self, events: Vec<ReceivedEvent>) {
        let Some(cursor) = &self.life.cursor else {
            return;
        };
        let Some(last) = events.last().map(ReceivedEvent::sequence_number) else {
            return;
        };
        let came = u32::try_from(events.len()).unwrap_or(u32::MAX);
        self.life.asked = self.life.asked.saturating_sub(came);
        self.life.liveness.received(last);
        let sizes = events.iter().map(|event| event.encoded_size() as u64);
        let (bytes, largest) = sizes.fold((0, 0), |(sum, max), size| (sum + size, size.max(max)));
        self.life.credit.observe(largest);
        tracing::debug!(
            partition = %self.lane.partition,
            events = events.len(),
            bytes,
            "events received"
        );
        let load = Load {
            events: events.len() as u64,
            bytes,
        };
        let mut facts = lock(&self.lane.facts);
        facts.credit = self.life.asked;
        facts.last_enqueued = facts.last_enqueued.max(Some(last));
        drop(facts);
        let chunk = Chunk {
            lane: Arc::clone(&self.lane),
            generation: self.life.generation.unwrap_or(generation::UNOWNED),
            cursor: Arc::clone(cursor),
            events: events.into_iter(),
            load,
        };
        self.buffer.push(chunk);
        self.meters.received(load.events);
        self.sample();
    }

    /// As [`looked`](Self::looked), while events were asked for.
    fn listen(
        &mut self,
        looked: Result<PartitionProperties, Error>,
        history: History,
    ) -> Result<Event, Error> {
        if let Ok(properties) = &looked {
            let deaf = self.life.liveness.look(
                properties.beginning_sequence_number,
                properties.last_enqueued_sequence_number,
            );
            if deaf {
                let partition = self.lane.partition;
                let newest = properties.last_enqueued_sequence_number;
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "partition {partition} has events up to {newest}, and none came within the liveness time-out"
                    ),
                ));
            }
        }
        Ok(self.looked(looked, history))
    }

    /// Takes what the service tells of the partition.
    fn looked(&mut self, looked: Result<PartitionProperties, Error>, history: History) -> Event {
        match looked {
            Ok(properties) => {
                let newest = Some(properties.last_enqueued_sequence_number);
                let mut facts = lock(&self.lane.facts);
                facts.last_enqueued = facts.last_enqueued.max(newest);
            }
            // What ails the connection shows at the receiver, too.
            Err(error) => tracing::debug!(
                partition = %self.lane.partition,
                %error,
                "partition's properties not read"
            ),
        }
        self.sample();
        let opened = self.life.opened;
        match opened.is_some_and(|opened| opened.elapsed() >= PEACE) {
            true if history.thefts > 0 || history.failures > 0 => Event::Quiet,
            _ => Event::Waited,
        }
    }

    /// The store has refused a generation. A late word of an old one means nothing.
    fn revoked(&self, generation: u64) -> Result<Event, Error> {
        if self.life.generation != Some(generation) {
            return Ok(Event::Waited);
        }
        Err(Error::new(
            ErrorKind::OwnershipLost(OwnershipLostReason::Revoked),
            "a later owner has fenced the partition's checkpoint",
        ))
    }
}
