//! The life of one partition, as a pure table.
//!
//! | state | event | next |
//! |---|---|---|
//! | probing | free | opening |
//! | probing | refused, transient fault | backing off, to probe again |
//! | probing | timed out | ended: refused |
//! | opening | opened | reading |
//! | opening, never owned | refused | as the policy says: ended, opening at a higher level, or backing off |
//! | opening, owned before | refused | as if lost |
//! | reading | received | reading, failures forgotten |
//! | reading | quiet | reading, failures and thefts forgotten |
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
                failures: 0,
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
                // The holder's own level is enough, where it is told.
                let next = self.above();
                let level = holder.map_or(next, |holder| holder.max(next));
                let risen = Self {
                    level: Some(level),
                    ..self.failed()
                };
                match holder {
                    _ if level > max => State::Ended(End::Refused),
                    Some(holder) if holder == level => State::Opening(risen),
                    // Level by level, in the dark.
                    _ => State::BackingOff(risen),
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
mod tests;
