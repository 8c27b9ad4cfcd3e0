//! Who is to own what: the decision alone, from what was seen.
//!
//! All processes decide by the same rule from the same records, so that they need not
//! talk. With `n` owners, those who own something and the one that decides, `P`
//! partitions come to `P / n` for each, and one more for the first `P mod n` of them:
//! those with most, by name where they have as many, so that least has to move. What a
//! process lacks it takes from what nobody has, and else from those above their share.
//! Which partitions leave them, and who gets which, follows from the order of owners
//! and partitions, too: two that decide at once from one listing want different ones.
//!
//! A steal always goes from one who has at least two more to one who has less, and so
//! makes the differences smaller: no partition goes to and fro.
//!
//! Where others were faster, a process goes on to the next that it may have, and then
//! looks again.
//!
//! A newcomer owns nothing yet, and so the others do not reckon with it, nor do several
//! newcomers with each other. It begins at a place of its own in that order, and steals
//! but one at first: from the next cycle on all know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::options::LoadBalancing;
use super::sightings::Seen;
use crate::consumer::checkpoint::Ownership;
use crate::partition::PartitionId;

/// How often a process looks in one cycle, as long as others are faster.
pub(super) const ROUNDS: u32 = 3;

/// What a process sees when it decides.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Its name.
    pub(super) me: &'a str,
    /// All partitions of the hub.
    pub(super) partitions: &'a BTreeSet<PartitionId>,
    pub(super) seen: &'a BTreeMap<PartitionId, Seen>,
    /// What it holds, and keeps.
    pub(super) held: &'a BTreeSet<PartitionId>,
    /// What it still holds, but is about to give up.
    pub(super) leaving: &'a BTreeSet<PartitionId>,
    /// What it leaves alone for a while.
    pub(super) resting: &'a BTreeSet<PartitionId>,
    pub(super) strategy: LoadBalancing,
    /// An owner whose word is older owns nothing any more.
    pub(super) expiry: Duration,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Partitions to claim, the best first.
    pub(super) wanted: Vec<Claim>,
    /// How many of them, at most.
    pub(super) lack: usize,
    /// How many of those may be of others.
    pub(super) steals: usize,
    /// What is held and not in the hub any more.
    pub(super) gone: Vec<PartitionId>,
    /// The partitions that nobody has.
    pub(super) unowned: Vec<PartitionId>,
}

/// A partition to claim, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) partition: PartitionId,
    pub(super) seen: Option<Ownership>,
    pub(super) from: From,
}

/// Whose a partition was that is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Nobody's, for so long as it is known.
    Nobody(Duration),
    /// Of one who did not say for too long that it is there; for so long since.
    Expired(Duration),
    /// Another's, who has too many.
    Owner,
}

impl View<'_> {
    pub(super) fn decide(&self) -> Plan {
        let owned = self.owned();
        let free = self.free();
        let mine = owned[self.me].len();
        let shares = self.shares(&owned);
        let lack = shares[self.me].saturating_sub(mine);
        let is_new = mine == 0;

        let mut plan = Plan {
            gone: self.held.difference(self.partitions).copied().collect(),
            unowned: free.iter().map(|claim| claim.partition).collect(),
            lack,
            ..Plan::default()
        };
        if lack == 0 {
            return plan;
        }
        plan.steals = match self.strategy {
            LoadBalancing::Greedy if !is_new => lack,
            _ => 1,
        };
        // All who lack some stand in a row, and so do those to be had.
        let (place, steal) = match is_new {
            true => (hash(self.me) as usize, hash(self.me) as usize),
            false => {
                let place = self.lacked_before(&owned, &shares);
                (place, place.saturating_sub(free.len()))
            }
        };
        plan.wanted = rotated(free, place);
        let surplus = self.surplus(&owned, &shares, mine);
        plan.wanted.extend(rotated(surplus, steal));
        plan.wanted
            .retain(|claim| !self.resting.contains(&claim.partition));
        plan
    }

    /// What each active owner has; this one, too.
    fn owned(&self) -> BTreeMap<&str, Vec<PartitionId>> {
        let held = self.held.intersection(self.partitions).copied().collect();
        let mut owned = BTreeMap::from([(self.me, held)]);
        for partition in self.partitions {
            if let Some(owner) = self.owner(*partition) {
                owned.entry(owner).or_insert_with(Vec::new).push(*partition);
            }
        }
        owned
    }

    /// Another that has it and was heard of lately.
    fn owner(&self, partition: PartitionId) -> Option<&str> {
        let seen = self.seen.get(&partition)?;
        let owner = seen.ownership.owner.as_deref()?;
        let is_other = owner != self.me && !self.held.contains(&partition);
        (is_other && seen.age < self.expiry).then_some(owner)
    }

    /// What nobody has. What stands under the own name and is not held is a claim
    /// whose answer was lost.
    fn free(&self) -> Vec<Claim> {
        let is_free = |partition: &&PartitionId| {
            !self.held.contains(partition)
                && !self.leaving.contains(partition)
                && self.owner(**partition).is_none()
        };
        let claim = |partition: &PartitionId| {
            let seen = self.seen.get(partition);
            let from = match seen {
                None => From::Nobody(Duration::ZERO),
                Some(seen) if seen.ownership.owner.is_none() => From::Nobody(seen.age),
                Some(seen) => From::Expired(seen.age.saturating_sub(self.expiry)),
            };
            Claim {
                partition: *partition,
                seen: seen.map(|seen| seen.ownership.clone()),
                from,
            }
        };
        self.partitions.iter().filter(is_free).map(claim).collect()
    }

    /// How many each is to have.
    fn shares<'a>(&self, owned: &BTreeMap<&'a str, Vec<PartitionId>>) -> BTreeMap<&'a str, usize> {
        let (least, more) = (
            self.partitions.len() / owned.len(),
            self.partitions.len() % owned.len(),
        );
        let mut order: Vec<_> = owned.iter().map(|(owner, of)| (*owner, of.len())).collect();
        // Stable: by name where they have as many.
        order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let share = |(at, (owner, _)): (usize, (&'a str, usize))| {
            let share = least + usize::from(at < more);
            (owner, share)
        };
        order.into_iter().enumerate().map(share).collect()
    }

    /// How many those lack that come before this one.
    fn lacked_before(
        &self,
        owned: &BTreeMap<&str, Vec<PartitionId>>,
        shares: &BTreeMap<&str, usize>,
    ) -> usize {
        let before = owned.iter().take_while(|(owner, _)| **owner < self.me);
        before
            .map(|(owner, of)| shares[owner].saturating_sub(of.len()))
            .sum()
    }

    /// What others have above their share, and at least two more than this one.
    fn surplus(
        &self,
        owned: &BTreeMap<&str, Vec<PartitionId>>,
        shares: &BTreeMap<&str, usize>,
        mine: usize,
    ) -> Vec<Claim> {
        let mut surplus = Vec::new();
        for (owner, of) in owned {
            // This one, too, has not.
            if of.len() < mine + 2 {
                continue;
            }
            for partition in of.iter().skip(shares[owner]) {
                surplus.push(Claim {
                    partition: *partition,
                    seen: self.seen.get(partition).map(|seen| seen.ownership.clone()),
                    from: From::Owner,
                });
            }
        }
        surplus
    }
}

/// The same, from a place on.
fn rotated(mut claims: Vec<Claim>, place: usize) -> Vec<Claim> {
    let place = place.checked_rem(claims.len()).unwrap_or(0);
    claims.rotate_left(place);
    claims
}

/// FNV-1a: the same everywhere.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
