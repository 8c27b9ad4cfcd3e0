//! What the parts of a processor share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::options::EventProcessorOptions;
use super::registry::Registry;
use super::rests::Rests;
use super::sightings::Sightings;
use super::snapshot::{OwnershipState, PartitionOwnership, ProcessorSnapshot};
use crate::partition::PartitionId;
use crate::sync::{Mutex, lock};
use crate::transport::TransportConsumer;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) transport: Arc<dyn TransportConsumer>,
    pub(super) options: EventProcessorOptions,
    pub(super) registry: Registry,
    /// The partitions that the hub had at the start.
    pub(super) first: BTreeSet<PartitionId>,
    pub(super) stopping: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// The partitions of the hub, as far as it is known.
    pub(super) partitions: BTreeSet<PartitionId>,
    pub(super) sightings: Sightings,
    pub(super) held: BTreeMap<PartitionId, Hold>,
    pub(super) rests: Rests,
    /// When all owners were seen the last time.
    pub(super) seen_at: Option<Instant>,
}

/// A partition of this process.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) generation: u64,
    since: Instant,
    /// When its last claim or renewal was asked for.
    pub(super) renewed: Instant,
    pub(super) state: OwnershipState,
    /// Tells it to give the partition up.
    pub(super) leave: Arc<Notify>,
}

impl Hold {
    /// What was just claimed.
    pub(super) fn new(generation: u64, asked: Instant) -> Self {
        Self {
            generation,
            since: asked,
            renewed: asked,
            state: OwnershipState::Opening,
            leave: Arc::default(),
        }
    }

    /// Whether it is on its way to others.
    pub(super) fn is_leaving(&self) -> bool {
        self.state == OwnershipState::HandingOver
    }
}

impl Core {
    pub(super) fn new(
        transport: Arc<dyn TransportConsumer>,
        options: EventProcessorOptions,
        registry: Registry,
        partitions: BTreeSet<PartitionId>,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            options,
            registry,
            first: partitions.clone(),
            stopping: watch::Sender::new(false),
            state: Mutex::new(State {
                partitions,
                sightings: Sightings::default(),
                held: BTreeMap::new(),
                rests: Rests::default(),
                seen_at: None,
            }),
        })
    }

    pub(super) fn with_state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.state))
    }

    /// Notes where a partition is that is held.
    pub(super) fn is_now(&self, partition: PartitionId, now: OwnershipState) {
        self.with_state(|state| {
            if let Some(hold) = state.held.get_mut(&partition) {
                hold.state = now;
            }
        });
    }

    /// Notes that whoever read a partition is done with it, after so long.
    pub(super) fn is_given_back(&self, partition: PartitionId, read_for: Duration) {
        let cycle = self.options.interval;
        let now = Instant::now();
        self.with_state(|state| state.rests.given_back(partition, read_for, cycle, now));
    }

    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until it is to stop.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender is here.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    pub(super) fn snapshot(&self) -> ProcessorSnapshot {
        let now = Instant::now();
        let owner = self.registry.owner().to_owned();
        let counts = self.registry.meters.counts();
        self.with_state(|state| {
            let seen = state.sightings.at(now);
            let of =
                |partition: &PartitionId| match (state.held.get(partition), seen.get(partition)) {
                    (Some(hold), _) => PartitionOwnership {
                        partition: *partition,
                        state: hold.state,
                        owner: Some(owner.clone()),
                        generation: hold.generation,
                        since: Some(now - hold.since),
                        renewed: Some(now - hold.renewed),
                    },
                    (None, Some(seen)) => PartitionOwnership {
                        partition: *partition,
                        state: match seen.ownership.owner {
                            Some(_) if seen.age < self.options.expiry => OwnershipState::Elsewhere,
                            _ => OwnershipState::Unowned,
                        },
                        owner: seen.ownership.owner.clone(),
                        generation: seen.ownership.generation,
                        since: Some(now - seen.since),
                        renewed: Some(seen.age),
                    },
                    (None, None) => PartitionOwnership {
                        partition: *partition,
                        state: OwnershipState::Unowned,
                        owner: None,
                        generation: 0,
                        since: None,
                        renewed: None,
                    },
                };
            let all: BTreeSet<_> = state.partitions.iter().chain(state.held.keys()).collect();
            ProcessorSnapshot {
                partitions: all.into_iter().map(of).collect(),
                owner: owner.clone(),
                counts,
                last_seen: state.seen_at.map(|at| now - at),
                is_stopping: *self.stopping.borrow(),
            }
        })
    }
}
