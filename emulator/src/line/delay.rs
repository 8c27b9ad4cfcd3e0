//! Bytes on their way: each piece falls due once the line has carried it.

use bytes::Bytes;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio::time::Instant;

/// How much may be under way; a sender waits beyond that, as a real line's buffers make it.
const CAPACITY: usize = 4 * 1024 * 1024;
/// A narrow line carries this share of a second's bytes at a time, so that the rate is smooth.
const PIECES_PER_SECOND: u64 = 100;

/// A first-in, first-out line with a latency and a bandwidth.
#[derive(Debug, Default)]
pub(super) struct DelayLine {
    pieces: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the last byte put in has left the sender.
    free_at: Option<Instant>,
}

impl DelayLine {
    /// How many bytes may be put in now.
    pub(super) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Puts bytes in at `now`, to come out after `latency`, no faster than `bandwidth` bytes per second.
    pub(super) fn push(
        &mut self,
        now: Instant,
        mut bytes: Bytes,
        latency: Duration,
        bandwidth: Option<NonZeroU64>,
    ) {
        self.bytes += bytes.len();
        let mut free_at = self.free_at.map_or(now, |at| at.max(now));
        while !bytes.is_empty() {
            let piece = match bandwidth {
                None => std::mem::take(&mut bytes),
                Some(rate) => {
                    let most =
                        usize::try_from(rate.get() / PIECES_PER_SECOND).unwrap_or(usize::MAX);
                    let piece = bytes.split_to(bytes.len().min(most.max(1)));
                    free_at += Duration::from_secs_f64(piece.len() as f64 / rate.get() as f64);
                    piece
                }
            };
            // What was put in earlier comes out earlier, also after the line became shorter.
            let earliest = self.pieces.back().map_or(now, |(due, _)| *due);
            self.pieces
                .push_back(((free_at + latency).max(earliest), piece));
        }
        self.free_at = Some(free_at);
    }

    /// When the next byte comes out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.pieces.front().map(|(due, _)| *due)
    }

    /// What has come out by `now`, as far as one piece goes: look at it, then [`DelayLine::take`] some of it.
    pub(super) fn due(&self, now: Instant) -> Option<&[u8]> {
        let (due, piece) = self.pieces.front()?;
        (*due <= now).then_some(piece)
    }

    /// Takes the first `count` bytes of what [`DelayLine::due`] shows.
    pub(super) fn take(&mut self, count: usize) {
        let Some((_, piece)) = self.pieces.front_mut() else {
            return;
        };
        let _taken = piece.split_to(count);
        self.bytes -= count;
        if piece.is_empty() {
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn out(line: &mut DelayLine, now: Instant) -> usize {
        let mut count = 0;
        while let Some(piece) = line.due(now) {
            let piece = piece.len();
            count += piece;
            line.take(piece);
        }
        count
    }

    #[test]
    fn bytes_come_out_after_the_latency_and_not_before() {
        let (mut line, now) = (DelayLine::default(), Instant::now());
        line.push(now, Bytes::from_static(b"abc"), 20 * MS, None);
        assert_eq!(line.next_due(), Some(now + 20 * MS));
        assert_eq!(line.due(now + 19 * MS), None);
        assert_eq!(line.due(now + 20 * MS), Some(&b"abc"[..]));
        line.take(1);
        assert_eq!(line.due(now + 20 * MS), Some(&b"bc"[..]));
        line.take(2);
        assert!(line.is_empty());
    }

    #[test]
    fn a_narrow_line_carries_its_bytes_per_second_and_no_more() {
        let (mut line, now) = (DelayLine::default(), Instant::now());
        for _ in 0..10 {
            line.push(
                now,
                Bytes::from(vec![0; 1000]),
                Duration::ZERO,
                NonZeroU64::new(10_000),
            );
        }
        assert_eq!(out(&mut line, now + 250 * MS), 2500);
        assert_eq!(out(&mut line, now + 999 * MS), 7400);
        assert_eq!(out(&mut line, now + 1000 * MS), 100);
    }

    #[test]
    fn a_line_made_shorter_does_not_let_later_bytes_overtake() {
        let (mut line, now) = (DelayLine::default(), Instant::now());
        line.push(now, Bytes::from_static(b"first"), 50 * MS, None);
        line.push(
            now + MS,
            Bytes::from_static(b"second"),
            Duration::ZERO,
            None,
        );
        assert_eq!(line.due(now + 49 * MS), None);
        assert_eq!(line.due(now + 50 * MS), Some(&b"first"[..]));
    }

    #[test]
    fn no_more_than_its_capacity_is_under_way() {
        let (mut line, now) = (DelayLine::default(), Instant::now());
        line.push(now, Bytes::from(vec![0; CAPACITY - 1]), MS, None);
        assert_eq!(line.room(), 1);
        line.push(now, Bytes::from(vec![0; 1]), MS, None);
        assert_eq!(line.room(), 0);
    }
}
