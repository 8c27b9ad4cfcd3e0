use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

const EXPIRY: Duration = Duration::from_secs(60);

fn seen(owner: Option<&str>, age: u64) -> Seen {
    Seen {
        ownership: Ownership {
            owner: owner.map(str::to_owned),
            generation: 1,
            version: "1".into(),
            age: Duration::ZERO,
        },
        age: Duration::from_secs(age),
        since: Instant::now(),
    }
}

/// A hub of so many partitions, as one process sees it.
struct Scene {
    me: &'static str,
    partitions: BTreeSet<PartitionId>,
    seen: BTreeMap<PartitionId, Seen>,
    held: BTreeSet<PartitionId>,
    leaving: BTreeSet<PartitionId>,
    resting: BTreeSet<PartitionId>,
    strategy: LoadBalancing,
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<PartitionId> {
    numbers.into_iter().map(PartitionId::new).collect()
}

/// The owner of each partition by its name, `-` for one that was released, `.` for one
/// that never had one. What "m" has is held.
fn scene(owners: &str) -> Scene {
    let of = |(at, owner): (usize, char)| {
        let owner = match owner {
            '.' => return None,
            '-' => None,
            owner => Some(owner.to_string()),
        };
        let partition = PartitionId::new(at as u32);
        Some((partition, seen(owner.as_deref(), 5)))
    };
    let mine = owners
        .chars()
        .enumerate()
        .filter(|(_, owner)| *owner == 'm');
    Scene {
        me: "m",
        partitions: ids(0..owners.len() as u32),
        seen: owners.chars().enumerate().filter_map(of).collect(),
        held: ids(mine.map(|(at, _)| at as u32)),
        leaving: BTreeSet::new(),
        resting: BTreeSet::new(),
        strategy: LoadBalancing::Greedy,
    }
}

impl Scene {
    fn decide(&self) -> Plan {
        let view = View {
            me: self.me,
            partitions: &self.partitions,
            seen: &self.seen,
            held: &self.held,
            leaving: &self.leaving,
            resting: &self.resting,
            strategy: self.strategy,
            expiry: EXPIRY,
        };
        view.decide()
    }

    /// What it claims if nobody else does.
    fn claims(&self) -> (Vec<u32>, Vec<u32>) {
        let plan = self.decide();
        let is_steal = |claim: &&Claim| claim.from == From::Owner;
        let number = |claim: &Claim| claim.partition.number();
        let wanted = plan.wanted.iter();
        let free = wanted.clone().filter(|claim| !is_steal(claim));
        let mut free: Vec<_> = free.map(number).take(plan.lack).collect();
        let most = plan.steals.min(plan.lack - free.len());
        let mut stolen: Vec<_> = wanted.filter(is_steal).map(number).take(most).collect();
        free.sort_unstable();
        stolen.sort_unstable();
        (free, stolen)
    }
}

#[test]
fn what_was_released_and_what_has_expired_are_told_apart_and_for_how_long() {
    let mut scene = scene("-.a");
    let expired = seen(Some("a"), EXPIRY.as_secs() + 7);
    scene.seen.insert(PartitionId::new(2), expired);
    let of = |claim: Claim| (claim.partition.number(), claim.from);
    let mut wanted: Vec<_> = scene.decide().wanted.into_iter().map(of).collect();
    wanted.sort_unstable_by_key(|(partition, _)| *partition);
    let seconds = Duration::from_secs;
    let expected = [
        (0, From::Nobody(seconds(5))),
        (1, From::Nobody(Duration::ZERO)),
        (2, From::Expired(seconds(7))),
    ];
    assert_eq!(wanted, expected);
}

/// They do not know of each other yet.
#[test]
fn newcomers_begin_at_different_places() {
    let first = |me| {
        let mut scene = scene(&".".repeat(32));
        scene.me = me;
        scene.decide().wanted[0].partition
    };
    let names = ["host1", "host2", "host3", "host4", "host5", "host6"];
    let places = BTreeSet::from_iter(names.map(first));
    assert!(places.len() >= 4, "{places:?}");
}

#[test]
fn what_rests_is_not_claimed_and_counts_as_unowned_all_the_same() {
    let mut scene = scene("m.a-aa");
    scene.resting = ids([1, 4, 5]);
    assert_eq!(scene.claims(), (vec![3], vec![]));
    assert_eq!(scene.decide().unowned, Vec::from_iter(ids([1, 3])));
}

#[test]
fn who_is_alone_takes_all_that_nobody_has() {
    for strategy in [LoadBalancing::Greedy, LoadBalancing::Balanced] {
        let scene = Scene {
            strategy,
            ..scene("..-.")
        };
        assert_eq!(scene.claims(), (vec![0, 1, 2, 3], vec![]));
    }
}

#[test]
fn what_is_free_is_taken_before_anything_is_stolen_and_no_more_than_the_share() {
    assert_eq!(scene("mmaa..--").claims().0.len(), 2);
    assert_eq!(scene("mmaaaa--").claims(), (vec![6, 7], vec![]));
    let (free, stolen) = scene("maaaaaa-").claims();
    assert_eq!((free, stolen.len()), (vec![7], 2));
}

#[test]
fn a_newcomer_steals_one_and_then_its_share() {
    assert_eq!(scene("aaaaaaaa").claims().1.len(), 1);
    assert_eq!(scene("maaaaaaa").claims().1.len(), 3);
    let balanced = Scene {
        strategy: LoadBalancing::Balanced,
        ..scene("maaaaaaa")
    };
    assert_eq!(balanced.claims().1.len(), 1);
}

#[test]
fn nothing_moves_between_those_who_differ_by_one() {
    for even in ["mab", "mmaabb", "mma", "maa", "mmaab", "maabb", "ab"] {
        assert_eq!(scene(even).claims(), (vec![], vec![]), "{even}");
    }
}

#[test]
fn an_owner_that_was_not_heard_of_owns_nothing_and_counts_as_nobody() {
    let mut scene = scene("mmaa");
    for partition in [2, 3] {
        scene
            .seen
            .insert(PartitionId::new(partition), seen(Some("a"), 60));
    }
    assert_eq!(scene.claims(), (vec![2, 3], vec![]));
    let plan = scene.decide();
    assert_eq!(plan.wanted[0].from, From::Expired(Duration::ZERO));
    scene.seen.insert(PartitionId::new(3), seen(Some("a"), 59));
    let claims = scene.claims();
    assert_eq!(
        claims,
        (vec![], vec![]),
        "as long as it owns one, it counts"
    );
}

#[test]
fn what_stands_under_the_own_name_and_is_not_held_is_claimed_again() {
    let mut scene = scene("mmaa");
    scene.held = ids([0]);
    assert_eq!(scene.claims(), (vec![1], vec![]));
    scene.leaving = ids([1]);
    assert_eq!(
        scene.claims(),
        (vec![], vec![]),
        "it is about to be released"
    );
}

#[test]
fn what_the_hub_has_not_any_more_is_given_up_and_not_counted() {
    let mut scene = scene("mmaa");
    scene.partitions = ids([1, 2, 3, 4]);
    let plan = scene.decide();
    assert_eq!(plan.gone, [PartitionId::new(0)]);
    assert_eq!(scene.claims(), (vec![4], vec![]));
}

#[test]
fn those_who_decide_at_once_want_different_ones() {
    // a has 6 of 8, b and m one each: both lack two of a's four too many.
    let mine = scene("aaaaaabm");
    let (_, of_mine) = mine.claims();
    let mut other = scene("aaaaaabm");
    other.me = "b";
    other.held = ids([6]);
    let (_, of_other) = other.claims();
    assert_eq!((of_mine.len() + of_other.len()), 3, "8 are 3, 3 and 2");
    assert!(
        of_mine
            .iter()
            .all(|partition| !of_other.contains(partition))
    );
}

/// A world of processes, each of which sees the records as they were at a look.
#[derive(Debug, Clone)]
struct World {
    owners: Vec<Option<usize>>,
    names: Vec<String>,
}

impl World {
    fn view(&self, me: usize, strategy: LoadBalancing) -> Plan {
        let partitions = ids(0..self.owners.len() as u32);
        let (mut listed, mut held) = (BTreeMap::new(), BTreeSet::new());
        for (partition, owner) in (0..).map(PartitionId::new).zip(&self.owners) {
            let name = owner.map(|owner| self.names[owner].as_str());
            listed.insert(partition, seen(name, 5));
            if *owner == Some(me) {
                held.insert(partition);
            }
        }
        let view = View {
            me: &self.names[me],
            partitions: &partitions,
            seen: &listed,
            held: &held,
            leaving: &BTreeSet::new(),
            resting: &BTreeSet::new(),
            strategy,
            expiry: EXPIRY,
        };
        view.decide()
    }

    /// Carries a plan out that was made when the world was another; tells whether
    /// others were faster.
    fn carry_out(&mut self, me: usize, plan: Plan, then: &Self) -> bool {
        let mut is_late = false;
        let (mut lack, mut steals) = (plan.lack, plan.steals);
        for claim in plan.wanted {
            let is_steal = claim.from == From::Owner;
            let at = claim.partition.number() as usize;
            let may = lack > 0 && !(is_steal && steals == 0);
            is_late |= may && self.owners[at] != then.owners[at];
            if may && self.owners[at] == then.owners[at] {
                lack -= 1;
                steals -= usize::from(is_steal);
                self.owners[at] = Some(me);
            }
        }
        is_late
    }

    fn counts(&self, running: &[usize]) -> Vec<usize> {
        let of = |me: &usize| {
            self.owners
                .iter()
                .filter(|owner| **owner == Some(*me))
                .count()
        };
        running.iter().map(of).collect()
    }
}

/// How much processes differ; `None` if one is without an owner.
fn difference(world: &World, running: &[usize]) -> Option<usize> {
    let counts = world.counts(running);
    let all: usize = counts.iter().sum();
    (all == world.owners.len()).then(|| counts.iter().max().unwrap() - counts.iter().min().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However they stood before and whoever decides at once: three cycles later all is
    /// owned, and evenly.
    #[test]
    fn three_cycles_make_all_even(
        partitions in 1..33_usize,
        processes in 1..10_usize,
        seed in any::<u64>(),
        salt in any::<u32>(),
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let names = (0..processes).map(|me| format!("{:x}-{salt}", random.u32(..).rotate_left(me as u32))).collect();
        // Some of them own at random, and others nothing at all.
        let owning = random.usize(0..processes + 1);
        let owners = (0..partitions).map(|_| {
            let owner = random.usize(0..processes + 1);
            (owner < owning).then_some(owner)
        }).collect();
        let mut world = World { owners, names };
        let running: Vec<_> = (0..processes).collect();
        for _ in 0..3 {
            let mut order: Vec<_> = running.iter().map(|me| (*me, ROUNDS)).collect();
            while !order.is_empty() {
                random.shuffle(&mut order);
                // So many look at once, before any of them claims.
                let at_once = order.split_off(order.len() - random.usize(1..=order.len()));
                let then = world.clone();
                for (me, rounds) in at_once {
                    let plan = then.view(me, LoadBalancing::Greedy);
                    if world.carry_out(me, plan, &then) && rounds > 1 {
                        order.push((me, rounds - 1));
                    }
                }
            }
        }
        let difference = difference(&world, &running);
        prop_assert!(difference.is_some_and(|it| it <= 1), "{:?}", world.counts(&running));
    }

    /// Once it is even, nobody moves anything.
    #[test]
    fn what_is_even_stays(partitions in 1..33_usize, processes in 1..10_usize, strategy in prop_oneof![Just(LoadBalancing::Greedy), Just(LoadBalancing::Balanced)]) {
        let names: Vec<_> = (0..processes).map(|me| format!("p{me}")).collect();
        let owners = (0..partitions).map(|partition| Some(partition % processes)).collect();
        let world = World { owners, names };
        for me in 0..processes {
            let plan = world.view(me, strategy);
            prop_assert_eq!((plan.lack, plan.wanted.len()), (0, 0));
        }
    }

    /// One at a time, it takes as many cycles as one lacks, and two more.
    #[test]
    fn balanced_makes_all_even_one_by_one(partitions in 1..33_usize, processes in 1..10_usize, seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let names: Vec<_> = (0..processes).map(|me| format!("p{me}")).collect();
        let mut world = World { owners: vec![Some(0); partitions], names };
        let mut moved = 0;
        for _ in 0..partitions.div_ceil(processes) + 2 {
            let mut order: Vec<_> = (0..processes).collect();
            random.shuffle(&mut order);
            for me in order {
                let then = world.clone();
                let plan = world.view(me, LoadBalancing::Balanced);
                prop_assert!(plan.steals <= 1);
                world.carry_out(me, plan, &then);
                moved += then.owners.iter().zip(&world.owners).filter(|(a, b)| a != b).count();
            }
        }
        let all: Vec<_> = (0..processes).collect();
        prop_assert!(difference(&world, &all).is_some_and(|it| it <= 1), "{:?}", world.counts(&all));
        let least = partitions - world.counts(&all)[0];
        prop_assert_eq!(moved, least, "nothing moves twice");
    }
}
