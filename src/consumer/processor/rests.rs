//! Partitions that are left alone for a while: they were given back as soon as they were
//! owned, and again, so that to claim them once more would likely end as before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::partition::PartitionId;
use crate::retry::Backoff;

/// How long a partition is read in peace before it is given back like any other.
const PEACE: Duration = Duration::from_secs(60);

/// The longest rest.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Rests(BTreeMap<PartitionId, Rest>);

#[derive(Debug)]
struct Rest {
    /// How often it was given back early, in a row.
    times: u32,
    until: Instant,
}

impl Rests {
    /// Notes that a partition was given back after it was read for so long. The first
    /// time it may be claimed in the next cycle; then it rests, longer each time.
    pub(super) fn given_back(
        &mut self,
        partition: PartitionId,
        read_for: Duration,
        cycle: Duration,
        now: Instant,
    ) {
        if read_for >= PEACE {
            self.0.remove(&partition);
            return;
        }
        let times = self.0.get(&partition).map_or(0, |rest| rest.times) + 1;
        let wait = match times {
            1 => Duration::ZERO,
            // Twice, since at least half of it is waited.
            _ => Backoff::new(2 * cycle, LONGEST.max(cycle)).long_delay(times - 1),
        };
        let until = now + wait;
        self.0.insert(partition, Rest { times, until });
    }

    /// Those that rest at a time.
    pub(super) fn at(&self, now: Instant) -> BTreeSet<PartitionId> {
        let resting = self.0.iter().filter(|(_, rest)| rest.until > now);
        resting.map(|(partition, _)| *partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLE: Duration = Duration::from_secs(10);
    const FIRST: PartitionId = PartitionId::new(0);

    /// The whole seconds that it rests after each of some early returns.
    fn rests(rests: &mut Rests, times: usize) -> Vec<u64> {
        let now = Instant::now();
        let mut rest = || {
            rests.given_back(FIRST, Duration::ZERO, CYCLE, now);
            let second = |second: &u64| {
                !rests
                    .at(now + Duration::from_secs(*second))
                    .contains(&FIRST)
            };
            (0..100).find(second).expect("it ends")
        };
        (0..times).map(|_| rest()).collect()
    }

    #[test]
    fn the_first_time_is_free_and_each_further_rest_is_longer_up_to_a_minute() {
        let rests = rests(&mut Rests::default(), 9);
        let within =
            |at: usize, least, most| assert!((least..=most).contains(&rests[at]), "{rests:?}");
        within(0, 0, 0);
        within(1, 10, 20);
        within(2, 20, 40);
        (3..9).for_each(|at| within(at, 30, 60));
    }

    #[test]
    fn one_that_was_read_in_peace_begins_anew() {
        let mut known = Rests::default();
        rests(&mut known, 5);
        known.given_back(FIRST, PEACE, CYCLE, Instant::now());
        assert_eq!(known.at(Instant::now()), BTreeSet::new());
        assert_eq!(rests(&mut known, 1), [0]);
    }

    #[test]
    fn each_partition_rests_alone() {
        let mut known = Rests::default();
        rests(&mut known, 3);
        let now = Instant::now();
        known.given_back(PartitionId::new(1), Duration::ZERO, CYCLE, now);
        assert_eq!(known.at(now), BTreeSet::from([FIRST]));
    }
}
