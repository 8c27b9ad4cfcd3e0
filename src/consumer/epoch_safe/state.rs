//! The life of one partition, as a pure table.
//!
//! | state | event | next |
//! |---|---|---|
//! | opening | opened | reading |
//! | opening, never owned | refused | ended: refused |
//! | opening, owned before | refused | ended: lost |
//! | reading | received | reading, failures forgotten |
//! | reading | refused | ended: refused |
//! | opening, reading | lost | ended: lost |
//! | opening, reading | transient fault | backing off, one failure more |
//! | opening, reading | final fault | ended: failed |
//! | backing off | waited | opening |
//!
//! No row leads from a loss back to opening: what was taken is not taken back.

use crate::error::{Error, ErrorKind};

/// Where a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A receiver is being opened.
    Opening(History),
    /// The receiver is open.
    Reading(History),
    /// A fault passes; then the receiver is opened again.
    BackingOff(History),
    /// Nothing more comes.
    Ended(End),
}

/// What a partition went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    /// Whether a receiver was open before.
    pub(super) owned: bool,
    /// Faults in a row since the last event.
    pub(super) failures: u32,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Another receiver stood in the way from the start.
    Refused,
    /// Another receiver has it now.
    Lost,
    /// It cannot be read.
    Failed,
}

/// What happens to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The receiver is open.
    Opened,
    /// Events came.
    Received,
    /// Opening or receiving failed.
    Failed(Fault),
    /// The wait is over.
    Waited,
}

/// What an error means to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Refused,
    Lost,
    Transient,
    Final,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::OwnershipRefused(_) => Self::Refused,
            ErrorKind::OwnershipLost(_) => Self::Lost,
            _ if error.is_retryable() => Self::Transient,
            _ => Self::Final,
        }
    }
}

impl State {
    pub(super) fn start() -> Self {
        Self::Opening(History::default())
    }

    /// The state after an event. What cannot happen changes nothing.
    pub(super) fn next(self, event: Event) -> Self {
        match (self, event) {
            (Self::Opening(history), Event::Opened) => Self::Reading(History {
                owned: true,
                ..history
            }),
            (Self::Opening(history), Event::Failed(Fault::Refused)) if history.owned => {
                Self::Ended(End::Lost)
            }
            (Self::Reading(history), Event::Received) => Self::Reading(History {
                failures: 0,
                ..history
            }),
            (Self::Opening(history) | Self::Reading(history), Event::Failed(fault)) => {
                match fault {
                    Fault::Refused => Self::Ended(End::Refused),
                    Fault::Lost => Self::Ended(End::Lost),
                    Fault::Final => Self::Ended(End::Failed),
                    Fault::Transient => Self::BackingOff(History {
                        failures: history.failures.saturating_add(1),
                        ..history
                    }),
                }
            }
            (Self::BackingOff(history), Event::Waited) => Self::Opening(history),
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{EpochConflict, OwnershipLostReason};

    const NEW: History = History {
        owned: false,
        failures: 0,
    };
    const OWNED: History = History {
        owned: true,
        failures: 0,
    };
    const FAILED_TWICE: History = History {
        owned: true,
        failures: 2,
    };
    const FAILED_THRICE: History = History {
        owned: true,
        failures: 3,
    };
    const EVENTS: [Event; 7] = [
        Event::Opened,
        Event::Received,
        Event::Waited,
        Event::Failed(Fault::Refused),
        Event::Failed(Fault::Lost),
        Event::Failed(Fault::Transient),
        Event::Failed(Fault::Final),
    ];

    fn check(rows: &[(State, Event, State)]) {
        for (state, event, next) in rows {
            assert_eq!(state.next(*event), *next, "{state:?} {event:?}");
        }
    }

    #[test]
    fn an_opening_partition_is_read_or_refused_or_tried_again() {
        use State::{BackingOff, Ended, Opening, Reading};
        let failed = History {
            owned: false,
            failures: 1,
        };
        check(&[
            (Opening(NEW), Event::Opened, Reading(OWNED)),
            (Opening(FAILED_TWICE), Event::Opened, Reading(FAILED_TWICE)),
            (
                Opening(NEW),
                Event::Failed(Fault::Refused),
                Ended(End::Refused),
            ),
            (
                Opening(OWNED),
                Event::Failed(Fault::Refused),
                Ended(End::Lost),
            ),
            (Opening(NEW), Event::Failed(Fault::Lost), Ended(End::Lost)),
            (
                Opening(NEW),
                Event::Failed(Fault::Transient),
                BackingOff(failed),
            ),
            (
                Opening(FAILED_TWICE),
                Event::Failed(Fault::Transient),
                BackingOff(FAILED_THRICE),
            ),
            (
                Opening(NEW),
                Event::Failed(Fault::Final),
                Ended(End::Failed),
            ),
        ]);
    }

    #[test]
    fn a_partition_being_read_ends_by_theft_and_survives_a_passing_fault() {
        use State::{BackingOff, Ended, Reading};
        check(&[
            (Reading(FAILED_TWICE), Event::Received, Reading(OWNED)),
            (
                Reading(OWNED),
                Event::Failed(Fault::Refused),
                Ended(End::Refused),
            ),
            (Reading(OWNED), Event::Failed(Fault::Lost), Ended(End::Lost)),
            (
                Reading(FAILED_TWICE),
                Event::Failed(Fault::Transient),
                BackingOff(FAILED_THRICE),
            ),
            (
                Reading(OWNED),
                Event::Failed(Fault::Final),
                Ended(End::Failed),
            ),
        ]);
    }

    #[test]
    fn a_wait_leads_back_to_opening_and_remembers_why() {
        let waiting = State::BackingOff(FAILED_TWICE);
        assert_eq!(waiting.next(Event::Waited), State::Opening(FAILED_TWICE));
    }

    #[test]
    fn nothing_leads_out_of_an_end() {
        for end in [End::Refused, End::Lost, End::Failed] {
            for event in EVENTS {
                assert_eq!(State::Ended(end).next(event), State::Ended(end));
            }
        }
    }

    #[test]
    fn what_cannot_happen_changes_nothing() {
        for (state, events) in [
            (State::Opening(OWNED), &[Event::Received, Event::Waited][..]),
            (State::Reading(OWNED), &[Event::Opened, Event::Waited][..]),
            (State::BackingOff(OWNED), &[Event::Opened, Event::Received]),
            (State::BackingOff(OWNED), &EVENTS[3..]),
        ] {
            for event in events {
                assert_eq!(state.next(*event), state, "{event:?}");
            }
        }
    }

    #[test]
    fn an_error_is_read_as_what_it_means_to_the_partition() {
        let lost = OwnershipLostReason::Stolen(EpochConflict::default());
        let retry_after = Duration::from_secs(4);
        for (kind, fault) in [
            (
                ErrorKind::OwnershipRefused(EpochConflict::default()),
                Fault::Refused,
            ),
            (ErrorKind::OwnershipLost(lost), Fault::Lost),
            (ErrorKind::Disconnected, Fault::Transient),
            (ErrorKind::Timeout, Fault::Transient),
            (ErrorKind::Throttled { retry_after }, Fault::Transient),
            (ErrorKind::Unauthorized, Fault::Final),
            (ErrorKind::InvalidPosition, Fault::Final),
            (ErrorKind::Closed, Fault::Final),
        ] {
            let error = Error::new(kind.clone(), "test");
            assert_eq!(Fault::of(&error), fault, "{kind:?}");
        }
    }
}
