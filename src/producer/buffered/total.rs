//! The bound over all partitions, lent to them in chunks.
//!
//! A partition asks here once per chunk and not once per event. How much one may
//! hold is ruled as in shared-memory switches, so that however many partitions
//! are stuck, the others go on:
//!
//! - A *reserve* is kept for each: half of its fair share, and less only where
//!   the total is under twice one partition's bound. Others never have it.
//! - What is beyond is shared by *dynamic thresholds* (Choudhury and Hahne,
//!   "Dynamic queue length thresholds for shared-memory packet switches", 1998):
//!   a partition that holds its fair share, one part of the total, gets no more
//!   than what is still free. So a stuck one takes less the fewer there is left.

use std::collections::VecDeque;

use super::cost::Cost;

/// Slack a partition may keep: at most an eighth of the total over all of them.
const CHUNKS_PER_PARTITION: usize = 8;
const LARGEST_CHUNK: Cost = Cost {
    events: 1024,
    bytes: 256 * 1024,
};

pub(super) struct TotalBudget {
    limit: Cost,
    /// The reserves of all partitions together.
    reserves: Cost,
    free: Cost,
    fair_share: Cost,
    chunk: Cost,
    /// What each partition can have at any time.
    reserve: Cost,
    /// As much of `free` as is kept for those that hold less than their reserve.
    kept: Cost,
    /// What each partition holds.
    leases: Vec<Cost>,
    /// Partitions that were refused and have someone waiting, first come first.
    waiting: VecDeque<u32>,
}

impl TotalBudget {
    /// No partition asks for more than `partition_bound`.
    pub(super) fn new(limit: Cost, partition_bound: Cost, partitions: usize) -> Self {
        let mut total = Self {
            limit,
            // However much is reserved, one partition's bound can be had.
            reserves: limit
                .divided_by(2)
                .min(limit.saturating_sub(partition_bound)),
            free: limit,
            fair_share: limit,
            chunk: limit,
            reserve: Cost::default(),
            kept: Cost::default(),
            leases: Vec::new(),
            waiting: VecDeque::new(),
        };
        total.grow(partitions);
        total
    }

    /// Divides the total among more partitions.
    pub(super) fn grow(&mut self, partitions: usize) {
        self.leases.resize(partitions, Cost::default());
        self.fair_share = self.limit.divided_by(partitions);
        let chunk = self.fair_share.divided_by(CHUNKS_PER_PARTITION);
        self.chunk = chunk.min(LARGEST_CHUNK);
        self.reserve = self.reserves.divided_by(partitions);
        let unused = self.leases.iter().map(|lease| self.unused(*lease));
        self.kept = unused.fold(Cost::default(), |sum, unused| sum + unused);
    }

    /// How much of its reserve a partition with this lease has left.
    fn unused(&self, lease: Cost) -> Cost {
        self.reserve.saturating_sub(lease)
    }

    /// Lends at least `need` to a partition, a chunk if it can, or nothing.
    pub(super) fn lend(&mut self, partition: u32, need: Cost) -> Option<Cost> {
        let lease = self.leases[partition as usize];
        let kept_for_others = self.kept - self.unused(lease);
        // After growth more may be kept than is free yet.
        let available = self.free.saturating_sub(kept_for_others);
        let most = self.fair_share.max(available);
        let allowed =
            |amount: &Cost| amount.fits(available) && lease.saturating_add(*amount).fits(most);
        let amount = [need.max(self.chunk), need].into_iter().find(allowed)?;
        self.free -= amount;
        self.set_lease(partition, lease + amount);
        Some(amount)
    }

    pub(super) fn give_back(&mut self, partition: u32, amount: Cost) {
        self.free += amount;
        let lease = self.leases[partition as usize];
        self.set_lease(partition, lease - amount);
    }

    fn set_lease(&mut self, partition: u32, lease: Cost) {
        let before = std::mem::replace(&mut self.leases[partition as usize], lease);
        self.kept += self.unused(lease);
        self.kept -= self.unused(before);
    }

    /// How much of `slack` a partition should give back now.
    pub(super) fn surplus(&self, slack: Cost) -> Cost {
        if self.is_low() {
            slack
        } else {
            slack.saturating_sub(self.chunk)
        }
    }

    /// Whether open batches should go rather than wait for company.
    pub(super) fn is_low(&self) -> bool {
        !self.waiting.is_empty() || !self.limit.divided_by(4).fits(self.free)
    }

    pub(super) fn wait(&mut self, partition: u32) {
        self.waiting.push_back(partition);
    }

    pub(super) fn next_waiting(&mut self) -> Option<u32> {
        self.waiting.pop_front()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(bytes: usize) -> Cost {
        Cost { events: 0, bytes }
    }

    /// Takes all that a partition can have.
    fn exhaust(total: &mut TotalBudget, partition: u32) -> Cost {
        while total.lend(partition, bytes(1)).is_some() {}
        total.leases[partition as usize]
    }

    #[test]
    fn a_partition_has_its_reserve_however_many_are_stuck() {
        const SHARE: usize = (1 << 20) / 16;
        let mut total = TotalBudget::new(bytes(1 << 20), bytes(1 << 17), 16);
        let leases: Vec<_> = (0..16).map(|stuck| exhaust(&mut total, stuck)).collect();
        assert!(leases[0].bytes > SHARE, "more is lent while there is more");
        for lease in leases {
            assert!(lease.bytes >= SHARE / 2, "{lease:?}");
        }
    }

    #[test]
    fn above_its_fair_share_a_partition_gets_no_more_than_is_free() {
        let mut total = TotalBudget::new(bytes(1600), bytes(1600), 16);
        // Nothing can be reserved beside one partition's bound.
        assert_eq!(total.reserve, Cost::default());
        for (partition, half_of_the_rest) in [(0, 800), (1, 400)] {
            let lease = exhaust(&mut total, partition).bytes;
            let excess = lease.abs_diff(half_of_the_rest);
            assert!(excess <= total.chunk.bytes, "{lease}");
        }
    }

    #[test]
    fn a_lone_partition_may_hold_all_of_it() {
        let mut total = TotalBudget::new(bytes(1000), bytes(100), 1);
        assert_eq!(exhaust(&mut total, 0), bytes(1000));
    }

    #[test]
    fn one_partitions_bound_can_be_had_at_once_from_an_idle_total() {
        for (limit, bound) in [(1000, 1000), (1000, 900), (1000, 100)] {
            let mut total = TotalBudget::new(bytes(limit), bytes(bound), 7);
            assert!(total.lend(3, bytes(bound)).is_some(), "{bound} of {limit}");
        }
    }

    #[test]
    fn growth_divides_the_total_anew_and_never_lends_too_much() {
        let mut total = TotalBudget::new(bytes(1600), bytes(200), 2);
        exhaust(&mut total, 0);
        exhaust(&mut total, 1);
        total.grow(4);
        let lent =
            |total: &TotalBudget| total.leases.iter().map(|lease| lease.bytes).sum::<usize>();
        for partition in 0..4 {
            exhaust(&mut total, partition);
        }
        assert_eq!(lent(&total) + total.free.bytes, 1600);
        for partition in 0..2 {
            let lease = total.leases[partition as usize];
            total.give_back(partition, lease);
        }
        for partition in 2..4 {
            assert!(exhaust(&mut total, partition).bytes >= 200);
        }
    }

    proptest! {
        #[test]
        fn what_is_lent_and_what_is_free_add_up_and_reserves_are_kept(
            requests in proptest::collection::vec((0u32..8, 0usize..5000, any::<bool>()), 1..200),
        ) {
            let limit = Cost { events: 1000, bytes: 100_000 };
            let bound = Cost { events: 600, bytes: 60_000 };
            let mut total = TotalBudget::new(limit, bound, 8);
            let reserve = Cost { events: 50, bytes: 5000 };
            for (partition, size, give_back) in requests {
                let lease = total.leases[partition as usize];
                if give_back {
                    total.give_back(partition, lease);
                } else {
                    let need = Cost::of_event(size);
                    let lent = total.lend(partition, need);
                    prop_assert!(lent.is_none_or(|lent| need.fits(lent)));
                    prop_assert!(lent.is_some() || !(lease + need).fits(reserve));
                }
                let leases = total.leases.iter();
                let lent = leases.fold(Cost::default(), |sum, lease| sum + *lease);
                prop_assert_eq!(lent + total.free, limit);
            }
        }
    }
}
