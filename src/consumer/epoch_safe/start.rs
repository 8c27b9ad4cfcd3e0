//! Where a partition is read from.

use crate::consumer::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;
use crate::transport::{PartitionProperties, StartPosition};

/// What a consumer does where the position that it was to start from does not
/// exist (any more): events after a checkpoint that were not kept long enough, or
/// a hub that was created anew and counts from the start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingPosition {
    /// Gives the partition up with
    /// [`ErrorKind::InvalidPosition`](crate::ErrorKind::InvalidPosition): a person
    /// decides.
    #[default]
    Fail,
    /// Reads from the oldest event that is kept.
    Earliest,
    /// Reads what is stored from now on.
    Latest,
}

impl MissingPosition {
    pub(super) fn start(self) -> Option<StartPosition> {
        match self {
            Self::Fail => None,
            Self::Earliest => Some(StartPosition::Earliest),
            Self::Latest => Some(StartPosition::Latest),
        }
    }
}

/// Right after an event. Exclusive: an inclusive position beyond the end does not
/// exist yet.
pub(super) fn after(number: i64) -> StartPosition {
    StartPosition::SequenceNumber {
        number,
        inclusive: false,
    }
}

/// Checks that everything after a checkpoint is still there.
///
/// # Errors
/// [`ErrorKind::InvalidPosition`] if events after it are gone, or it is of another
/// hub of that name. The service itself would start at the oldest event without a
/// word in the first case.
pub(super) fn check(checkpoint: &Checkpoint, partition: &PartitionProperties) -> Result<(), Error> {
    let at = checkpoint.sequence_number;
    let (first, last) = (
        partition.beginning_sequence_number,
        partition.last_enqueued_sequence_number,
    );
    if at > last {
        return Err(missing(
            partition.partition,
            at,
            &format!("the last event is {last}: the hub was created anew"),
        ));
    }
    if first > at.saturating_add(1) {
        return Err(missing(
            partition.partition,
            at,
            &format!("the oldest event kept is {first}: those in between are gone"),
        ));
    }
    Ok(())
}

fn missing(partition: PartitionId, at: i64, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidPosition,
        format!(
            "partition {partition} has a checkpoint at event {at}, but {why}; reset the checkpoint, or say by with_missing_position where to start instead"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn partition(first: i64, last: i64) -> PartitionProperties {
        PartitionProperties {
            partition: PartitionId::new(3),
            beginning_sequence_number: first,
            last_enqueued_sequence_number: last,
            last_enqueued_offset: String::new(),
            last_enqueued_time: SystemTime::UNIX_EPOCH,
            is_empty: first > last,
        }
    }

    fn at(sequence_number: i64) -> Checkpoint {
        Checkpoint {
            sequence_number,
            offset: None,
        }
    }

    #[test]
    fn a_checkpoint_holds_while_every_event_after_it_is_there() {
        for (number, first, last) in [(0, 0, 0), (9, 0, 9), (9, 10, 9), (9, 10, 20), (5, 0, 9)] {
            let checked = check(&at(number), &partition(first, last));
            assert!(checked.is_ok(), "{number} in {first}..={last}");
        }
    }

    #[test]
    fn a_gap_after_it_and_a_hub_that_counts_anew_are_told() {
        for (number, first, last, why) in [
            (8, 10, 20, "the oldest event kept is 10"),
            (100, 0, 9, "created anew"),
            (0, 0, -1, "created anew"),
        ] {
            let missing = check(&at(number), &partition(first, last)).expect_err("missing");
            assert_eq!(*missing.kind(), ErrorKind::InvalidPosition);
            assert!(missing.message().contains(why), "{missing}");
        }
    }
}
