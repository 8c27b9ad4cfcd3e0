//! One direction of a line: its shape, and what is to happen to a byte that is still to come.

use super::delay::DelayLine;
use bytes::{Bytes, BytesMut};
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;
use tokio::time::Instant;

/// How bytes fare in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    pub(crate) latency: Duration,
    /// Bytes per second.
    pub(crate) bandwidth: Option<NonZeroU64>,
    /// At most this many bytes are passed on at a time.
    pub(crate) slice: Option<NonZeroUsize>,
}

/// What befalls a byte, counted from when the mishap is [set](Half::befall): 0 is the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The byte arrives with all of its bits flipped.
    Corrupt(u64),
    /// The connection breaks before the byte.
    Cut(u64),
}

/// One direction of a line.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) shape: Shape,
    line: DelayLine,
    /// Bytes still to pass until the one that is corrupted.
    corrupt_in: Option<u64>,
    /// Bytes still to pass until the line breaks.
    cut_in: Option<u64>,
}

impl Half {
    pub(super) fn befall(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Corrupt(after) => self.corrupt_in = Some(after),
            Mishap::Cut(after) => self.cut_in = Some(after),
        }
    }

    /// Whether bytes pass as if there were nothing but the socket.
    pub(super) fn is_plain(&self) -> bool {
        self.shape == Shape::default()
            && self.line.is_empty()
            && self.corrupt_in.is_none()
            && self.cut_in.is_none()
    }

    /// Whether the line has broken.
    pub(super) fn is_cut(&self) -> bool {
        self.cut_in == Some(0) && self.line.is_empty()
    }

    /// How many bytes may be put in now.
    pub(super) fn room(&self) -> usize {
        let until_cut = self.cut_in.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        self.line.room().min(until_cut)
    }

    /// Puts bytes in, no more than there is [room](Half::room) for.
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8]) {
        let count = bytes.len() as u64;
        let bytes = match self.corrupt_in {
            Some(at) if at < count => {
                let mut bytes = BytesMut::from(bytes);
                bytes[at as usize] ^= 0xFF;
                self.corrupt_in = None;
                bytes.freeze()
            }
            _ => Bytes::copy_from_slice(bytes),
        };
        self.corrupt_in = self.corrupt_in.map(|left| left - count);
        self.cut_in = self.cut_in.map(|left| left.saturating_sub(count));
        self.line
            .push(now, bytes, self.shape.latency, self.shape.bandwidth);
    }

    /// What comes out at `now`, at most one slice.
    pub(super) fn due(&self, now: Instant) -> Option<&[u8]> {
        let due = self.line.due(now)?;
        let slice = self.shape.slice.map_or(due.len(), NonZeroUsize::get);
        Some(&due[..slice.min(due.len())])
    }

    pub(super) fn take(&mut self, count: usize) {
        self.line.take(count);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.line.next_due()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(half: &mut Half, bytes: &[u8]) -> Vec<u8> {
        let now = Instant::now();
        let mut out = Vec::new();
        half.push(now, &bytes[..half.room().min(bytes.len())]);
        while let Some(due) = half.due(now) {
            out.extend_from_slice(due);
            let count = due.len();
            half.take(count);
        }
        out
    }

    #[test]
    fn the_byte_named_is_corrupted_and_no_other() {
        let mut half = Half::default();
        half.befall(Mishap::Corrupt(4));
        assert_eq!(pass(&mut half, b"abc"), b"abc");
        assert_eq!(pass(&mut half, b"de"), [b'd', !b'e']);
        assert_eq!(pass(&mut half, b"fg"), b"fg");
        assert!(half.is_plain());
    }

    #[test]
    fn a_line_breaks_after_the_bytes_named() {
        let mut half = Half::default();
        half.befall(Mishap::Cut(4));
        assert_eq!(pass(&mut half, b"abc"), b"abc");
        assert!(!half.is_cut());
        assert_eq!(pass(&mut half, b"def"), b"d");
        assert!(half.is_cut());
    }

    #[test]
    fn bytes_come_in_slices() {
        let mut half = Half::default();
        half.shape.slice = NonZeroUsize::new(2);
        let now = Instant::now();
        half.push(now, b"abc");
        assert_eq!(half.due(now), Some(&b"ab"[..]));
        half.take(2);
        assert_eq!(half.due(now), Some(&b"c"[..]));
    }
}
