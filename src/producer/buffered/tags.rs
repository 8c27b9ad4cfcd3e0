//! What is known of the events of a batch beside themselves.

use std::collections::VecDeque;
use std::iter;

use tokio::time::Instant;

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

/// A tag for each event of a batch, in order. Nearly always they need no storage.
#[derive(Debug, Default)]
pub(super) enum Tags {
    /// There is nothing to know of any.
    #[default]
    Empty,
    /// All have deliveries, whose numbers begin with this one, and no deadline.
    Numbered(u32),
    /// Any.
    Each(VecDeque<Tag>),
}

impl Tags {
    /// Adds the tag of an event that so many others are before.
    #[inline]
    pub(super) fn push(&mut self, tag: Tag, before: usize) {
        let is_numbered = tag.delivery.is_some() && tag.deadline.is_none();
        match (&mut *self, tag.delivery) {
            (Self::Empty, _) if tag == Tag::default() => {}
            (Self::Empty, Some(first)) if is_numbered && before == 0 => {
                *self = Self::Numbered(first);
            }
            (Self::Numbered(_), _) if is_numbered => {}
            _ => self.push_to_each(tag, before),
        }
    }

    fn push_to_each(&mut self, tag: Tag, before: usize) {
        if !matches!(self, Self::Each(_)) {
            *self = Self::Each(std::mem::take(self).into_tags().take(before).collect());
        }
        if let Self::Each(tags) = self {
            tags.push_back(tag);
        }
    }

    /// The tags, and behind them none for ever.
    pub(super) fn into_tags(self) -> impl Iterator<Item = Tag> {
        let (each, numbers) = match self {
            Self::Empty => (VecDeque::new(), None),
            Self::Numbered(first) => (VecDeque::new(), Some(first..)),
            Self::Each(tags) => (tags, None),
        };
        let numbered = numbers.into_iter().flatten().map(|delivery| Tag {
            delivery: Some(delivery),
            deadline: None,
        });
        let none = iter::repeat(Tag::default());
        each.into_iter().chain(numbered).chain(none)
    }

    /// Splits off those of the first so many events.
    pub(super) fn split_off_first(&mut self, events: usize) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Numbered(first) => {
                let split = Self::Numbered(*first);
                // No batch has as many events as there are numbers.
                *first = first.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
                split
            }
            Self::Each(tags) => Self::Each(tags.drain(..events.min(tags.len())).collect()),
        }
    }

    /// The first of the deadlines.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        match self {
            Self::Empty | Self::Numbered(_) => None,
            Self::Each(tags) => tags.iter().filter_map(|tag| tag.deadline).min(),
        }
    }

    /// Whether a deadline has passed.
    pub(super) fn have_expired(&self, now: Instant) -> bool {
        match self {
            Self::Empty | Self::Numbered(_) => false,
            Self::Each(tags) => tags.iter().any(|tag| tag.has_expired(now)),
        }
    }
}

impl From<VecDeque<Tag>> for Tags {
    fn from(tags: VecDeque<Tag>) -> Self {
        Self::Each(tags)
    }
}
