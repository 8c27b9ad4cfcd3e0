//! Events that wait to travel together, and what is owed for them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::cost::Cost;
use super::delivery::{BatchOutcome, Delivery};
use super::metrics::ClosedBy;
use super::report::Tally;
use crate::event::EventData;

/// An event on its way into a queue.
pub(super) struct Arrival {
    pub(super) event: EventData,
    pub(super) size: usize,
    /// Whether its outcome is awaited.
    pub(super) track: bool,
    pub(super) deadline: Option<Instant>,
}

impl Arrival {
    pub(super) fn cost(&self) -> Cost {
        Cost::of_event(self.size)
    }
}

/// What is known of an event beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tag {
    /// The number of its delivery in the batch.
    pub(super) delivery: Option<u32>,
    pub(super) deadline: Option<Instant>,
}

impl Tag {
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// What is owed for events: room to give back, outcomes to tell.
pub(super) struct Bill {
    pub(super) cost: Cost,
    /// The outcomes that are awaited.
    pub(super) outcome: Option<Arc<BatchOutcome>>,
    pub(super) tally: Arc<Tally>,
}

impl Bill {
    fn new(tally: Arc<Tally>) -> Self {
        Self {
            cost: Cost::default(),
            outcome: None,
            tally,
        }
    }

    /// A part of it, to be settled apart.
    pub(super) fn split(&mut self, cost: Cost) -> Self {
        self.cost -= cost;
        if let Some(outcome) = &self.outcome {
            outcome.split();
        }
        Self {
            cost,
            outcome: self.outcome.clone(),
            tally: Arc::clone(&self.tally),
        }
    }
}

/// Events that travel together.
pub(super) struct Batch {
    pub(super) events: VecDeque<EventData>,
    /// One for each event, or none while there is nothing to know of any.
    pub(super) tags: VecDeque<Tag>,
    pub(super) encoded_size: usize,
    pub(super) bill: Bill,
    /// When its first event came.
    pub(super) opened_at: Option<Instant>,
    pub(super) closed_by: Option<ClosedBy>,
    deliveries: u32,
}

impl Batch {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self {
            events: VecDeque::new(),
            tags: VecDeque::new(),
            encoded_size: 0,
            bill: Bill::new(tally),
            opened_at: None,
            closed_by: None,
            deliveries: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, arrival: Arrival) -> Option<Delivery> {
        let cost = arrival.cost();
        let Arrival {
            event,
            size,
            track,
            deadline,
        } = arrival;
        self.encoded_size += size;
        self.bill.cost += cost;
        let delivery = track.then(|| {
            let number = self.deliveries;
            self.deliveries += 1;
            self.bill.outcome.get_or_insert_default().delivery(number)
        });
        if track || deadline.is_some() || !self.tags.is_empty() {
            // Those before it, if it is the first one to have a tag.
            self.tags.resize(self.events.len(), Tag::default());
            self.tags.push_back(Tag {
                delivery: track.then(|| self.deliveries - 1),
                deadline,
            });
        }
        self.events.push_back(event);
        delivery
    }

    /// Splits off the oldest events that make up `cost`, or all there are.
    pub(super) fn split_oldest(&mut self, cost: Cost) -> Self {
        let (mut size, mut sum) = (0, Cost::default());
        for event in &self.events {
            if cost.fits(sum) {
                break;
            }
            let event_size = event.encoded_size();
            size += event_size;
            sum += Cost::of_event(event_size);
        }
        let tags = self.tags.len().min(sum.events);
        Self {
            events: self.events.drain(..sum.events).collect(),
            tags: self.tags.drain(..tags).collect(),
            ..self.split(size, sum)
        }
    }

    /// Splits off the events whose deadline has passed; `None` if there are none.
    pub(super) fn split_expired(&mut self, now: Instant) -> Option<Self> {
        if !self.tags.iter().any(|tag| tag.has_expired(now)) {
            return None;
        }
        let events = std::mem::take(&mut self.events).into_iter();
        let tags = std::mem::take(&mut self.tags);
        let (expired, kept): (Vec<_>, Vec<_>) =
            events.zip(tags).partition(|(_, tag)| tag.has_expired(now));
        (self.events, self.tags) = kept.into_iter().unzip();
        let sizes = expired.iter().map(|(event, _)| event.encoded_size());
        let (size, cost) = sizes.fold((0, Cost::default()), |(size, cost), event| {
            (size + event, cost + Cost::of_event(event))
        });
        let (events, tags) = expired.into_iter().unzip();
        Some(Self {
            events,
            tags,
            ..self.split(size, cost)
        })
    }

    /// The first of its events' deadlines.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.tags.iter().filter_map(|tag| tag.deadline).min()
    }

    /// A batch without events for a part of what this one holds.
    fn split(&mut self, size: usize, cost: Cost) -> Self {
        self.encoded_size -= size;
        Self {
            events: VecDeque::new(),
            tags: VecDeque::new(),
            encoded_size: size,
            bill: self.bill.split(cost),
            opened_at: self.opened_at,
            closed_by: None,
            deliveries: 0,
        }
    }
}
