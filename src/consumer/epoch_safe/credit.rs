//! How many events a partition may ask for: pure.

use std::num::NonZeroU32;
use std::ops::{AddAssign, SubAssign};

/// What an event may weigh before one was seen: a Standard namespace takes no
/// larger ones. It keeps the first grant small.
const LARGEST_EVENT: u64 = 1024 * 1024;

/// Events and their encoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Load {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Load {
    pub(super) fn saturating_sub(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_sub(other.events),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// What each of `count` partitions has of the bounds: all of the events, and
    /// an equal share of the bytes.
    pub(super) fn share(self, count: u64) -> Self {
        Self {
            events: self.events,
            bytes: self.bytes / count,
        }
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Self) {
        self.events -= other.events;
        self.bytes -= other.bytes;
    }
}

/// What one partition's events weigh, and so how many of them there is room for.
#[derive(Debug, Default)]
pub(super) struct Credit {
    largest: Option<u64>,
}

impl Credit {
    /// Learns from a delivery, whose largest event has so many bytes.
    ///
    /// What was large once is forgotten by an eighth per delivery.
    pub(super) fn observe(&mut self, largest: u64) {
        let remembered = self.largest.map_or(0, |largest| largest - largest / 8);
        self.largest = Some(remembered.max(largest));
    }

    /// The credit to give while `held` of `share` is taken; `None` while less
    /// than half of what could be asked for is free: asking for single events
    /// would cost a frame each.
    ///
    /// With nothing held it is at least one event, however large.
    pub(super) fn grant(&self, share: Load, held: Load) -> Option<NonZeroU32> {
        let full = self.demand(share).max(1);
        let free = match held.events {
            0 => full,
            _ => self.demand(share.saturating_sub(held)),
        };
        let granted = if free * 2 >= full { free } else { 0 };
        NonZeroU32::new(u32::try_from(granted).unwrap_or(u32::MAX))
    }

    fn demand(&self, free: Load) -> u64 {
        let largest = self.largest.unwrap_or(LARGEST_EVENT).max(1);
        free.events.min(free.bytes / largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Load = Load {
        events: 300,
        bytes: 8 << 20,
    };

    fn credit(largest: u64) -> Credit {
        let mut credit = Credit::default();
        credit.observe(largest);
        credit
    }

    fn held(events: u64, bytes: u64) -> Load {
        Load { events, bytes }
    }

    fn grant(credit: &Credit, share: Load, held: Load) -> u32 {
        credit.grant(share, held).map_or(0, NonZeroU32::get)
    }

    #[test]
    fn the_first_grant_keeps_to_the_bytes_even_if_all_events_are_the_largest() {
        assert_eq!(grant(&Credit::default(), SHARE, Load::default()), 8);
    }

    #[test]
    fn small_events_are_bounded_by_number_and_large_ones_by_bytes() {
        assert_eq!(grant(&credit(100), SHARE, Load::default()), 300);
        assert_eq!(grant(&credit(1 << 16), SHARE, Load::default()), 128);
        assert_eq!(
            grant(&credit(1 << 16), SHARE, held(10, 4 << 20)),
            64,
            "half of the bytes is free"
        );
    }

    #[test]
    fn nothing_is_asked_for_until_half_is_free() {
        assert_eq!(grant(&credit(100), SHARE, held(151, 15_100)), 0);
        assert_eq!(grant(&credit(100), SHARE, held(150, 15_000)), 150);
        assert_eq!(grant(&credit(100), SHARE, held(300, 30_000)), 0);
    }

    #[test]
    fn an_event_beyond_the_share_is_still_asked_for_one_at_a_time() {
        let large = credit(64 << 20);
        assert_eq!(grant(&large, SHARE, Load::default()), 1);
        assert_eq!(grant(&large, SHARE, held(1, 64 << 20)), 0);
        assert_eq!(grant(&large, SHARE, held(1, 10)), 0);
    }

    #[test]
    fn a_grant_never_exceeds_what_is_free() {
        for largest in [1, 100, 5000, 1 << 20] {
            let credit = credit(largest);
            for events in 1..=300 {
                let held = held(events, events * largest);
                let granted = u64::from(grant(&credit, SHARE, held));
                assert!(granted == 0 || events + granted <= SHARE.events);
                assert!(granted == 0 || (events + granted) * largest <= SHARE.bytes);
            }
        }
    }

    #[test]
    fn a_large_event_is_remembered_and_then_forgotten() {
        let mut credit = credit(1 << 20);
        credit.observe(100);
        assert_eq!(grant(&credit, SHARE, Load::default()), 9);
        for _ in 0..100 {
            credit.observe(100);
        }
        assert_eq!(grant(&credit, SHARE, Load::default()), 300);
    }

    #[test]
    fn bytes_are_shared_and_events_are_not() {
        assert_eq!(SHARE.share(3), held(300, (8 << 20) / 3));
    }
}
