//! Where a partition is read from.

use crate::error::{Error, ErrorKind};
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

/// Checks that everything after an event is still there. (That there is such an event
/// at all the service checks itself.)
///
/// # Errors
/// [`ErrorKind::InvalidPosition`] if events after it are gone: the service would start
/// at the oldest event without a word.
pub(super) fn check(number: i64, partition: &PartitionProperties) -> Result<(), Error> {
    let first = partition.beginning_sequence_number;
    if first > number.saturating_add(1) {
        return Err(Error::new(
            ErrorKind::InvalidPosition,
            format!(
                "partition {} was read up to event {number}, but the oldest event kept is {first}: those in between are gone",
                partition.partition
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::partition::PartitionId;

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

    #[test]
    fn a_position_holds_while_every_event_after_it_is_there() {
        for (number, first, last) in [(0, 0, 0), (9, 0, 9), (9, 10, 9), (9, 10, 20), (-1, 0, -1)] {
            let checked = check(number, &partition(first, last));
            assert!(checked.is_ok(), "{number} in {first}..={last}");
        }
    }

    #[test]
    fn a_gap_after_it_is_told() {
        for (number, first, last) in [(8, 10, 20), (-1, 1, 1), (8, 10, 9)] {
            let missing = check(number, &partition(first, last)).expect_err("missing");
            assert_eq!(*missing.kind(), ErrorKind::InvalidPosition);
            let oldest = format!("the oldest event kept is {first}");
            assert!(missing.message().contains(&oldest), "{missing}");
        }
    }
}
