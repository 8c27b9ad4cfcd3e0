//! The table, row by row, and what holds for all of it.

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
                        failures: 0,
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
    let wait = |level| BackingOff(failed(at(NEW, level)));
    let back = |level| BackingOff(stolen(at(OWNED, level)));
    check(
        ESCALATE,
        &[
            (Opening(NEW), refused(Some(5)), open(5)),
            (Opening(NEW), refused(Some(6)), open(6)),
            (Opening(NEW), refused(Some(7)), Ended(End::Refused)),
            (Opening(NEW), refused(None), wait(4)),
            // A holder that should not have stood in the way.
            (Opening(NEW), refused(Some(1)), wait(4)),
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
            let Some(history) = state.history() else {
                let ended = matches!(state, Ended(_));
                prop_assert!(ended, "{state:?}");
                return Ok(());
            };
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
