//! What several checks share.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::harness::Harness;
use crate::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, Ownership, OwnershipStore,
};
pub(super) use crate::contract::{assert_kind, more_and_more_polls, polled};
use crate::error::Error;
use crate::partition::PartitionId;

pub(super) const FIRST: PartitionId = PartitionId::new(0);
pub(super) const SECOND: PartitionId = PartitionId::new(1);

/// How often to do what may go wrong only at times.
pub(super) const ROUNDS: i64 = 20;

/// How many do the same at once.
pub(super) const TASKS: usize = 8;

pub(super) fn scope() -> ConsumerScope {
    ConsumerScope::new("ns.servicebus.windows.net", "eh1", "$Default")
}

/// A checkpoint whose parts belong together.
pub(super) fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: Some(format!("offset of {sequence_number}")),
    }
}

/// Handles on a harness's checkpoints, or skips the check.
macro_rules! checkpoints {
    ($harness:expr) => {
        match $harness.checkpoints().await {
            Some(store) => store,
            None => return $crate::contract::Verdict::Skipped,
        }
    };
}
pub(super) use checkpoints;

/// Handles on a harness's owners, or skips the check.
macro_rules! owners {
    ($harness:expr) => {
        match $harness.owners().await {
            Some(store) => store,
            None => return $crate::contract::Verdict::Skipped,
        }
    };
}
pub(super) use owners;

pub(super) async fn read(
    store: &dyn CheckpointStore,
    scope: &ConsumerScope,
    partition: PartitionId,
) -> Option<Checkpoint> {
    let read = store.checkpoint(scope, partition).await;
    read.expect("what was stored is read")
}

/// Asserts where the first partition is, as every handle tells it.
pub(super) async fn assert_at(harness: &dyn Harness, place: impl Into<Option<i64>>) {
    let expected = place.into().map(at);
    for _ in 0..2 {
        let store = harness.checkpoints().await.expect("handles as before");
        let read = read(&store, &scope(), FIRST).await;
        assert_eq!(read, expected, "the checkpoint as a handle reads it");
    }
}

/// Stores where the first partition is.
pub(super) async fn store(store: &dyn CheckpointStore, generation: u64, place: i64) {
    let stored = try_store(store, generation, place).await;
    stored.expect("nothing is wrong with it");
}

pub(super) async fn try_store(
    store: &dyn CheckpointStore,
    generation: u64,
    place: i64,
) -> Result<(), Error> {
    store.store(&scope(), FIRST, generation, &at(place)).await
}

/// Fences the first partition, and returns what was left.
pub(super) async fn fence(store: &dyn CheckpointStore, generation: u64) -> Option<i64> {
    let fenced = store.fence(&scope(), FIRST, generation).await;
    let left = fenced.expect("no later generation has fenced it");
    let place = left.as_ref().map(|left| left.sequence_number);
    assert_eq!(left, place.map(at), "a whole checkpoint is left");
    place
}

/// Resets the first partition.
pub(super) async fn reset(
    store: &dyn CheckpointStore,
    generation: u64,
    place: impl Into<Option<i64>>,
) {
    let reset = try_reset(store, generation, place.into().map(at).as_ref()).await;
    reset.expect("nothing is wrong with it");
}

pub(super) async fn try_reset(
    store: &dyn CheckpointStore,
    generation: u64,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), Error> {
    store.reset(&scope(), FIRST, generation, checkpoint).await
}

/// Claims the first partition.
pub(super) async fn claim(store: &dyn OwnershipStore, owner: &str) -> u64 {
    let claimed = store.claim(&scope(), FIRST, owner).await;
    claimed.expect("nothing is wrong with it")
}

/// Gives the first partition up.
pub(super) async fn release(store: &dyn OwnershipStore, generation: u64) {
    let released = store.release(&scope(), FIRST, generation).await;
    released.expect("a partition can always be given up");
}

/// Asserts who owns the first partition, as every handle tells it.
pub(super) async fn assert_owned(harness: &dyn Harness, owner: Option<&str>, generation: u64) {
    for _ in 0..2 {
        let store = harness.owners().await.expect("handles as before");
        let read = ownership(&store).await.expect("it was claimed");
        assert_eq!(
            (read.owner.as_deref(), read.generation),
            (owner, generation),
            "the owner as a handle reads it"
        );
    }
}

/// Claims the first partition, if nothing has changed.
pub(super) async fn claim_if(
    store: &dyn OwnershipStore,
    owner: &str,
    seen: Option<&Ownership>,
) -> Option<Ownership> {
    let claimed = store.claim_if(&scope(), FIRST, owner, seen).await;
    let claimed = claimed.expect("nothing is wrong with it");
    if let Some(claimed) = &claimed {
        assert_eq!(claimed.owner.as_deref(), Some(owner));
    }
    claimed
}

/// Renews the first partition.
pub(super) async fn renew(store: &dyn OwnershipStore, held: &Ownership) -> Option<Ownership> {
    let renewed = store.renew(&scope(), FIRST, held).await;
    let renewed = renewed.expect("nothing is wrong with it");
    if let Some(renewed) = &renewed {
        assert_eq!(
            (&renewed.owner, renewed.generation),
            (&held.owner, held.generation)
        );
    }
    renewed
}

/// Who owns the first partition.
pub(super) async fn ownership(store: &dyn OwnershipStore) -> Option<Ownership> {
    let read = store.ownership(&scope(), FIRST).await;
    read.expect("what was stored is read")
}

/// Runs what may run at the same time, on all threads that there are; all of it
/// ends when it is dropped.
pub(super) async fn at_once<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut running: JoinSet<T> = tasks.into_iter().collect();
    let mut done = Vec::new();
    while let Some(task) = running.join_next().await {
        done.push(task.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => panic!("{error}"),
        }));
    }
    done
}

/// Handles of their own, for as many tasks.
pub(super) async fn many_checkpoints(harness: &dyn Harness) -> Vec<Arc<dyn CheckpointStore>> {
    let mut handles = Vec::new();
    for _ in 0..TASKS {
        handles.push(harness.checkpoints().await.expect("handles as before"));
    }
    handles
}

/// Handles of their own, for as many tasks.
pub(super) async fn many_owners(harness: &dyn Harness) -> Vec<Arc<dyn OwnershipStore>> {
    let mut handles = Vec::new();
    for _ in 0..TASKS {
        handles.push(harness.owners().await.expect("handles as before"));
    }
    handles
}

/// Scopes that are different, though their names may look alike.
pub(super) fn look_alikes() -> Vec<ConsumerScope> {
    let names = [
        ("ns", "hub", "group"),
        ("ns2", "hub", "group"),
        ("ns", "hub2", "group"),
        ("ns", "hub", "group2"),
        ("ns", "group", "hub"),
        ("nshub", "", "group"),
        ("ns", "hubgroup", ""),
        ("", "ns", "hubgroup"),
        ("ns", "hub/group", ""),
        ("ns/hub", "group", ""),
        ("ns", "hub", "gro/up"),
        ("ns", "hub/gro", "up"),
        ("ns", "hub", ".."),
        ("ns", "..", "group"),
        ("ns", "hub", "."),
        ("ns", "hub", "../group"),
        ("ns", "hub", "group/0"),
        ("ns", "hub", "group\\0"),
        ("ns", "hub", "group%2f0"),
        ("ns", "hub", "group%"),
        ("ns", "hub", "group."),
        ("ns", "hub", "group "),
        ("ns", "hub", "group\n"),
        ("ns", "hub", "group\0"),
        ("ns", "hub", "gröup"),
        ("ns", "hub", "gro\u{308}up"),
    ];
    let scopes = names.map(|(namespace, hub, group)| ConsumerScope::new(namespace, hub, group));
    scopes.into()
}
