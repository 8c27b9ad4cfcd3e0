//! The sentence that ends a partition: who has it, at which level, what would
//! win, and what the policy does.

use super::policy::EpochPolicy;
use crate::error::{EpochConflict, Error, ErrorKind, OwnershipLostReason};
use crate::partition::PartitionId;

/// The item that ends a partition whose receiver was refused.
pub(super) fn refused(policy: EpochPolicy, partition: PartitionId, error: Error) -> Error {
    let ErrorKind::OwnershipRefused(conflict) = error.kind() else {
        return failed(partition, error);
    };
    let holder = who(conflict, "is held by", "a receiver with an owner level");
    let wins = wins(conflict);
    let next = match policy {
        EpochPolicy::TakeOver { level } => {
            format!("the policy takes over at level {level} and no higher")
        }
        EpochPolicy::Escalate { max, .. } => format!("the policy escalates no higher than {max}"),
        EpochPolicy::WaitForRelease { timeout, .. } => {
            format!("the policy waited {timeout:?} for its release")
        }
        EpochPolicy::NonEpoch => {
            "the policy reads without a level, which no owner tolerates beside it".into()
        }
    };
    let message = format!("partition {partition} {holder}; {wins}; {next}: it is given up");
    Error::about(partition, error.kind().clone(), message, error)
}

/// The item that ends a partition that was ours, at a level.
pub(super) fn lost(
    policy: EpochPolicy,
    level: Option<i64>,
    partition: PartitionId,
    error: Error,
) -> Error {
    let reason = match error.kind() {
        ErrorKind::OwnershipLost(reason) => reason.clone(),
        // Someone with a higher level came while the connection was broken.
        ErrorKind::OwnershipRefused(conflict) => OwnershipLostReason::Stolen(conflict.clone()),
        ErrorKind::Fenced => OwnershipLostReason::Revoked,
        _ => return failed(partition, error),
    };
    let next = match policy {
        EpochPolicy::Escalate { max, .. } => {
            format!("taking it back would need a level above {max}, the policy's highest")
        }
        _ => "the policy does not take it back".into(),
    };
    let message = match &reason {
        OwnershipLostReason::Stolen(conflict) => {
            let taker = who(conflict, "was taken by", "another receiver");
            let ours = match conflict.own_level.or(level) {
                Some(level) => format!("ours was {level}"),
                None => "ours had none".into(),
            };
            let wins = wins(conflict);
            format!("partition {partition} {taker} ({ours}); {wins}; {next}: it is given up")
        }
        OwnershipLostReason::Revoked => {
            format!("partition {partition} has a later owner in the store; {next}: it is given up")
        }
    };
    Error::about(partition, ErrorKind::OwnershipLost(reason), message, error)
}

/// The item that ends a partition that cannot be read.
pub(super) fn failed(partition: PartitionId, error: Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::InvalidPosition => {
            "; reset the checkpoint, or say by with_missing_position where to start instead"
        }
        ErrorKind::CorruptCheckpoint => "; nothing was changed",
        _ => "",
    };
    let message = format!("partition {partition} cannot be read any further: {error}{advice}");
    Error::about(partition, error.kind().clone(), message, error)
}

fn who(conflict: &EpochConflict, verb: &str, unnamed: &str) -> String {
    let holder = match &conflict.holder {
        Some(name) => format!("receiver '{name}'"),
        None => unnamed.into(),
    };
    match conflict.holder_level {
        Some(level) => format!("{verb} {holder}, at level {level}"),
        None => format!("{verb} {holder}"),
    }
}

fn wins(conflict: &EpochConflict) -> String {
    match conflict.least_winning_level() {
        Some(level) => format!("owner level {level} or higher would win it"),
        None => "an owner level as high as the holder's would win it".into(),
    }
}
#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const PARTITION: PartitionId = PartitionId::new(2);

    fn conflict(holder: Option<&str>, level: Option<i64>, own: Option<i64>) -> EpochConflict {
        EpochConflict {
            holder: holder.map(str::to_owned),
            holder_level: level,
            own_level: own,
        }
    }

    fn refusal(conflict: EpochConflict) -> Error {
        Error::new(ErrorKind::OwnershipRefused(conflict), "the service's words")
    }

    #[test]
    fn a_refusal_without_a_level_says_which_level_would_win() {
        let error = refused(
            EpochPolicy::NonEpoch,
            PARTITION,
            refusal(conflict(None, Some(0), None)),
        );
        assert_eq!(
            error.message(),
            "partition 2 is held by a receiver with an owner level, at level 0; owner level 0 or higher would win it; the policy reads without a level, which no owner tolerates beside it: it is given up"
        );
        assert_eq!(error.partition(), Some(PARTITION));
        let source = error.source().expect("kept").to_string();
        assert_eq!(source, "the service's words");
    }

    #[test]
    fn a_refusal_by_a_higher_level_names_its_holder() {
        let policy = EpochPolicy::TakeOver { level: 1 };
        let held = conflict(Some("other"), Some(5), Some(1));
        let error = refused(policy, PARTITION, refusal(held.clone()));
        assert_eq!(
            error.message(),
            "partition 2 is held by receiver 'other', at level 5; owner level 5 or higher would win it; the policy takes over at level 1 and no higher: it is given up"
        );
        assert_eq!(*error.kind(), ErrorKind::OwnershipRefused(held));
    }

    #[test]
    fn a_theft_says_who_has_it_now() {
        let policy = EpochPolicy::TakeOver { level: 1 };
        let taken = conflict(Some("new"), Some(1), Some(1));
        let kind = ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(taken));
        let error = lost(
            policy,
            Some(1),
            PARTITION,
            Error::new(kind.clone(), "the service's words"),
        );
        assert_eq!(
            error.message(),
            "partition 2 was taken by receiver 'new', at level 1 (ours was 1); owner level 1 or higher would win it; the policy does not take it back: it is given up"
        );
        assert_eq!(*error.kind(), kind);
    }

    #[test]
    fn a_refusal_after_owning_is_a_theft() {
        let taken = conflict(Some("new"), Some(3), Some(0));
        let error = lost(
            EpochPolicy::default(),
            Some(0),
            PARTITION,
            refusal(taken.clone()),
        );
        let kind = ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(taken));
        assert_eq!(*error.kind(), kind);
    }

    #[test]
    fn what_the_service_does_not_tell_is_not_made_up() {
        let unknown = conflict(None, None, None);
        let kind = ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(unknown));
        let error = lost(
            EpochPolicy::NonEpoch,
            None,
            PARTITION,
            Error::new(kind, "words"),
        );
        assert_eq!(
            error.message(),
            "partition 2 was taken by another receiver (ours had none); an owner level as high as the holder's would win it; the policy does not take it back: it is given up"
        );
    }
}
