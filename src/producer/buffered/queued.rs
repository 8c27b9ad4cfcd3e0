//! Events that wait to travel together, and what is owed for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cost::{Cost, EVENT_OVERHEAD};
use super::delivery::{BatchOutcome, Delivery};
use super::metrics::ClosedBy;
use super::report::Tally;
use super::tags::{Tag, Tags};
use crate::error::{Error, SendError};
use crate::event::EventData;
use crate::partition::Target;

/// An event on its way into a queue. Lent to all that may take it: each move of an
/// event costs as much as all that is to be decided about it.
pub(super) struct Arrival {
    /// Empty once it was taken.
    event: EventData,
    pub(super) size: usize,
    /// Whether its outcome is awaited.
    track: bool,
    /// Its outcome, once it was taken.
    delivery: Option<Delivery>,
    pub(super) deadline: Option<Instant>,
}

impl Arrival {
    #[inline]
    pub(super) fn new(event: EventData, track: bool) -> Self {
        Self {
            size: event.encoded_size(),
            event,
            track,
            delivery: None,
            deadline: None,
        }
    }

    #[inline]
    pub(super) fn cost(&self) -> Cost {
        Cost::of_event(self.size)
    }

    /// Whether its outcome is awaited.
    #[inline]
    pub(super) fn is_tracked(&self) -> bool {
        self.track
    }

    #[inline]
    pub(super) fn target(&self) -> &Target {
        self.event.target()
    }

    /// Lets its wait begin, which may last for its own time or for the usual one. The
    /// clock is read only for events that have a deadline.
    #[inline]
    pub(super) fn begin(&mut self, usual: Option<Duration>) {
        if let Some(wait) = self.event.deadline().or(usual) {
            // Too far away to be told is none.
            self.deadline = Instant::now().checked_add(wait);
        }
    }

    /// Its outcome: it was taken.
    #[inline]
    pub(super) fn take_delivery(&mut self) -> Delivery {
        self.delivery.take().expect("it is tracked, and was taken")
    }

    /// The event, with the reason why it was not taken.
    pub(super) fn refused(self, error: Error) -> SendError {
        SendError::new(self.event, error)
    }
}

/// What is owed for events: room to give back, outcomes to tell.
#[repr(C)]
pub(super) struct Bill {
    /// Of a batch: once it is closed.
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
// Begins with what changes with each event, see `Partition`.
#[repr(C)]
pub(super) struct Batch {
    pub(super) events: VecDeque<EventData>,
    pub(super) encoded_size: usize,
    pub(super) bill: Bill,
    pub(super) tags: Tags,
    /// When its first event came.
    pub(super) opened_at: Option<Instant>,
    pub(super) closed_by: Option<ClosedBy>,
    deliveries: u32,
}

impl Batch {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self {
            events: VecDeque::new(),
            tags: Tags::Empty,
            encoded_size: 0,
            bill: Bill::new(tally),
            opened_at: None,
            closed_by: None,
            deliveries: 0,
        }
    }

    /// Makes room for about so many events.
    pub(super) fn furnish(&mut self, storage: Vec<EventData>, events: usize) {
        self.events = storage.into();
        self.events.reserve(events);
    }

    /// Takes an event.
    #[inline]
    pub(super) fn push(&mut self, arrival: &mut Arrival) {
        let tag = Tag {
            delivery: arrival.track.then_some(self.deliveries),
            deadline: arrival.deadline,
        };
        self.tags.push(tag, self.events.len());
        self.join(arrival);
    }

    /// Takes an event without a deadline behind others that are tracked, or not, as
    /// it is.
    #[inline]
    pub(super) fn join(&mut self, arrival: &mut Arrival) {
        if arrival.track {
            let outcome = self.bill.outcome.get_or_insert_default();
            arrival.delivery = Some(outcome.delivery(self.deliveries));
            self.deliveries += 1;
        }
        self.encoded_size += arrival.size;
        self.events.push_back(std::mem::take(&mut arrival.event));
    }

    /// What its events cost.
    #[inline]
    pub(super) fn cost(&self) -> Cost {
        let events = self.events.len();
        Cost {
            events,
            bytes: self.encoded_size + events * EVENT_OVERHEAD,
        }
    }

    /// Splits off the oldest events that make up `cost`, or all there are.
    pub(super) fn split_oldest(&mut self, cost: Cost) -> Self {
        self.bill.cost = self.cost();
        let (mut size, mut sum) = (0, Cost::default());
        for event in &self.events {
            if cost.fits(sum) {
                break;
            }
            let event_size = event.encoded_size();
            size += event_size;
            sum += Cost::of_event(event_size);
        }
        Self {
            events: self.events.drain(..sum.events).collect(),
            tags: self.tags.split_off_first(sum.events),
            ..self.split(size, sum)
        }
    }

    /// Splits off the events whose deadline has passed; `None` if there are none.
    pub(super) fn split_expired(&mut self, now: Instant) -> Option<Self> {
        if !self.tags.have_expired(now) {
            return None;
        }
        self.bill.cost = self.cost();
        let events = std::mem::take(&mut self.events).into_iter();
        let tags = std::mem::take(&mut self.tags).into_tags();
        let (expired, kept): (Vec<_>, Vec<_>) =
            events.zip(tags).partition(|(_, tag)| tag.has_expired(now));
        let (events, tags): (_, VecDeque<_>) = kept.into_iter().unzip();
        (self.events, self.tags) = (events, tags.into());
        let sizes = expired.iter().map(|(event, _)| event.encoded_size());
        let (size, cost) = sizes.fold((0, Cost::default()), |(size, cost), event| {
            (size + event, cost + Cost::of_event(event))
        });
        let (events, tags): (_, VecDeque<_>) = expired.into_iter().unzip();
        Some(Self {
            events,
            tags: tags.into(),
            ..self.split(size, cost)
        })
    }

    /// The first of its events' deadlines.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.tags.first_deadline()
    }

    /// A batch without events for a part of what this one holds.
    fn split(&mut self, size: usize, cost: Cost) -> Self {
        self.encoded_size -= size;
        Self {
            events: VecDeque::new(),
            tags: Tags::Empty,
            encoded_size: size,
            bill: self.bill.split(cost),
            opened_at: self.opened_at,
            closed_by: None,
            deliveries: 0,
        }
    }
}
