//! The tiers of the service, and the quotas of each.

use std::fmt;

/// A tier of the service; see [`EmulatorBuilder::tier`](crate::EmulatorBuilder::tier).
///
/// Partitions and consumer groups are counted per hub, `$Default` among the groups; connections per namespace (of one
/// processing unit in Premium, one capacity unit in Dedicated).
///
/// | tier | message size | partitions | consumer groups | connections |
/// |---|---|---|---|---|
/// | Basic | 256 KiB | 32 | 1 | 100 |
/// | Standard | 1 MiB | 32 | 20 | 5000 |
/// | Premium | 1 MiB | 100 | 100 | 10,000 |
/// | Dedicated | 20 MiB | 1024 | 1000 | 100,000 |
///
/// The documentation gives sizes in KB and MB. Links of Basic and Standard namespaces have been seen to say 262,144
/// and 1,048,576 bytes; that Dedicated counts in powers of two as well is unproven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
    /// One consumer group, small messages.
    Basic,
    /// What most namespaces are.
    Standard,
    /// Isolated processing units.
    Premium,
    /// A cluster of one's own.
    Dedicated,
}

impl fmt::Display for Tier {
    /// The name: `Basic`, `Standard`, `Premium` or `Dedicated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a namespace may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Bytes.
    pub(crate) message_size: u64,
    pub(crate) partitions: u32,
    pub(crate) consumer_groups: usize,
    pub(crate) connections: usize,
}

impl Quotas {
    /// Those of a tier. Without one hubs may be as large as in any tier, the rest is as in Standard.
    pub(crate) const fn of(tier: Option<Tier>) -> Self {
        let (message_size, partitions, consumer_groups, connections) = match tier {
            None => (1 << 20, 1024, 1000, 5000),
            Some(Tier::Basic) => (256 << 10, 32, 1, 100),
            Some(Tier::Standard) => (1 << 20, 32, 20, 5000),
            Some(Tier::Premium) => (1 << 20, 100, 100, 10_000),
            Some(Tier::Dedicated) => (20 << 20, 1024, 1000, 100_000),
        };
        Self {
            message_size,
            partitions,
            consumer_groups,
            connections,
        }
    }
}
