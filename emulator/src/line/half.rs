//! One direction of a line: its shape, and what is to happen to a byte that is still to come.

use super::delay::DelayLine;
use crate::faults::FaultId;
use bytes::BytesMut;
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

/// What befalls a byte that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The byte arrives with all of its bits flipped.
    Corrupt,
    /// The connection breaks before the byte.
    Cut,
}

/// A mishap that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Armed {
    pub(crate) fault: FaultId,
    pub(crate) mishap: Mishap,
    /// How many bytes pass before it.
    pub(crate) after: u64,
}

/// One direction of a line.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) shape: Shape,
    line: DelayLine,
    armed: Vec<Armed>,
    /// The mishaps that came about and were not told of yet.
    pub(super) befallen: Vec<FaultId>,
    broken: bool,
}

impl Half {
    pub(super) fn arm(&mut self, armed: Armed) {
        self.armed.push(armed);
        self.come_about();
    }

    /// Disarms the mishaps of faults that are over.
    pub(super) fn disarm(&mut self, holds: impl Fn(FaultId) -> bool) {
        self.armed.retain(|armed| holds(armed.fault));
    }

    /// Whether bytes pass as if there were nothing but the socket.
    pub(super) fn is_plain(&self) -> bool {
        self.shape == Shape::default()
            && self.line.is_empty()
            && self.armed.is_empty()
            && !self.broken
    }

    /// Whether the line has broken, and what was on it is through.
    pub(super) fn is_cut(&self) -> bool {
        self.broken && self.line.is_empty()
    }

    /// How many bytes may be put in now.
    pub(super) fn room(&self) -> usize {
        if self.broken {
            return 0;
        }
        let cuts = self
            .armed
            .iter()
            .filter(|armed| armed.mishap == Mishap::Cut);
        let until_cut = cuts.map(|cut| usize::try_from(cut.after).unwrap_or(usize::MAX));
        until_cut.fold(self.line.room(), usize::min)
    }

    /// Puts bytes in, no more than there is [room](Half::room) for.
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8]) {
        let mut bytes = BytesMut::from(bytes);
        let count = bytes.len() as u64;
        for armed in &self.armed {
            if armed.mishap == Mishap::Corrupt && armed.after < count {
                bytes[armed.after as usize] ^= 0xFF;
            }
        }
        self.armed.retain_mut(|armed| {
            let come = armed.mishap == Mishap::Corrupt && armed.after < count;
            if come {
                self.befallen.push(armed.fault);
            }
            armed.after = armed.after.saturating_sub(count);
            !come
        });
        self.come_about();
        self.line.push(
            now,
            bytes.freeze(),
            self.shape.latency,
            self.shape.bandwidth,
        );
    }

    /// Breaks the line where it is to be cut now.
    fn come_about(&mut self) {
        let is_due = |armed: &Armed| armed.mishap == Mishap::Cut && armed.after == 0;
        if let Some(cut) = self.armed.iter().find(|armed| is_due(armed)) {
            self.befallen.push(cut.fault);
            self.broken = true;
            self.armed.clear();
        }
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

    fn armed(mishap: Mishap, after: u64) -> Armed {
        Armed {
            fault: FaultId::default(),
            mishap,
            after,
        }
    }

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
        half.arm(armed(Mishap::Corrupt, 4));
        assert_eq!(pass(&mut half, b"abc"), b"abc");
        assert_eq!(half.befallen, []);
        assert_eq!(pass(&mut half, b"de"), [b'd', !b'e']);
        assert_eq!(half.befallen.len(), 1);
        assert_eq!(pass(&mut half, b"fg"), b"fg");
        assert!(half.is_plain());
    }

    #[test]
    fn a_line_breaks_after_the_bytes_named() {
        let mut half = Half::default();
        half.arm(armed(Mishap::Cut, 4));
        assert_eq!(pass(&mut half, b"abc"), b"abc");
        assert!(!half.is_cut());
        assert_eq!(half.befallen, []);
        assert_eq!(pass(&mut half, b"def"), b"d");
        assert!(half.is_cut());
        assert_eq!(half.befallen.len(), 1);
    }

    #[test]
    fn a_mishap_of_a_fault_that_is_over_does_not_come_about() {
        let mut half = Half::default();
        half.arm(armed(Mishap::Cut, 4));
        half.arm(armed(Mishap::Corrupt, 1));
        half.disarm(|_| false);
        assert_eq!(pass(&mut half, b"abcdef"), b"abcdef");
        assert!(half.is_plain());
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
