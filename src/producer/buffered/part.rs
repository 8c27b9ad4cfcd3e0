//! Events of a batch that travel together, and what became of them so far.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::queued::{Batch, Bill};
use super::tags::Tags;
use super::verdict::History;
use crate::batch::{BatchLimits, EventBatch};
use crate::event::EventData;
use crate::partition::Target;

pub(super) struct Part {
    pub(super) batch: EventBatch,
    pub(super) tags: Tags,
    pub(super) history: History,
}

impl Part {
    /// Loads what was queued; what is owed for it stays behind.
    pub(super) fn load(target: Target, queued: Batch) -> (Self, Bill) {
        let part = Self::new(
            target,
            queued.events.into(),
            queued.encoded_size,
            queued.tags,
            History::default(),
        );
        (part, queued.bill)
    }

    fn new(
        target: Target,
        events: Vec<EventData>,
        size: usize,
        tags: Tags,
        history: History,
    ) -> Self {
        let limits = BatchLimits {
            bytes: usize::MAX,
            events: usize::MAX,
        };
        Self {
            batch: EventBatch::from_measured(target, limits, events, size),
            tags,
            history,
        }
    }

    /// The same events in order, in batches that fit; an event that does not fit
    /// is alone in its batch.
    pub(super) fn split(self, bytes: usize) -> Vec<Self> {
        let Self {
            batch,
            mut tags,
            history,
        } = self;
        let target = batch.target().clone();
        let empty = EventBatch::new(target.clone(), BatchLimits::STANDARD).encoded_size();
        let room = bytes.saturating_sub(empty);
        let mut parts: Vec<(Vec<EventData>, usize)> = Vec::new();
        for event in batch.into_events() {
            let size = event.encoded_size();
            match parts.last_mut() {
                Some((events, sum)) if *sum + size <= room => {
                    events.push(event);
                    *sum += size;
                }
                _ => parts.push((vec![event], size)),
            }
        }
        let part = |(events, size): (Vec<_>, _)| {
            let tags = tags.split_off_first(events.len());
            Self::new(target.clone(), events, size, tags, history)
        };
        parts.into_iter().map(part).collect()
    }

    /// The first of its events' deadlines.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.tags.first_deadline()
    }

    /// Takes out the events whose deadline has passed, if there are any.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<(Vec<EventData>, Tags)> {
        if !self.tags.have_expired(now) {
            return None;
        }
        let target = self.batch.target().clone();
        let tags = std::mem::take(&mut self.tags).into_tags();
        let events = self.batch.take_events().into_iter().zip(tags);
        let (expired, kept): (Vec<_>, Vec<_>) = events.partition(|(_, tag)| tag.has_expired(now));
        let (events, tags): (Vec<_>, VecDeque<_>) = kept.into_iter().unzip();
        let size = events.iter().map(EventData::encoded_size).sum();
        *self = Self::new(target, events, size, tags.into(), self.history);
        let (events, tags): (_, VecDeque<_>) = expired.into_iter().unzip();
        Some((events, tags.into()))
    }
}
