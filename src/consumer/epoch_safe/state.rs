//! The life of one partition, as a pure table.
//!
//! | state | event | next |
//! |---|---|---|
//! | probing | free | opening |
//! | probing | refused, transient fault | backing off, to probe again |
//! | probing | timed out | ended: refused |
//! | opening | opened | reading |
//! | opening, never owned | refused | as the policy says: ended, opening at a higher level, or backing off to probe |
//! | opening, owned before | refused | as if lost |
//! | reading | received | reading, failures forgotten |
//! | reading | quiet | reading, thefts forgotten |
//! | opening, reading | lost, revoked | as the policy says: ended, or backing off to open at a higher level |
//! | opening, reading | transient fault | backing off, one failure more |
//! | any but ended | final fault | ended: failed |
//! | backing off | waited | probing or opening |
//!
//! Of the policies only [`Escalate`](EpochPolicy::Escalate) leads from a loss back
//! to opening, each time at a higher level: two of them cannot go on for ever.

use super::policy::EpochPolicy;
use crate::error::{Error, ErrorKind, OwnershipLostReason};

/// Where a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A look whether the partition has an owner, which disturbs none.
    Probing(History),
    /// A receiver is being opened.
    Opening(History),
    /// The receiver is open.
    Reading(History),
    /// A fault or an owner passes; then it goes on.
    BackingOff(History),
    /// Nothing more comes.
    Ended(End),
}

/// What a partition went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    /// The owner level to open at.
    pub(super) level: Option<i64>,
    /// Whether a receiver was open before, and was not lost since.
    pub(super) owned: bool,
    /// Faults in a row since the last event.
    pub(super) failures: u32,
    /// Thefts since the partition was last read in peace.
    pub(super) thefts: u32,
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
    /// No receiver with an owner level has it.
    Free,
    /// The receiver is open.
    Opened,
    /// Events came.
    Received,
    /// It was read in peace for a while.
    Quiet,
    /// Opening or receiving failed.
    Failed(Fault),
    /// The wait is over.
    Waited,
    /// The policy waits no longer.
    TimedOut,
}

/// What an error means to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A receiver with an owner level, as far as it is known, stands in the way.
    Refused(Option<i64>),
    /// A receiver with an owner level, as far as it is known, took it.
    Lost(Option<i64>),
    Transient,
    Final,
}

impl Fault {
    /// What an error says, whose kind is that of the innermost contest in its
    /// chain already (see [`recognize`](super::contest::recognize)).
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::OwnershipRefused(conflict) => Self::Refused(conflict.holder_level),
            ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) => {
                Self::Lost(conflict.holder_level)
            }
            ErrorKind::OwnershipLost(OwnershipLostReason::Revoked) | ErrorKind::Fenced => {
                Self::Lost(None)
            }
            _ if error.is_retryable() => Self::Transient,
            _ => Self::Final,
        }
    }
}

impl State {
    pub(super) fn start(policy: EpochPolicy) -> Self {
        let history = History {
            level: policy.first_level(),
            ..History::default()
        };
        match policy {
            EpochPolicy::WaitForRelease { .. } => Self::Probing(history),
            _ => Self::Opening(history),
        }
    }

    /// What it went through; `None` once it has ended.
    pub(super) fn history(self) -> Option<History> {
        match self {
            Self::Probing(history)
            | Self::Opening(history)
            | Self::Reading(history)
            | Self::BackingOff(history) => Some(history),
            Self::Ended(_) => None,
        }
    }

    /// The state after an event. What cannot happen changes nothing.
    pub(super) fn next(self, policy: EpochPolicy, event: Event) -> Self {
        match (self, event) {
            (Self::Probing(history), Event::Free) => Self::Opening(history),
            (Self::Probing(_), Event::TimedOut) => Self::Ended(End::Refused),
            (Self::BackingOff(history), Event::TimedOut) if !history.owned => {
                Self::Ended(End::Refused)
            }
            (Self::Opening(history), Event::Opened) => Self::Reading(History {
                owned: true,
                ..history
            }),
            (Self::Reading(history), Event::Received) => Self::Reading(History {
                failures: 0,
                ..history
            }),
            (Self::Reading(history), Event::Quiet) => Self::Reading(History {
                thefts: 0,
                ..history
            }),
            (Self::BackingOff(history), Event::Waited) => match policy {
                EpochPolicy::WaitForRelease { .. } if !history.owned => Self::Probing(history),
                _ => Self::Opening(history),
            },
            (Self::BackingOff(_) | Self::Ended(_), Event::Failed(_)) => self,
            (_, Event::Failed(Fault::Final)) => Self::Ended(End::Failed),
            (Self::Probing(history), Event::Failed(_)) => Self::BackingOff(history.failed()),
            (Self::Opening(history) | Self::Reading(history), Event::Failed(fault)) => {
                history.fail(policy, fault)
            }
            (state, _) => state,
        }
    }
}

impl History {
    fn failed(self) -> Self {
        Self {
            failures: self.failures.saturating_add(1),
            ..self
        }
    }

    /// What a fault leads to while a receiver is opened or read.
    fn fail(self, policy: EpochPolicy, fault: Fault) -> State {
        match fault {
            Fault::Transient => State::BackingOff(self.failed()),
            Fault::Final => State::Ended(End::Failed),
            Fault::Refused(holder) if !self.owned => self.refused(policy, holder),
            // Someone with a higher level came while the connection was broken.
            Fault::Refused(thief) | Fault::Lost(thief) => self.lost(policy, thief),
        }
    }

    fn refused(self, policy: EpochPolicy, holder: Option<i64>) -> State {
        match policy {
            EpochPolicy::WaitForRelease { .. } => State::BackingOff(self.failed()),
            EpochPolicy::Escalate { max, .. } => {
                let next = self.above();
                // The holder's own level is enough, where it is told.
                match holder.map_or(next, |holder| holder.max(next)) {
                    level if level > max => State::Ended(End::Refused),
                    level => State::Opening(Self {
                        level: Some(level),
                        ..self.failed()
                    }),
                }
            }
            EpochPolicy::TakeOver { .. } | EpochPolicy::NonEpoch => State::Ended(End::Refused),
        }
    }

    fn lost(self, policy: EpochPolicy, thief: Option<i64>) -> State {
        let EpochPolicy::Escalate { max, .. } = policy else {
            return State::Ended(End::Lost);
        };
        // Strictly above the thief: at its level it would take it back.
        let above_thief = thief.map_or(i64::MIN, |thief| thief.saturating_add(1));
        match self.above().max(above_thief) {
            level if level > max => State::Ended(End::Lost),
            level => State::BackingOff(Self {
                level: Some(level),
                owned: false,
                thefts: self.thefts.saturating_add(1),
                ..self
            }),
        }
    }

    /// The next level above its own.
    fn above(self) -> i64 {
        self.level.map_or(0, |level| level.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::EpochConflict;
    use State::{BackingOff, Ended, Opening, Probing, Reading};
    use proptest::prelude::*;

    const TAKE_OVER: EpochPolicy = EpochPolicy::TakeOver { level: 3 };
    const ESCALATE: EpochPolicy = EpochPolicy::Escalate { from: 3, max: 6 };
    const WAIT: EpochPolicy = EpochPolicy::WaitForRelease {
        level: 3,
        timeout: Duration::from_secs(60),
    };
    const NONE: EpochPolicy = EpochPolicy::NonEpoch;
    const ALL: [EpochPolicy; 4] = [TAKE_OVER, ESCALATE, WAIT, NONE];

    /// At level 3, as the policies above begin, after two faults.
    const NEW: History = History {
        level: Some(3),
        owned: false,
        failures: 2,
        thefts: 0,
    };
    const OWNED: History = History { owned: true, ..NEW };

    fn at(history: History, level: i64) -> History {
        History {
            level: Some(level),
            ..history
        }
    }

    fn failed(history: History) -> History {
        History {
            failures: history.failures + 1,
            ..history
        }
    }

    fn stolen(history: History) -> History {
        History {
            owned: false,
            thefts: history.thefts + 1,
            ..history
        }
    }

    fn check(policy: EpochPolicy, rows: &[(State, Event, State)]) {
        for (state, event, next) in rows {
            let found = state.next(policy, *event);
            assert_eq!(found, *next, "{policy:?} {state:?} {event:?}");
        }
    }

    #[test]
    fn a_policy_starts_at_its_level_and_looks_first_only_if_it_waits() {
        let level = |level| History {
            level,
            ..History::default()
        };
        assert_eq!(State::start(TAKE_OVER), Opening(level(Some(3))));
        assert_eq!(State::start(ESCALATE), Opening(level(Some(3))));
        assert_eq!(State::start(WAIT), Probing(level(Some(3))));
        assert_eq!(State::start(NONE), Opening(level(None)));
    }

    #[test]
    fn what_every_policy_does() {
        for policy in ALL {
            let fault = |fault| Event::Failed(fault);
            check(
                policy,
                &[
                    (Opening(NEW), Event::Opened, Reading(OWNED)),
                    (
                        Reading(OWNED),
                        Event::Received,
                        Reading(History {
                            failures: 0,
                            ..OWNED
                        }),
                    ),
                    (
                        Reading(stolen(OWNED)),
                        Event::Quiet,
                        Reading(History {
                            owned: false,
                            ..OWNED
                        }),
                    ),
                    (
                        Opening(NEW),
                        fault(Fault::Transient),
                        BackingOff(failed(NEW)),
                    ),
                    (
                        Reading(OWNED),
                        fault(Fault::Transient),
                        BackingOff(failed(OWNED)),
                    ),
                    (Opening(NEW), fault(Fault::Final), Ended(End::Failed)),
                    (Reading(OWNED), fault(Fault::Final), Ended(End::Failed)),
                    (BackingOff(OWNED), Event::Waited, Opening(OWNED)),
                ],
            );
        }
    }

    #[test]
    fn a_refusal_from_the_start_ends_what_neither_waits_nor_escalates() {
        let refused = Event::Failed(Fault::Refused(Some(5)));
        for policy in [TAKE_OVER, NONE] {
            check(policy, &[(Opening(NEW), refused, Ended(End::Refused))]);
        }
    }

    #[test]
    fn a_loss_ends_what_does_not_escalate() {
        for policy in [TAKE_OVER, WAIT, NONE] {
            for fault in [
                Fault::Lost(Some(3)),
                Fault::Lost(None),
                Fault::Refused(Some(9)),
            ] {
                let lost = Event::Failed(fault);
                check(
                    policy,
                    &[
                        (Opening(OWNED), lost, Ended(End::Lost)),
                        (Reading(OWNED), lost, Ended(End::Lost)),
                    ],
                );
            }
            check(
                policy,
                &[(
                    Opening(NEW),
                    Event::Failed(Fault::Lost(Some(3))),
                    Ended(End::Lost),
                )],
            );
        }
    }

    #[test]
    fn escalating_meets_a_holder_at_its_level_and_a_thief_above_it() {
        let refused = |holder| Event::Failed(Fault::Refused(holder));
        let lost = |thief| Event::Failed(Fault::Lost(thief));
        let open = |level| Opening(failed(at(NEW, level)));
        let back = |level| BackingOff(stolen(at(OWNED, level)));
        check(
            ESCALATE,
            &[
                (Opening(NEW), refused(Some(5)), open(5)),
                (Opening(NEW), refused(Some(6)), open(6)),
                (Opening(NEW), refused(Some(7)), Ended(End::Refused)),
                (Opening(NEW), refused(None), open(4)),
                // A holder that should not have stood in the way.
                (Opening(NEW), refused(Some(1)), open(4)),
                (Opening(at(NEW, 6)), refused(None), Ended(End::Refused)),
                (Reading(OWNED), lost(Some(3)), back(4)),
                (Reading(OWNED), lost(Some(5)), back(6)),
                (Reading(OWNED), lost(Some(6)), Ended(End::Lost)),
                (Reading(OWNED), lost(None), back(4)),
                (Reading(at(OWNED, 6)), lost(None), Ended(End::Lost)),
                (Opening(OWNED), refused(Some(4)), back(5)),
            ],
        );
        let highest = EpochPolicy::Escalate {
            from: 0,
            max: i64::MAX,
        };
        check(
            highest,
            &[(Reading(OWNED), lost(Some(i64::MAX)), back(i64::MAX))],
        );
    }

    #[test]
    fn waiting_looks_again_until_the_partition_is_free_or_its_time_is_over() {
        let refused = Event::Failed(Fault::Refused(Some(0)));
        let passing = Event::Failed(Fault::Transient);
        check(
            WAIT,
            &[
                (Probing(NEW), Event::Free, Opening(NEW)),
                (Probing(NEW), refused, BackingOff(failed(NEW))),
                (Probing(NEW), passing, BackingOff(failed(NEW))),
                (
                    Probing(NEW),
                    Event::Failed(Fault::Final),
                    Ended(End::Failed),
                ),
                (BackingOff(NEW), Event::Waited, Probing(NEW)),
                (Probing(NEW), Event::TimedOut, Ended(End::Refused)),
                (BackingOff(NEW), Event::TimedOut, Ended(End::Refused)),
                // Someone was faster.
                (Opening(NEW), refused, BackingOff(failed(NEW))),
                // What was ours is opened again, and not waited for.
                (BackingOff(OWNED), Event::TimedOut, BackingOff(OWNED)),
            ],
        );
    }

    #[test]
    fn what_cannot_happen_changes_nothing() {
        use Event::{Free, Opened, Quiet, Received, TimedOut, Waited};
        for policy in ALL {
            for (state, events) in [
                (Probing(NEW), &[Opened, Received, Quiet, Waited][..]),
                (Opening(OWNED), &[Free, Received, Quiet, Waited, TimedOut]),
                (Reading(OWNED), &[Free, Opened, Waited, TimedOut]),
                (BackingOff(OWNED), &[Free, Opened, Received, Quiet]),
                (BackingOff(OWNED), &[Event::Failed(Fault::Final)]),
            ] {
                for event in events {
                    assert_eq!(state.next(policy, *event), state, "{event:?}");
                }
            }
        }
    }

    fn levels() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![Just(None), (0_i64..8).prop_map(Some)]
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Free),
            Just(Event::Opened),
            Just(Event::Received),
            Just(Event::Quiet),
            Just(Event::Waited),
            Just(Event::TimedOut),
            Just(Event::Failed(Fault::Transient)),
            Just(Event::Failed(Fault::Final)),
            levels().prop_map(|level| Event::Failed(Fault::Refused(level))),
            levels().prop_map(|level| Event::Failed(Fault::Lost(level))),
        ]
    }

    fn policies() -> impl Strategy<Value = EpochPolicy> {
        prop::sample::select(&ALL[..])
    }

    proptest! {
        #[test]
        fn an_end_is_final_and_no_wait_follows_a_wait(
            policy in policies(),
            events in prop::collection::vec(events(), 0..60),
        ) {
            let mut state = State::start(policy);
            for event in events {
                let next = state.next(policy, event);
                if let Ended(_) = state {
                    prop_assert_eq!(next, state);
                }
                state = next;
            }
        }

        #[test]
        fn only_escalating_opens_again_after_a_loss_and_each_time_at_a_higher_level(
            policy in policies(),
            events in prop::collection::vec(events(), 0..60),
        ) {
            let mut state = State::start(policy);
            let mut lost_at = None;
            for event in events {
                let next = state.next(policy, event);
                let loss = match (state, event) {
                    (Opening(_) | Reading(_), Event::Failed(Fault::Lost(thief))) => Some(thief),
                    _ => None,
                };
                if let (Some(thief), Some(history)) = (loss, next.history()) {
                    let escalates = matches!(policy, EpochPolicy::Escalate { .. });
                    prop_assert!(escalates);
                    prop_assert!(history.level > thief && history.level > lost_at);
                    lost_at = history.level;
                }
                state = next;
            }
        }

        #[test]
        fn a_level_keeps_to_its_policy(
            policy in policies(),
            events in prop::collection::vec(events(), 0..60),
        ) {
            let mut state = State::start(policy);
            for event in events {
                state = state.next(policy, event);
                let Some(history) = state.history() else { return Ok(()) };
                match policy {
                    EpochPolicy::Escalate { from, max } => {
                        prop_assert!((from..=max).contains(&history.level.expect("a level")));
                    }
                    _ => prop_assert_eq!(history.level, policy.first_level()),
                }
            }
        }
    }

    #[test]
    fn an_error_is_read_as_what_it_means_to_the_partition() {
        let conflict = |holder_level| EpochConflict {
            holder_level,
            ..EpochConflict::default()
        };
        let stolen = |level| OwnershipLostReason::Stolen(conflict(level));
        let retry_after = Duration::from_secs(4);
        for (kind, fault) in [
            (
                ErrorKind::OwnershipRefused(conflict(Some(2))),
                Fault::Refused(Some(2)),
            ),
            (
                ErrorKind::OwnershipLost(stolen(Some(4))),
                Fault::Lost(Some(4)),
            ),
            (ErrorKind::OwnershipLost(stolen(None)), Fault::Lost(None)),
            (
                ErrorKind::OwnershipLost(OwnershipLostReason::Revoked),
                Fault::Lost(None),
            ),
            (ErrorKind::Fenced, Fault::Lost(None)),
            (ErrorKind::Disconnected, Fault::Transient),
            (ErrorKind::Timeout, Fault::Transient),
            (ErrorKind::StoreUnavailable, Fault::Transient),
            (ErrorKind::Throttled { retry_after }, Fault::Transient),
            (ErrorKind::Unauthorized, Fault::Final),
            (ErrorKind::InvalidPosition, Fault::Final),
            (ErrorKind::CorruptCheckpoint, Fault::Final),
            (ErrorKind::Closed, Fault::Final),
        ] {
            let error = Error::new(kind.clone(), "test");
            assert_eq!(Fault::of(&error), fault, "{kind:?}");
        }
    }
}
