//! The bound over all partitions, lent to them in chunks.
//!
//! A partition asks here once per chunk and not once per event. How much one
//! partition may hold follows the *dynamic threshold* of shared-memory switches
//! (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
//! packet switches", 1998): no more than what is still free, so that however
//! many partitions are stuck, some room is left for the others. Its fair share,
//! one part of the total, is always within bounds.

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
    free: Cost,
    fair_share: Cost,
    chunk: Cost,
    /// Partitions that were refused and have someone waiting, first come first.
    waiting: VecDeque<u32>,
}

impl TotalBudget {
    pub(super) fn new(limit: Cost, partitions: usize) -> Self {
        let chunk = limit.divided_by(CHUNKS_PER_PARTITION * partitions);
        Self {
            limit,
            free: limit,
            fair_share: limit.divided_by(partitions),
            chunk: chunk.min(LARGEST_CHUNK),
            waiting: VecDeque::new(),
        }
    }

    /// Lends at least `need` to a partition that holds `lease`, a chunk if it
    /// can, or nothing.
    pub(super) fn lend(&mut self, lease: Cost, need: Cost) -> Option<Cost> {
        let allowed = |amount: Cost| {
            let most = self.fair_share.max(self.free);
            amount.fits(self.free) && lease.saturating_add(amount).fits(most)
        };
        let amount = [need.max(self.chunk), need]
            .into_iter()
            .find(|amount| allowed(*amount))?;
        self.free -= amount;
        Some(amount)
    }

    pub(super) fn give_back(&mut self, amount: Cost) {
        self.free += amount;
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

    #[test]
    fn stuck_partitions_leave_room_for_the_others() {
        let mut total = TotalBudget::new(bytes(1 << 20), 16);
        for _ in 0..3 {
            let mut lease = Cost::default();
            while let Some(amount) = total.lend(lease, bytes(1024)) {
                lease += amount;
            }
        }
        assert!(total.free.bytes >= (1 << 20) / 16, "{:?}", total.free);
        assert!(total.lend(Cost::default(), bytes(1024)).is_some());
    }

    #[test]
    fn a_lone_partition_may_hold_all_of_it() {
        let mut total = TotalBudget::new(bytes(1000), 1);
        let mut lease = Cost::default();
        while let Some(amount) = total.lend(lease, bytes(1)) {
            lease += amount;
        }
        assert_eq!(lease, bytes(1000));
    }

    proptest! {
        #[test]
        fn what_is_lent_and_what_is_free_add_up_to_the_limit(
            requests in proptest::collection::vec((0usize..8, 0usize..5000, any::<bool>()), 1..200),
        ) {
            let limit = Cost { events: 1000, bytes: 100_000 };
            let mut total = TotalBudget::new(limit, 8);
            let mut leases = [Cost::default(); 8];
            for (partition, size, give_back) in requests {
                let lease = &mut leases[partition];
                if give_back {
                    total.give_back(std::mem::take(lease));
                } else if let Some(amount) = total.lend(*lease, Cost::of_event(size)) {
                    prop_assert!(Cost::of_event(size).fits(amount));
                    *lease += amount;
                }
                let lent = leases.iter().fold(Cost::default(), |sum, lease| sum + *lease);
                prop_assert_eq!(lent + total.free, limit);
            }
        }
    }
}
