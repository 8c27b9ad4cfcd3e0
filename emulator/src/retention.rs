//! How many bytes of events a namespace keeps.
//!
//! A quarter of the limit is shared out evenly: that much every partition may always hold. The
//! rest is one pool for whichever partitions need more. So the whole never exceeds the limit, a
//! full partition cannot starve an empty one, and no partition's lock is taken for another's
//! sake: a partition that finds no more room drops its own oldest events.
//!
//! More partitions have smaller shares. Those of the new ones come out of the pool; where it has
//! not enough it is overdrawn, until the others, asked to drop their excess, have paid that back
//! out of what they hold beyond their shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The retention limit of a namespace.
#[derive(Debug)]
pub(crate) struct Retention {
    /// The whole.
    limit: u64,
    partitions: AtomicU64,
    /// What each partition may hold without asking. Never rises.
    share: AtomicU64,
    /// What is left for those that need more than their share; negative while they have too much.
    pool: AtomicI64,
}

impl Retention {
    /// At most `bytes` over `partitions` partitions.
    pub(crate) fn new(bytes: u64, partitions: u64) -> Arc<Self> {
        let limit = bytes.min(i64::MAX as u64);
        let retention = Arc::new(Self {
            limit,
            partitions: AtomicU64::new(0),
            share: AtomicU64::new(0),
            pool: AtomicI64::new(limit as i64),
        });
        retention.grow(partitions);
        retention
    }

    /// Makes room for partitions that are about to be added; by one caller at a time. All others
    /// are then to settle by [`Allowance::grow_to`].
    pub(crate) fn grow(&self, added: u64) {
        let partitions = self.partitions.load(Ordering::Relaxed) + added;
        let share = self.limit / 4 / partitions.max(1);
        self.partitions.store(partitions, Ordering::Relaxed);
        self.share.store(share, Ordering::Relaxed);
        self.add_to_pool(-((share * added) as i64));
    }

    fn share(&self) -> u64 {
        self.share.load(Ordering::Relaxed)
    }

    fn add_to_pool(&self, bytes: i64) {
        self.pool.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The allowance of one partition.
    pub(crate) fn allowance(self: &Arc<Self>) -> Allowance {
        Allowance {
            bytes: self.share(),
            retention: Arc::clone(self),
        }
    }

    /// Takes up to `wanted` bytes out of the pool.
    fn take(&self, wanted: u64) -> u64 {
        let taken = |left: i64| (left.max(0) as u64).min(wanted);
        let take = |left: i64| Some(left - taken(left) as i64);
        let result = self
            .pool
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let (Ok(left) | Err(left)) = result;
        taken(left)
    }

    /// Pays up to `spare` bytes back to an overdrawn pool.
    fn pay_back(&self, spare: u64) -> u64 {
        let paid = |left: i64| left.min(0).unsigned_abs().min(spare);
        let pay = |left: i64| (paid(left) > 0).then(|| left + paid(left) as i64);
        let result = self
            .pool
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        let (Ok(left) | Err(left)) = result;
        paid(left)
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
        self.retention.share()
    }

    /// Tries to cover `held` bytes; returns how many are still too many.
    pub(crate) fn grow_to(&mut self, held: u64) -> u64 {
        let spare = self.bytes.saturating_sub(self.retention.share());
        self.bytes -= self.retention.pay_back(spare);
        self.bytes += self.retention.take(held.saturating_sub(self.bytes));
        held.saturating_sub(self.bytes)
    }

    /// Gives back what `held` bytes do not need.
    pub(crate) fn shrink_to(&mut self, held: u64) {
        let needed = held.max(self.retention.share());
        let surplus = self.bytes.saturating_sub(needed);
        self.bytes -= surplus;
        self.retention.add_to_pool(surplus as i64);
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

    #[test]
    fn growth_gives_the_new_partitions_shares_and_the_unused_ones_back_to_the_pool() {
        let retention = Retention::new(1000, 2);
        let mut old = [retention.allowance(), retention.allowance()];
        retention.grow(8);
        for allowance in &mut old {
            assert_eq!(allowance.grow_to(0), 0);
            allowance.shrink_to(0);
        }
        let mut new = retention.allowance();
        assert_eq!(new.grow_to(776), 1);
    }

    #[test]
    fn growth_of_a_full_namespace_is_paid_by_those_that_hold_more_than_their_shares() {
        let retention = Retention::new(1000, 2);
        let (mut full, mut small) = (retention.allowance(), retention.allowance());
        assert_eq!(full.grow_to(875), 0);
        assert_eq!(small.grow_to(20), 0);
        retention.grow(8);
        // Shares of 25 for eight come to 200; the small one lets go of 100, the full one of the rest.
        assert_eq!(small.grow_to(20), 0);
        small.shrink_to(20);
        assert_eq!(full.grow_to(875), 100);
        full.shrink_to(775);
        assert_eq!(full.grow_to(776), 1);
        assert_eq!(small.grow_to(26), 1);
        for _ in 0..8 {
            assert_eq!(retention.allowance().grow_to(25), 0);
            assert_eq!(retention.allowance().grow_to(26), 1);
        }
    }
}
