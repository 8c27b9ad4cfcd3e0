//! Which numbers of partitions a hub may grow to.

/// How many partitions are added to `from` of them.
///
/// # Errors
///
/// If there are to be fewer, or too many.
pub(crate) fn added(hub: &str, from: u32, to: u32, limit: u32) -> Result<u32, PartitionCountError> {
    if to > limit {
        return Err(PartitionCountError::TooMany {
            hub: hub.to_owned(),
            partitions: to,
            limit,
        });
    }
    to.checked_sub(from)
        .ok_or_else(|| PartitionCountError::Fewer {
            hub: hub.to_owned(),
            current: from,
            partitions: to,
        })
}

/// A hub cannot have the number of partitions asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionCountError {
    /// Fewer than there are.
    #[error("the event hub '{hub}' has {current} partitions and cannot shrink to {partitions}")]
    Fewer {
        /// The hub.
        hub: String,
        /// How many it has.
        current: u32,
        /// How many were asked for.
        partitions: u32,
    },
    /// More than its tier allows.
    #[error("the event hub '{hub}' cannot have {partitions} partitions: choose {limit} at most")]
    TooMany {
        /// The hub.
        hub: String,
        /// How many were asked for.
        partitions: u32,
        /// How many there may be.
        limit: u32,
    },
}
