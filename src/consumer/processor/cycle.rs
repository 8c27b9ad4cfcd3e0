//! A cycle: sees who owns what, and claims what this process is to have.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::balance::{Claim, From, Plan, ROUNDS, View};
use super::core::{Core, Hold};
use super::owned::OwnedPartition;
use super::task::{Claimed, own};
use crate::consumer::checkpoint::Ownership;
use crate::error::Error;
use crate::partition::PartitionId;
use crate::shield::Shielded;

/// Claims beside each other.
const AT_ONCE: usize = 32;

/// A claim that was made: what it is now, and when it was asked for.
type Won = (Ownership, Instant);

/// Runs cycles until it is told to stop, and then waits until all is handed over.
pub(super) async fn drive(core: Arc<Core>, ready: mpsc::Sender<OwnedPartition>) {
    let mut driver = Driver {
        core: Arc::clone(&core),
        ready,
        tasks: JoinSet::new(),
    };
    loop {
        let next = Instant::now() + core.options.pause();
        let cycle = async {
            driver.cycle().await;
            sleep_until(next).await;
        };
        tokio::select! {
            biased;
            () = core.stopped() => break,
            () = cycle => {}
        }
        // A task that panicked has released nothing: its partition expires.
        while driver.tasks.try_join_next().is_some() {}
    }
    let Driver {
        ready, mut tasks, ..
    } = driver;
    drop(ready);
    while tasks.join_next().await.is_some() {}
    sweep(&core).await;
}

/// Releases what was claimed and not learned of.
async fn sweep(core: &Core) {
    let Ok(listed) = core.registry.list().await else {
        return;
    };
    let me = core.registry.owner();
    let left = listed
        .into_iter()
        .filter(|(_, it)| it.owner.as_deref() == Some(me));
    let releases = left.map(|(partition, it)| core.registry.release(partition, it.generation));
    join_all(releases).await;
}

struct Driver {
    core: Arc<Core>,
    ready: mpsc::Sender<OwnedPartition>,
    tasks: JoinSet<()>,
}

impl Driver {
    /// One cycle. What fails in it is tried again in the next.
    async fn cycle(&mut self) {
        for _ in 0..ROUNDS {
            if !self.look().await {
                break;
            }
            // Those who met go on apart.
            sleep(self.core.options.jitter().mul_f64(fastrand::f64() / 10.0)).await;
        }
    }

    /// Looks who owns what, and claims; tells whether others were faster.
    async fn look(&mut self) -> bool {
        let core = Arc::clone(&self.core);
        let asked = Instant::now();
        let (found, listed) = tokio::join!(partitions(&core), core.registry.list());
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "the owners are not known: what is owned stays so");
                return false;
            }
        };
        let plan = core.with_state(|state| {
            if let Some(found) = found {
                for added in found.difference(&state.partitions) {
                    tracing::info!(partition = %added, "partition added to the hub");
                }
                state.partitions = found;
            }
            let now = Instant::now();
            state.sightings.look(listed, asked, now);
            state.seen_at = Some(now);
            let (leaving, held) = state
                .held
                .iter()
                .partition::<Vec<_>, _>(|it| it.1.is_leaving());
            let ids = |holds: Vec<(&PartitionId, &Hold)>| -> BTreeSet<PartitionId> {
                holds.into_iter().map(|(partition, _)| *partition).collect()
            };
            let view = View {
                me: core.registry.owner(),
                partitions: &state.partitions,
                seen: &state.sightings.at(now),
                held: &ids(held),
                leaving: &ids(leaving),
                resting: &state.rests.at(now),
                strategy: core.options.strategy,
                expiry: core.options.expiry,
            };
            let plan = view.decide();
            for gone in &plan.gone {
                state.held[gone].leave.notify_one();
            }
            plan
        });
        self.carry_out(plan).await
    }

    async fn carry_out(&mut self, plan: Plan) -> bool {
        let unowned = plan.unowned.len();
        let (stolen, free): (Vec<_>, Vec<_>) = plan
            .wanted
            .into_iter()
            .partition(|claim| claim.from == From::Owner);
        let (claimed, mut is_late) = self.claim(free, plan.lack).await;
        let most = plan.steals.min(plan.lack - claimed);
        is_late |= self.claim(stolen, most).await.1;
        let owned = self.core.with_state(|state| state.held.len());
        let left = unowned.saturating_sub(claimed);
        self.core.registry.meters.sample(owned, Some(left));
        is_late
    }

    /// Claims so many of those that are wanted; tells how many it has, and whether others
    /// were faster.
    async fn claim(&mut self, wanted: Vec<Claim>, most: usize) -> (usize, bool) {
        let mut wanted = wanted.into_iter();
        let (mut won, mut is_late) = (0, false);
        while won < most {
            let next: Vec<_> = wanted.by_ref().take((most - won).min(AT_ONCE)).collect();
            if next.is_empty() {
                break;
            }
            let core = &self.core;
            let claims = next.into_iter().map(|claim| async move {
                let made = try_claim(core, &claim).await;
                (claim, made)
            });
            for (claim, made) in join_all(claims).await {
                match made {
                    Ok(Some(made)) => {
                        won += 1;
                        self.start(claim, made);
                    }
                    Ok(None) => {
                        is_late = true;
                        self.core.registry.meters.lost_race();
                    }
                    Err(error) => {
                        let partition = claim.partition;
                        tracing::warn!(%partition, %error, "partition not claimed");
                    }
                }
            }
        }
        (won, is_late)
    }

    /// Begins to own a partition.
    fn start(&mut self, claim: Claim, (held, asked): Won) {
        let Claim {
            partition, from, ..
        } = claim;
        self.core.registry.meters.claimed(from);
        tracing::info!(
            %partition,
            generation = held.generation,
            ?from,
            before = claim.seen.as_ref().and_then(|seen| seen.owner.as_deref()),
            "partition claimed"
        );
        // One who has released it may have waited for another, who reads it still.
        let may_be_read = match from {
            From::Owner => true,
            From::Nobody(_) => claim.seen.is_some(),
            From::Expired(_) => false,
        };
        let hold = Hold::new(held.generation, asked);
        let leave = Arc::clone(&hold.leave);
        self.core
            .with_state(|state| state.held.insert(partition, hold));
        let claimed = Claimed {
            partition,
            held,
            asked,
            leave,
            may_be_read,
        };
        let task = own(Arc::clone(&self.core), claimed, self.ready.clone());
        self.tasks.spawn(task);
    }
}

/// Claims a partition, once more if its owner has merely renewed it since it was seen.
async fn try_claim(core: &Core, claim: &Claim) -> Result<Option<Won>, Error> {
    let registry = &core.registry;
    let mut asked = Instant::now();
    let mut made = registry.claim(claim.partition, claim.seen.as_ref()).await?;
    if made.is_none() && claim.from == From::Owner {
        let now = registry.read(claim.partition).await?;
        let who = |it: &Ownership| (it.owner.clone(), it.generation);
        if now.as_ref().map(who) == claim.seen.as_ref().map(who) {
            asked = Instant::now();
            made = registry.claim(claim.partition, now.as_ref()).await?;
        }
    }
    Ok(made.map(|made| (made, asked)))
}

/// The partitions that the hub has now, if it tells.
async fn partitions(core: &Core) -> Option<BTreeSet<PartitionId>> {
    // A transport that panics once is asked again, as one that fails.
    let asking = Shielded::call(|| core.transport.hub_properties());
    match timeout(core.registry.timeout(), asking).await {
        Ok(Some(Ok(hub))) => Some(hub.partitions.into_iter().collect()),
        Ok(Some(Err(error))) => {
            tracing::debug!(%error, "the hub's partitions are not known anew");
            None
        }
        Ok(None) | Err(_) => None,
    }
}
