//! A run of events in one piece of memory.
//!
//! ```text
//! record       length of the sections ─ milliseconds ─ place of the annotations │ sections │ annotations
//! annotations  number of items ─ length │ encoded keys and values
//! ```
//!
//! The heads are 32-bit numbers. An event without annotations has [`NONE`] for their place; events with the same
//! annotations as the one before share them, and only the first carries them behind its sections. So an event
//! costs its sections and twelve bytes, and is found by its place alone.

use super::{EventAnnotations, LoggedEvent, NewEvent};
use std::fmt;

/// The size of a record's head, and of that of annotations.
const RECORD_HEAD: usize = 12;
const ANNOTATIONS_HEAD: usize = 8;
const NONE: u32 = u32::MAX;
/// What a segment takes besides its bytes: its place in the log, and what the allocator keeps.
const OVERHEAD: usize = size_of::<Segment>() + 16;

/// Events that follow each other, with their annotations. It is filled up to its capacity and never grows.
pub(super) struct Segment {
    first_sequence_number: i64,
    first_offset: i64,
    first_time: i64,
    bytes: Vec<u8>,
    /// The place of the annotations written last.
    annotations: u32,
}

impl Segment {
    /// The capacity that an event needs.
    pub(super) fn needed_for(event: &NewEvent<'_>) -> usize {
        let annotations = match event.annotations.encoded.len() {
            0 => 0,
            len => ANNOTATIONS_HEAD + len,
        };
        RECORD_HEAD + event.sections.len() + annotations
    }

    /// What a segment of that capacity costs, in bytes.
    pub(super) fn cost_of(capacity: usize) -> u64 {
        (capacity + OVERHEAD) as u64
    }

    /// A segment for the events from `sequence_number` on.
    pub(super) fn new(capacity: usize, sequence_number: i64, offset: i64, time: i64) -> Self {
        Self {
            first_sequence_number: sequence_number,
            first_offset: offset,
            first_time: time,
            bytes: Vec::with_capacity(capacity),
            annotations: NONE,
        }
    }

    /// What it costs, in bytes.
    pub(super) fn cost(&self) -> u64 {
        Self::cost_of(self.bytes.capacity())
    }

    /// Gives back what was not used: nothing more is appended.
    pub(super) fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    pub(super) fn first_sequence_number(&self) -> i64 {
        self.first_sequence_number
    }

    /// The place behind the last event.
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The offset of the place behind the last event.
    pub(super) fn end_offset(&self) -> i64 {
        self.first_offset + self.bytes.len() as i64
    }

    /// Appends an event; `false` if it does not fit.
    pub(super) fn push(&mut self, event: &NewEvent<'_>, time: i64) -> bool {
        let Ok(millis) = u32::try_from(time - self.first_time) else {
            return false;
        };
        let given = event.annotations;
        let is_shared = given == self.annotations_at(self.annotations);
        let annotations_len = match given.encoded.len() {
            0 => 0,
            _ if is_shared => 0,
            len => ANNOTATIONS_HEAD + len,
        };
        let start = self.bytes.len();
        let end = start + RECORD_HEAD + event.sections.len();
        if end + annotations_len > self.bytes.capacity() {
            return false;
        }
        let (Ok(len), Ok(end)) = (u32::try_from(event.sections.len()), u32::try_from(end)) else {
            return false;
        };
        if given.encoded.is_empty() {
            self.put([len, millis, NONE]);
            self.bytes.extend_from_slice(event.sections);
            return true;
        }
        if !is_shared {
            self.annotations = end;
        }
        self.put([len, millis, self.annotations]);
        self.bytes.extend_from_slice(event.sections);
        if !is_shared {
            // Decoded from a message, which is much shorter than 4 GiB.
            self.put([given.items, given.encoded.len() as u32]);
            self.bytes.extend_from_slice(given.encoded);
        }
        true
    }

    fn put<const N: usize>(&mut self, head: [u32; N]) {
        for number in head {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// The event at a place, which has the number given, and the place of the next; `None` behind the last.
    pub(super) fn event(
        &self,
        place: usize,
        sequence_number: i64,
    ) -> Option<(LoggedEvent<'_>, usize)> {
        let [len, millis, annotations] = self.head(place)?;
        let start = place + RECORD_HEAD;
        let end = start + len as usize;
        let event = LoggedEvent {
            sequence_number,
            offset: self.first_offset + place as i64,
            enqueued_time: self.first_time + i64::from(millis),
            sections: &self.bytes[start..end],
            annotations: self.annotations_at(annotations),
        };
        let carried = if annotations as usize == end {
            ANNOTATIONS_HEAD + event.annotations.encoded.len()
        } else {
            0
        };
        Some((event, end + carried))
    }

    fn annotations_at(&self, place: u32) -> EventAnnotations<'_> {
        let place = place as usize;
        let Some([items, len]) = self.head(place) else {
            return EventAnnotations::default();
        };
        let start = place + ANNOTATIONS_HEAD;
        EventAnnotations {
            items,
            encoded: &self.bytes[start..start + len as usize],
        }
    }

    /// The numbers at a place; `None` behind the end, where [`NONE`] lies, too.
    fn head<const N: usize>(&self, place: usize) -> Option<[u32; N]> {
        let (words, _) = self.bytes.get(place..)?.as_chunks::<4>();
        let words = words.first_chunk::<N>()?;
        Some(words.map(u32::from_le_bytes))
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("first_sequence_number", &self.first_sequence_number)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
