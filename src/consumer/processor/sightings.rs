//! What was seen of the owners: how old their word is, and since when each owns.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::consumer::checkpoint::Ownership;
use crate::partition::PartitionId;

/// An ownership as it is judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) ownership: Ownership,
    /// Since it was claimed, renewed or released, at the least.
    pub(super) age: Duration,
    /// When its owner got it, as far as it was seen; when it was released if nobody
    /// has it.
    pub(super) since: Instant,
}

/// What was seen so far.
///
/// A store tells ages by its own clock, which may be set: that of a machine, say. So
/// its word is taken once for each version, and no version is older than the time
/// since the last look that did not show it. From then on the clock here counts, which
/// never jumps. An age is never told too high for anything but the first look.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: BTreeMap<PartitionId, Sighting>,
    /// When the last look was asked for.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Sighting {
    ownership: Ownership,
    age: Duration,
    at: Instant,
    since: Instant,
}

impl Sightings {
    /// Takes a listing that was asked for and answered at a time.
    pub(super) fn look(
        &mut self,
        listed: Vec<(PartitionId, Ownership)>,
        asked: Instant,
        answered: Instant,
    ) {
        let most = self.looked.replace(asked).map(|last| answered - last);
        let mut before = std::mem::take(&mut self.seen);
        for (partition, ownership) in listed {
            let told = most.map_or(ownership.age, |most| ownership.age.min(most));
            let last = before.remove(&partition);
            let sighting = match last {
                Some(last) if last.ownership.version == ownership.version => last,
                Some(last) => {
                    let is_same = last.ownership.owner == ownership.owner
                        && last.ownership.generation == ownership.generation;
                    let since = match is_same {
                        true => last.since,
                        false => earlier(answered, told),
                    };
                    Sighting::new(ownership, told, answered, since)
                }
                None => Sighting::new(ownership, told, answered, earlier(answered, told)),
            };
            self.seen.insert(partition, sighting);
        }
    }

    /// What is known of each partition that was ever owned.
    pub(super) fn at(&self, now: Instant) -> BTreeMap<PartitionId, Seen> {
        let of = |(partition, sighting): (&PartitionId, &Sighting)| {
            let seen = Seen {
                ownership: sighting.ownership.clone(),
                age: sighting.age + now.saturating_duration_since(sighting.at),
                since: sighting.since,
            };
            (*partition, seen)
        };
        self.seen.iter().map(of).collect()
    }
}

impl Sighting {
    fn new(ownership: Ownership, age: Duration, at: Instant, since: Instant) -> Self {
        Self {
            ownership,
            age,
            at,
            since,
        }
    }
}

/// A time so long ago; the beginning of the clock at the earliest.
fn earlier(now: Instant, ago: Duration) -> Instant {
    now.checked_sub(ago).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: PartitionId = PartitionId::new(0);

    fn owned(version: &str, age: u64) -> Vec<(PartitionId, Ownership)> {
        let ownership = Ownership {
            owner: Some("a".into()),
            generation: 1,
            version: version.into(),
            age: Duration::from_secs(age),
        };
        vec![(P, ownership)]
    }

    fn look(sightings: &mut Sightings, version: &str, told: u64, at: Instant) -> u64 {
        sightings.look(owned(version, told), at, at);
        sightings.at(at)[&P].age.as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_look_takes_the_stores_word_and_the_clock_goes_on_from_there() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::default();
        assert_eq!(look(&mut sightings, "1", 30, start), 30);
        assert_eq!(sightings.at(after(5))[&P].age.as_secs(), 35);
        assert_eq!(look(&mut sightings, "1", 40, after(10)), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_makes_no_owner_older_or_younger() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::default();
        look(&mut sightings, "1", 5, start);
        // An hour ahead, the same version.
        assert_eq!(look(&mut sightings, "1", 3615, after(10)), 15);
        // Renewed at the old time, by the new clock: since the last look at most.
        assert_eq!(look(&mut sightings, "2", 3603, after(20)), 10);
        // An hour back: it is not renewed for ever.
        assert_eq!(look(&mut sightings, "2", 0, after(80)), 70);
        assert_eq!(look(&mut sightings, "3", 0, after(90)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_has_it_since_its_claim_and_not_since_its_renewal() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::default();
        look(&mut sightings, "1", 0, after(20));
        look(&mut sightings, "2", 1, after(30));
        assert_eq!(sightings.at(after(40))[&P].since, after(20));
        let mut stolen = owned("3", 2);
        stolen[0].1.owner = Some("b".into());
        sightings.look(stolen, after(50), after(50));
        assert_eq!(sightings.at(after(60))[&P].since, after(48));
        // And what is not listed any more is not known.
        sightings.look(Vec::new(), after(60), after(60));
        assert!(sightings.at(after(60)).is_empty());
    }
}
