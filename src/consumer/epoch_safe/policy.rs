//! How a consumer deals with other receivers.

/// What to do where another receiver reads the same partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochPolicy {
    /// Takes a partition from whoever reads it at or below `level`. Refused
    /// where a receiver with a higher level reads. Once displaced, it stays away.
    TakeOver {
        /// The owner level (epoch), from 0.
        level: u32,
    },
    /// Reads without an owner level, beside at most four others. Refused where a
    /// receiver with one reads, displaced when one comes.
    NonEpoch,
}

impl Default for EpochPolicy {
    /// Takes over at level 0, as the processors of the Azure SDKs do.
    fn default() -> Self {
        Self::TakeOver { level: 0 }
    }
}

impl EpochPolicy {
    pub(super) fn owner_level(self) -> Option<i64> {
        match self {
            Self::TakeOver { level } => Some(i64::from(level)),
            Self::NonEpoch => None,
        }
    }
}
