//! One sentence that says who stands in the way and what would win.

use super::policy::EpochPolicy;
use crate::error::{EpochConflict, Error, ErrorKind, OwnershipLostReason};
use crate::partition::PartitionId;

/// Explains why a partition ended; the service's own words stay in the chain.
pub(super) fn explain(
    partition: PartitionId,
    group: &str,
    policy: EpochPolicy,
    error: Error,
) -> Error {
    let place = format!("partition {partition} in consumer group {group}");
    let sentence = match error.kind() {
        ErrorKind::OwnershipRefused(conflict) => refused(&place, policy, conflict),
        ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) => {
            stolen(&place, policy, conflict)
        }
        _ => format!("{place} cannot be read: {error}"),
    };
    Error::new(error.kind().clone(), sentence).with_source(error)
}

fn refused(place: &str, policy: EpochPolicy, conflict: &EpochConflict) -> String {
    let holder = holder(conflict);
    match policy {
        EpochPolicy::NonEpoch => format!(
            "{place} is read by {holder}, beside which no receiver without an owner level is \
             let in: close that reader, or own the partition by EpochPolicy::TakeOver at {}",
            winning(conflict)
        ),
        EpochPolicy::TakeOver { level } => format!(
            "{place} is read by {holder}, above our {level}: close that reader, or take over at {}",
            winning(conflict)
        ),
    }
}

fn stolen(place: &str, policy: EpochPolicy, conflict: &EpochConflict) -> String {
    let own = match policy {
        EpochPolicy::NonEpoch => "we had no owner level".into(),
        EpochPolicy::TakeOver { level } => format!("ours was {level}"),
    };
    format!(
        "{place} was taken by {} ({own}): it is not taken back; opened again, {} would win",
        holder(conflict),
        winning(conflict)
    )
}

fn holder(conflict: &EpochConflict) -> String {
    let name = match &conflict.holder {
        Some(name) => format!("receiver {name:?}"),
        None => "an unnamed receiver".into(),
    };
    match conflict.holder_level {
        Some(level) => format!("{name} with owner level {level}"),
        None => name,
    }
}

fn winning(conflict: &EpochConflict) -> String {
    match conflict.least_winning_level() {
        Some(level) => format!("owner level {level} or higher"),
        None => "any owner level".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const TUTORIAL: &str = "At least one receiver for the endpoint is created with epoch of '0', \
        and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make \
        sure all epoch receivers are closed or disconnected.";

    fn conflict(holder: Option<&str>, level: i64) -> EpochConflict {
        EpochConflict {
            holder: holder.map(Into::into),
            holder_level: Some(level),
            own_level: None,
        }
    }

    #[test]
    fn the_tutorials_error_is_explained_and_kept() {
        let kind = ErrorKind::OwnershipRefused(conflict(None, 0));
        let error = Error::new(kind, TUTORIAL);
        let policy = EpochPolicy::NonEpoch;
        let explained = explain(PartitionId::new(2), "$Default", policy, error);
        let sentence = explained.to_string();
        assert!(sentence.contains("partition 2"), "{sentence}");
        assert!(sentence.contains("owner level 0 or higher"), "{sentence}");
        assert_eq!(explained.source().expect("kept").to_string(), TUTORIAL);
    }

    #[test]
    fn a_theft_names_the_thief_and_the_level_that_would_win() {
        let reason = OwnershipLostReason::Stolen(conflict(Some("thief"), 7));
        let error = Error::new(ErrorKind::OwnershipLost(reason), "New receiver ...");
        let policy = EpochPolicy::TakeOver { level: 3 };
        let explained = explain(PartitionId::new(0), "cg1", policy, error);
        let sentence = explained.to_string();
        for part in ["\"thief\"", "ours was 3", "owner level 7 or higher"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }
}
