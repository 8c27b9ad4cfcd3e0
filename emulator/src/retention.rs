//! How many bytes of events a namespace keeps.
//!
//! A quarter of the limit is shared out evenly: that much every partition may always hold. The
//! rest is one pool for whichever partitions need more. So the whole never exceeds the limit, a
//! full partition cannot starve an empty one, and no partition's lock is taken for another's
//! sake: a partition that finds no more room drops its own oldest events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The retention limit of a namespace.
#[derive(Debug)]
pub(crate) struct Retention {
    /// What each partition may hold without asking.
    share: u64,
    /// What is left for those that need more than their share.
    pool: AtomicU64,
}

impl Retention {
    /// At most `bytes` over `partitions` partitions.
    pub(crate) fn new(bytes: u64, partitions: u64) -> Arc<Self> {
        let share = bytes / 4 / partitions.max(1);
        Arc::new(Self {
            share,
            pool: AtomicU64::new(bytes - share * partitions),
        })
    }

    /// The allowance of one partition.
    pub(crate) fn allowance(self: &Arc<Self>) -> Allowance {
        Allowance {
            bytes: self.share,
            retention: Arc::clone(self),
        }
    }

    /// Takes up to `wanted` bytes out of the pool.
    fn take(&self, wanted: u64) -> u64 {
        let take = |left: u64| Some(left - left.min(wanted));
        let result = self
            .pool
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let (Ok(left) | Err(left)) = result;
        left.min(wanted)
    }
}

/// How many bytes one partition may hold now.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// The share, and what was taken out of the pool on top.
    bytes: u64,
    retention: Arc<Retention>,
}

impl Allowance {
    /// How many bytes it always covers.
    pub(crate) fn share(&self) -> u64 {
        self.retention.share
    }

    /// Tries to cover `held` bytes; returns how many are still too many.
    pub(crate) fn grow_to(&mut self, held: u64) -> u64 {
        self.bytes += self.retention.take(held.saturating_sub(self.bytes));
        held.saturating_sub(self.bytes)
    }

    /// Gives back what `held` bytes do not need.
    pub(crate) fn shrink_to(&mut self, held: u64) {
        let needed = held.max(self.retention.share);
        let surplus = self.bytes.saturating_sub(needed);
        self.bytes -= surplus;
        self.retention.pool.fetch_add(surplus, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_partition_alone_may_hold_its_share_and_the_whole_pool() {
        let retention = Retention::new(1000, 10);
        let mut allowance = retention.allowance();
        assert_eq!(allowance.grow_to(775), 0);
        assert_eq!(allowance.grow_to(776), 1);
    }

    #[test]
    fn an_empty_pool_leaves_every_other_partition_its_share() {
        let retention = Retention::new(1000, 10);
        let mut greedy = retention.allowance();
        assert_eq!(greedy.grow_to(5000), 5000 - 775);
        let mut other = retention.allowance();
        assert_eq!(other.grow_to(25), 0);
        assert_eq!(other.grow_to(26), 1);
    }

    #[test]
    fn what_is_given_back_can_be_taken_by_others() {
        let retention = Retention::new(1000, 10);
        let (mut first, mut second) = (retention.allowance(), retention.allowance());
        first.grow_to(775);
        first.shrink_to(100);
        assert_eq!(second.grow_to(25 + 675), 0);
        assert_eq!(second.grow_to(25 + 676), 1);
    }

    #[test]
    fn a_share_is_never_given_back() {
        let retention = Retention::new(1000, 10);
        let (mut first, mut second) = (retention.allowance(), retention.allowance());
        first.shrink_to(0);
        assert_eq!(second.grow_to(776), 1);
        assert_eq!(first.grow_to(25), 0);
    }
}
