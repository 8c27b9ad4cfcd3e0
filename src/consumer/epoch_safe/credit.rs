//! How many events to ask for: pure.

use std::num::NonZeroU32;

/// The first grant, while no event has told how large events are.
const FIRST: usize = 16;
/// How fast the largest event seen is forgotten: an eighth with each chunk.
const DECAY: usize = 8;

/// What one partition may have under way or not yielded yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credit {
    most_events: usize,
    most_bytes: usize,
    largest: usize,
}

impl Credit {
    pub(super) fn new(most_events: usize, most_bytes: usize) -> Self {
        Self {
            most_events,
            most_bytes,
            largest: 0,
        }
    }

    /// Learns from a chunk of events how large they are.
    pub(super) fn observe(&mut self, largest: usize) {
        let remembered = self.largest - self.largest / DECAY;
        self.largest = remembered.max(largest).max(1);
    }

    /// What to ask for while this much is not yielded yet; `None`: nothing.
    pub(super) fn grant(&self, events: usize, bytes: usize) -> Option<NonZeroU32> {
        let by_events = self.most_events.saturating_sub(events);
        let free = self.most_bytes.saturating_sub(bytes);
        let by_bytes = free.checked_div(self.largest).unwrap_or(FIRST);
        let grant = by_events.min(by_bytes);
        // One always passes, however large: else it would stop the partition.
        let grant = if events == 0 { grant.max(1) } else { grant };
        NonZeroU32::new(u32::try_from(grant).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(credit: &Credit, events: usize, bytes: usize) -> u32 {
        credit.grant(events, bytes).map_or(0, NonZeroU32::get)
    }

    #[test]
    fn the_first_grant_is_small() {
        assert_eq!(granted(&Credit::new(300, 1 << 20), 0, 0), 16);
    }

    #[test]
    fn credit_fills_what_is_free_in_events_and_bytes() {
        let mut credit = Credit::new(300, 100_000);
        credit.observe(100);
        assert_eq!(granted(&credit, 0, 0), 300);
        assert_eq!(granted(&credit, 250, 25_000), 50);
        assert_eq!(granted(&credit, 250, 99_000), 10);
        assert_eq!(granted(&credit, 300, 30_000), 0);
        assert_eq!(granted(&credit, 1, 100_000), 0);
    }

    #[test]
    fn an_event_beyond_the_bound_passes_alone() {
        let mut credit = Credit::new(300, 1000);
        credit.observe(5000);
        assert_eq!(granted(&credit, 0, 0), 1);
        assert_eq!(granted(&credit, 1, 5000), 0);
    }

    #[test]
    fn a_large_event_is_forgotten_in_time() {
        let mut credit = Credit::new(1000, 10_000);
        credit.observe(10_000);
        for _ in 0..100 {
            credit.observe(10);
        }
        assert_eq!(granted(&credit, 0, 0), 1000);
    }
}
