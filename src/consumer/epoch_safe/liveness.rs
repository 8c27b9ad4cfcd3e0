//! Whether a silent partition has nothing to say, or is not heard: pure.

/// What is known of where a receiver begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Begin {
    /// After an event.
    After(i64),
    /// At the oldest that is kept.
    Oldest,
    /// Somewhere.
    #[default]
    Unknown,
}

/// Looks at a partition from time to time while it waits for events.
///
/// Silence alone means nothing. If at two looks in a row the hub had events that
/// did not come, and none came in between, the receiver is deaf.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    begin: Begin,
    was_behind: bool,
    /// Whether silence from an unknown place was doubted before.
    has_doubted: bool,
}

impl Liveness {
    pub(super) fn opened(&mut self, begin: Begin) {
        self.begin = begin;
        self.was_behind = false;
    }

    pub(super) fn received(&mut self, last: i64) {
        self.opened(Begin::After(last));
    }

    /// Nobody asked for events: that none came tells nothing.
    pub(super) fn not_asked(&mut self) {
        self.was_behind = false;
    }

    /// Takes the oldest and the newest event that the hub has; `true` if the
    /// receiver is deaf.
    pub(super) fn look(&mut self, oldest: i64, newest: i64) -> bool {
        let last = match self.begin {
            Begin::After(last) => last,
            Begin::Oldest => oldest.saturating_sub(1),
            // Perhaps all of it was to come, perhaps nothing: doubted once.
            Begin::Unknown if !std::mem::replace(&mut self.has_doubted, true) => {
                oldest.saturating_sub(1)
            }
            // What is newer than what there is now must come.
            Begin::Unknown => newest,
        };
        self.begin = Begin::After(last);
        let behind = newest > last;
        std::mem::replace(&mut self.was_behind, behind) && behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_at_a_backlog_with_no_event_in_between_tell_a_deaf_receiver() {
        let mut liveness = Liveness::default();
        liveness.opened(Begin::After(4));
        assert!(!liveness.look(0, 5));
        assert!(liveness.look(0, 5));
    }

    #[test]
    fn an_event_in_between_tells_that_it_hears() {
        let mut liveness = Liveness::default();
        liveness.opened(Begin::After(4));
        assert!(!liveness.look(0, 9));
        liveness.received(5);
        assert!(!liveness.look(0, 9));
        assert!(liveness.look(0, 9));
    }

    #[test]
    fn silence_without_a_backlog_means_nothing() {
        let mut liveness = Liveness::default();
        liveness.opened(Begin::After(4));
        for _ in 0..10 {
            assert!(!liveness.look(0, 4));
        }
        assert!(!liveness.look(0, 5));
        liveness.received(5);
        assert!(!liveness.look(0, 5));
    }

    #[test]
    fn a_receiver_that_begins_at_the_oldest_event_is_measured_from_there() {
        let mut liveness = Liveness::default();
        liveness.opened(Begin::Oldest);
        assert!(!liveness.look(7, 6), "nothing is kept");
        assert!(!liveness.look(7, 7));
        assert!(liveness.look(7, 8));
        liveness.opened(Begin::Oldest);
        assert!(!liveness.look(7, 8), "a new receiver begins anew");
    }

    #[test]
    fn one_that_begins_somewhere_is_doubted_once_and_then_measured_from_the_first_look() {
        let mut liveness = Liveness::default();
        assert!(!liveness.look(0, 9));
        assert!(liveness.look(0, 9));
        liveness.opened(Begin::Unknown);
        for _ in 0..3 {
            assert!(!liveness.look(0, 9));
        }
        assert!(!liveness.look(0, 10));
        assert!(liveness.look(0, 10));
    }

    #[test]
    fn a_receiver_that_was_not_asked_is_not_deaf() {
        let mut liveness = Liveness::default();
        liveness.opened(Begin::After(4));
        assert!(!liveness.look(0, 5));
        liveness.not_asked();
        assert!(!liveness.look(0, 5));
        assert!(liveness.look(0, 5));
    }
}
