//! What to do after an attempt: the classes of errors, as a pure table.
//!
//! | the attempt | next |
//! |---|---|
//! | accepted | delivered |
//! | throttled | again, past the throttle gate; spends no retry |
//! | link, session or connection broke before the transfer | again after a backoff |
//! | fate unknown: timeout or break after the transfer, released, modified | again, if duplicates are allowed |
//! | too large, more than one event | again in smaller batches |
//! | refused for good, or unauthorized | rejected |

use std::time::Duration;

use tokio::time::Instant;

use super::delivery::UndeliveredReason;
use super::policy::OnFailure;
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;

/// How often and after what wait a batch is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetryPolicy {
    pub(super) max_retries: u32,
    pub(super) backoff: Backoff,
    /// How long a batch waits in all for a service that is busy.
    pub(super) throttle_deadline: Option<Duration>,
    /// Whether to send again what may be stored already.
    pub(super) duplicates: bool,
    pub(super) on_failure: OnFailure,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff: Backoff::default(),
            throttle_deadline: None,
            duplicates: true,
            on_failure: OnFailure::default(),
        }
    }
}

/// What became of a batch's attempts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    /// How often it was sent.
    pub(super) attempts: u32,
    /// The attempts that failed, throttled ones not counted.
    pub(super) failures: u32,
    /// Some attempt was transferred, and its fate was not learned.
    pub(super) in_doubt: bool,
    pub(super) busy: Option<Busy>,
}

/// The service was busy when the batch was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy {
    /// For the first time.
    pub(super) since: Instant,
    /// The wait that it asked for last.
    pub(super) retry_after: Duration,
}

impl History {
    pub(super) fn refused_as_busy(&mut self, retry_after: Duration, now: Instant) {
        let since = self.busy.map_or(now, |busy| busy.since);
        self.busy = Some(Busy { since, retry_after });
    }

    /// What becomes of a batch that is not sent again though it might be.
    pub(super) fn given_up(&self) -> UndeliveredReason {
        match self.in_doubt {
            true => UndeliveredReason::Unknown,
            false => UndeliveredReason::Failed {
                attempts: self.attempts,
            },
        }
    }
}

/// What to do with a batch that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it again once the throttle gate opens: the service asks for a wait.
    PastTheGate(Duration),
    /// Send it again, after a wait.
    Again(Duration),
    /// Send it again in batches of at most so many bytes.
    Split(usize),
    /// It is over.
    Over(UndeliveredReason),
}

impl RetryPolicy {
    /// Judges an attempt that failed, which `history` is told of.
    pub(super) fn judge(
        &self,
        error: &Error,
        events: usize,
        size: usize,
        history: &mut History,
    ) -> Verdict {
        history.in_doubt |= error.is_fate_unknown();
        match error.kind() {
            ErrorKind::Throttled { retry_after } => {
                return Verdict::PastTheGate(*retry_after);
            }
            ErrorKind::TooLarge { limit, .. } if events > 1 => {
                // Smaller in any case, whatever limit the error tells.
                let told = usize::try_from(*limit)
                    .ok()
                    .filter(|limit| (1..size).contains(limit));
                return Verdict::Split(told.unwrap_or(size / 2));
            }
            _ => {}
        }
        history.failures += 1;
        let again = match (error.kind(), error.is_fate_unknown()) {
            // A fault in the code that was called: it would panic again.
            (ErrorKind::Panicked, _) => false,
            (_, true) => self.duplicates,
            (_, false) => error.is_retryable(),
        };
        if again && history.failures <= self.max_retries {
            return Verdict::Again(self.backoff.delay(history.failures, None));
        }
        Verdict::Over(match history.given_up() {
            UndeliveredReason::Failed { .. } if !error.is_retryable() => {
                UndeliveredReason::Rejected
            }
            reason => reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &RetryPolicy, error: &Error, history: &mut History) -> Verdict {
        history.attempts += 1;
        policy.judge(error, 2, 1000, history)
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "planted")
    }

    fn is_again(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Again(_))
    }

    #[test]
    fn a_throttled_batch_waits_as_asked_and_spends_no_retry() {
        let (policy, mut history) = (RetryPolicy::default(), History::default());
        let retry_after = Duration::from_secs(4);
        let throttled = error(ErrorKind::Throttled { retry_after });
        for _ in 0..100 {
            let verdict = judge(&policy, &throttled, &mut history);
            assert_eq!(verdict, Verdict::PastTheGate(retry_after));
        }
        assert_eq!((history.attempts, history.failures), (100, 0));
    }

    #[test]
    fn a_broken_link_is_tried_again_until_the_retries_are_used_up() {
        let (policy, mut history) = (RetryPolicy::default(), History::default());
        let broken = error(ErrorKind::Disconnected);
        for _ in 0..3 {
            assert!(is_again(judge(&policy, &broken, &mut history)));
        }
        assert_eq!(
            judge(&policy, &broken, &mut history),
            Verdict::Over(UndeliveredReason::Failed { attempts: 4 })
        );
    }

    #[test]
    fn an_unknown_fate_stays_unknown_whatever_comes_after_it() {
        let (policy, mut history) = (RetryPolicy::default(), History::default());
        let unknown = error(ErrorKind::Timeout).with_unknown_fate();
        assert!(is_again(judge(&policy, &unknown, &mut history)));
        let refused = error(ErrorKind::Unauthorized);
        assert_eq!(
            judge(&policy, &refused, &mut history),
            Verdict::Over(UndeliveredReason::Unknown)
        );
    }

    #[test]
    fn an_unknown_fate_is_not_tried_again_where_duplicates_are_not_allowed() {
        let policy = RetryPolicy {
            duplicates: false,
            ..RetryPolicy::default()
        };
        let unknown = error(ErrorKind::NotAcknowledged).with_unknown_fate();
        assert_eq!(
            judge(&policy, &unknown, &mut History::default()),
            Verdict::Over(UndeliveredReason::Unknown)
        );
        let broken = error(ErrorKind::Disconnected);
        assert!(is_again(judge(&policy, &broken, &mut History::default())));
    }

    #[test]
    fn what_is_refused_for_good_is_rejected_at_once() {
        for kind in [
            ErrorKind::Unauthorized,
            ErrorKind::NotFound,
            ErrorKind::InvalidPartition,
            ErrorKind::Rejected {
                condition: "amqp:not-allowed".into(),
            },
        ] {
            assert_eq!(
                judge(
                    &RetryPolicy::default(),
                    &error(kind),
                    &mut History::default()
                ),
                Verdict::Over(UndeliveredReason::Rejected)
            );
        }
    }

    #[test]
    fn a_batch_too_large_is_split_and_an_event_too_large_rejected() {
        let too_large = |limit| error(ErrorKind::TooLarge { size: 1000, limit });
        let policy = RetryPolicy::default();
        for (limit, size) in [(300, 300), (0, 500), (2000, 500), (1000, 500)] {
            let verdict = judge(&policy, &too_large(limit), &mut History::default());
            assert_eq!(verdict, Verdict::Split(size));
        }
        assert_eq!(
            policy.judge(&too_large(300), 1, 1000, &mut History::default()),
            Verdict::Over(UndeliveredReason::Rejected)
        );
    }
}
