//! The segments of one partition, and what of them may stay.

use super::segment::Segment;
use super::{Cursor, LoggedEvent, NewEvent, PartitionInfo};
use crate::position::StartPosition;
use crate::retention::Allowance;
use crate::texts::{self, ServiceError};
use std::collections::VecDeque;

/// The first segment is this large, each following one twice the last: little for a partition with few events, few
/// segments for one with many.
const SMALLEST_SEGMENT: usize = 4 * 1024;
const LARGEST_SEGMENT: usize = 256 * 1024;
/// A segment is at most this part of what the partition may always hold: whole segments are dropped, and the rest
/// is to stay.
const SEGMENTS_PER_SHARE: u64 = 8;

#[derive(Debug)]
pub(super) struct Events {
    segments: VecDeque<Segment>,
    /// How many segments were dropped before the first.
    dropped: u64,
    /// The capacity of the next segment.
    next_capacity: usize,
    max_capacity: usize,
    /// The next event's sequence number.
    next: i64,
    last_offset: i64,
    next_offset: i64,
    last_time: i64,
    /// Bytes allocated.
    held: u64,
    allowance: Allowance,
}

impl Events {
    pub(super) fn new(allowance: Allowance) -> Self {
        let part = usize::try_from(allowance.share() / SEGMENTS_PER_SHARE);
        let max_capacity = part.unwrap_or(LARGEST_SEGMENT).min(LARGEST_SEGMENT);
        Self {
            segments: VecDeque::new(),
            dropped: 0,
            next_capacity: SMALLEST_SEGMENT.min(max_capacity),
            max_capacity,
            next: 0,
            last_offset: -1,
            next_offset: 0,
            last_time: 0,
            held: 0,
            allowance,
        }
    }

    /// The next event's sequence number.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// When the last event was enqueued.
    pub(super) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// Bytes that events take.
    pub(super) fn size(&self) -> u64 {
        let sizes = self.segments.iter().map(|segment| segment.end() as u64);
        sizes.sum()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Appends an event. Where it finds no room the oldest segments go; if that is not enough it is gone at once,
    /// and has used its number.
    pub(super) fn push(&mut self, event: &NewEvent<'_>, time: i64) {
        let open = self.segments.back_mut();
        let mut is_kept = open.is_some_and(|segment| segment.push(event, time));
        if !is_kept {
            self.begin_segment(Segment::needed_for(event), time);
            let open = self.segments.back_mut();
            is_kept = open.is_some_and(|segment| segment.push(event, time));
        }
        self.last_offset = self.next_offset;
        self.next_offset = match self.segments.back() {
            Some(segment) if is_kept => segment.end_offset(),
            _ => self.next_offset + Segment::needed_for(event) as i64,
        };
        self.last_time = time;
        self.next += 1;
    }

    /// Closes the last segment and begins one with room for `needed` bytes, if retention allows any.
    fn begin_segment(&mut self, needed: usize, time: i64) {
        if let Some(last) = self.segments.back_mut() {
            let before = last.cost();
            last.close();
            self.held -= before - last.cost();
        }
        let capacity = self.next_capacity.max(needed);
        if self.make_room(Segment::cost_of(capacity)) {
            let segment = Segment::new(capacity, self.next, self.next_offset, time);
            self.held += segment.cost();
            self.segments.push_back(segment);
            self.next_capacity = (2 * self.next_capacity).min(self.max_capacity);
        }
        self.allowance.shrink_to(self.held);
    }

    /// Drops the oldest segments until `more` bytes are allowed; `false` if they never are.
    fn make_room(&mut self, more: u64) -> bool {
        while self.allowance.grow_to(self.held + more) > 0 {
            let Some(oldest) = self.segments.pop_front() else {
                return false;
            };
            self.held -= oldest.cost();
            self.dropped += 1;
        }
        true
    }

    /// The event at the cursor, or the oldest kept if that is later; the cursor moves behind it.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Option<LoggedEvent<'_>> {
        let Some(mut index) = cursor.segment.checked_sub(self.dropped) else {
            *cursor = self.begin();
            return self.read(cursor);
        };
        while let Some(segment) = self.segments.get(index as usize) {
            if cursor.place == 0 {
                cursor.sequence_number = segment.first_sequence_number();
            }
            if let Some((event, next)) = segment.event(cursor.place, cursor.sequence_number) {
                cursor.place = next;
                cursor.sequence_number += 1;
                return Some(event);
            }
            index += 1;
            if (index as usize) < self.segments.len() {
                (cursor.segment, cursor.place) = (cursor.segment + 1, 0);
            }
        }
        cursor.sequence_number = self.next;
        None
    }

    /// The sequence number of the oldest event.
    fn oldest(&self) -> i64 {
        let first = self.segments.front();
        first.map_or(self.next, Segment::first_sequence_number)
    }

    /// Before the oldest event.
    pub(super) fn begin(&self) -> Cursor {
        Cursor {
            sequence_number: self.oldest(),
            segment: self.dropped,
            place: 0,
        }
    }

    /// Behind the last event.
    fn end(&self) -> Cursor {
        let before_last = self.segments.len().saturating_sub(1) as u64;
        Cursor {
            sequence_number: self.next,
            segment: self.dropped + before_last,
            place: self.segments.back().map_or(0, Segment::end),
        }
    }

    pub(super) fn resolve(&self, position: StartPosition) -> Result<Cursor, ServiceError> {
        match position {
            StartPosition::Earliest => Ok(self.begin()),
            StartPosition::Latest => Ok(self.end()),
            StartPosition::Offset(bound) if bound.value > self.last_offset => Err(
                texts::beyond_the_end("offset", bound.value, self.last_offset),
            ),
            StartPosition::SequenceNumber(bound) if bound.value >= self.next => Err(
                texts::beyond_the_end("sequence number", bound.value, self.next - 1),
            ),
            StartPosition::Offset(bound) => Ok(self.first(|event| !bound.excludes(event.offset))),
            StartPosition::EnqueuedTime(bound) => {
                Ok(self.first(|event| !bound.excludes(event.enqueued_time)))
            }
            StartPosition::SequenceNumber(bound) => {
                Ok(self.first(|event| !bound.excludes(event.sequence_number)))
            }
        }
    }

    /// Before the first event that is wanted, as are all that follow it: a binary search for the segment, then a
    /// walk within it.
    fn first(&self, is_wanted: impl Fn(&LoggedEvent<'_>) -> bool) -> Cursor {
        let begins_before = |segment: &Segment| {
            let first = segment.event(0, segment.first_sequence_number());
            first.is_some_and(|(event, _)| !is_wanted(&event))
        };
        let index = self.segments.partition_point(begins_before);
        let mut cursor = self.begin();
        cursor.segment += index.saturating_sub(1) as u64;
        loop {
            let before = cursor;
            match self.read(&mut cursor) {
                Some(event) if is_wanted(&event) => {
                    return Cursor {
                        sequence_number: event.sequence_number,
                        ..before
                    };
                }
                Some(_) => {}
                None => return cursor,
            }
        }
    }

    pub(super) fn info(&self) -> PartitionInfo {
        PartitionInfo {
            begin_sequence_number: self.oldest(),
            last_sequence_number: self.next - 1,
            last_offset: self.last_offset,
            last_enqueued_time: self.last_time,
            is_empty: self.segments.is_empty(),
        }
    }
}
