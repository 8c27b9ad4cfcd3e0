//! What to do about other receivers.

use std::time::Duration;

use crate::error::Error;

/// How a consumer meets other receivers of its partitions.
///
/// Owner levels (epochs) count from 0. At the service the newcomer wins if its
/// level is that of the holder or higher, and readers without a level always lose
/// against one with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochPolicy {
    /// Owns its partitions at a level: displaces every receiver without a level
    /// and every owner at this level or below; gives up a partition whose owner
    /// has a higher one, and one that is taken away.
    TakeOver {
        /// The owner level (epoch), from 0.
        level: i64,
    },
    /// Owns its partitions at any price up to a level: meets a holder at its own
    /// level, and takes a partition that was taken away back, one level above the
    /// thief. It waits before that, longer each time (1 to 60 s). Gives up where
    /// it would have to go beyond `max`; so two that escalate settle.
    ///
    /// The only policy that takes anything back.
    Escalate {
        /// The level to begin with.
        from: i64,
        /// The highest level.
        max: i64,
    },
    /// Disturbs no owner: looks from time to time, without a level, whether the
    /// partition has none, and owns it then. Gives up a partition that is taken
    /// away. Readers without a level do not count as owners, and are displaced.
    WaitForRelease {
        /// The level to own at.
        level: i64,
        /// How long to wait; then the partition is given up.
        timeout: Duration,
    },
    /// Owns nothing: reads beside up to four others, gives up a partition that
    /// has an owner or gets one.
    NonEpoch,
}

impl Default for EpochPolicy {
    /// Takes over at level 0, as the processors of the Azure SDKs do.
    fn default() -> Self {
        Self::TakeOver { level: 0 }
    }
}

impl EpochPolicy {
    /// The level that it opens at first.
    pub(super) fn first_level(self) -> Option<i64> {
        match self {
            Self::TakeOver { level } | Self::WaitForRelease { level, .. } => Some(level),
            Self::Escalate { from, .. } => Some(from),
            Self::NonEpoch => None,
        }
    }

    /// How long it looks for an owner to go.
    pub(super) fn patience(self) -> Option<Duration> {
        match self {
            Self::WaitForRelease { timeout, .. } => Some(timeout),
            _ => None,
        }
    }

    pub(super) fn validate(self) -> Result<(), Error> {
        if let Some(level) = self.first_level()
            && level < 0
        {
            return Err(Error::invalid_options(format!(
                "{level} is no owner level: they count from 0"
            )));
        }
        match self {
            Self::Escalate { from, max } if max < from => Err(Error::invalid_options(format!(
                "escalating from owner level {from} to {max} leads down: let max be {from} or more"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_from_zero_and_rise() {
        let timeout = Duration::from_secs(1);
        for policy in [
            EpochPolicy::TakeOver { level: 0 },
            EpochPolicy::Escalate { from: 2, max: 2 },
            EpochPolicy::WaitForRelease { level: 0, timeout },
            EpochPolicy::NonEpoch,
        ] {
            assert!(policy.validate().is_ok(), "{policy:?}");
        }
        for policy in [
            EpochPolicy::TakeOver { level: -1 },
            EpochPolicy::Escalate { from: -1, max: 2 },
            EpochPolicy::Escalate { from: 2, max: 1 },
            EpochPolicy::WaitForRelease { level: -1, timeout },
        ] {
            assert!(policy.validate().is_err(), "{policy:?}");
        }
    }
}
