//! The life of one partition, as a pure table.

use crate::error::{Error, ErrorKind};

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Attaching; how many attempts have failed in a row.
    Attaching { failures: u32 },
    /// A receiver is attached.
    Reading,
    /// Over: refused, stolen or failed.
    Ended,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    Attached,
    Failed(Failure),
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another receiver stands in the way.
    Refused,
    /// Another receiver took the partition.
    Stolen,
    /// Trying again may help.
    Transient,
    /// Trying again changes nothing.
    Final,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    /// Wait, longer with each failure in a row, then attach again.
    AttachAgain {
        failures: u32,
    },
    /// Yield what is buffered, then the reason.
    End,
    /// Discard what is buffered, then yield the reason.
    Discard,
    Nothing,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::OwnershipRefused(_) => Self::Refused,
            ErrorKind::OwnershipLost(_) => Self::Stolen,
            _ if error.is_retryable() => Self::Transient,
            _ => Self::Final,
        }
    }
}

impl State {
    pub(super) const START: Self = Self::Attaching { failures: 0 };

    /// The table: what follows, and what to do.
    pub(super) fn next(self, happened: Happened) -> (Self, Action) {
        use Happened::{Attached, Failed};
        match (self, happened) {
            (Self::Ended, _) => (Self::Ended, Action::Nothing),
            (_, Attached) => (Self::Reading, Action::Read),
            (_, Failed(Failure::Stolen)) => (Self::Ended, Action::Discard),
            (_, Failed(Failure::Refused | Failure::Final)) => (Self::Ended, Action::End),
            (state, Failed(Failure::Transient)) => {
                let failures = match state {
                    Self::Attaching { failures } => failures.saturating_add(1),
                    _ => 1,
                };
                (
                    Self::Attaching { failures },
                    Action::AttachAgain { failures },
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Happened::{Attached, Failed};
        let attaching = |failures| State::Attaching { failures };
        let again = |failures| Action::AttachAgain { failures };
        let (reading, ended) = (State::Reading, State::Ended);
        let table = [
            (attaching(0), Attached, reading, Action::Read),
            (attaching(3), Attached, reading, Action::Read),
            (attaching(0), Failed(Failure::Refused), ended, Action::End),
            (
                attaching(0),
                Failed(Failure::Stolen),
                ended,
                Action::Discard,
            ),
            (attaching(0), Failed(Failure::Final), ended, Action::End),
            (
                attaching(0),
                Failed(Failure::Transient),
                attaching(1),
                again(1),
            ),
            (
                attaching(4),
                Failed(Failure::Transient),
                attaching(5),
                again(5),
            ),
            (reading, Failed(Failure::Stolen), ended, Action::Discard),
            (reading, Failed(Failure::Refused), ended, Action::End),
            (reading, Failed(Failure::Final), ended, Action::End),
            (reading, Failed(Failure::Transient), attaching(1), again(1)),
            // What is over stays over: no event attaches again after a theft.
            (ended, Attached, ended, Action::Nothing),
            (ended, Failed(Failure::Transient), ended, Action::Nothing),
        ];
        for (state, happened, next, action) in table {
            assert_eq!(
                state.next(happened),
                (next, action),
                "{state:?} {happened:?}"
            );
        }
    }
}
