//! What comes at the worst moment while a partition is opened: faults, other owners,
//! hubs that are created anew.

#[path = "support/checkpointing.rs"]
mod checkpointing;
#[path = "support/consuming.rs"]
mod consuming;
#[path = "support/rigged.rs"]
mod rigged;
#[path = "support/tricky.rs"]
mod tricky;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use checkpointing::{at, hub_with, next, numbers, options, scope, stored, take};
use consuming::{FIRST, idle, open, seen, send};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, MemoryStore, OwnershipStore};
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, MissingPosition, PartitionState};
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{Error, ErrorKind};
use futures::StreamExt as _;
use rigged::{Call, Rigged};
use tokio::time::timeout;
use tricky::Tricky;

/// Another owner: claims, fences, leaves a checkpoint and goes.
async fn other_owner_leaves(store: &MemoryStore, checkpoint: i64) {
    let generation = store.claim(&scope(), FIRST, "other").await.expect("claim");
    let checkpoint = at(checkpoint);
    let (scope, some) = (scope(), Some(&checkpoint));
    store.fence(&scope, FIRST, generation).await.expect("fence");
    store
        .reset(&scope, FIRST, generation, some)
        .await
        .expect("stored");
    store
        .release(&scope, FIRST, generation)
        .await
        .expect("released");
}

fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "planted")
}

/// A fault before the partition is owned keeps the position that was found out, though
/// another owner leaves a checkpoint meanwhile: events are read again ...
#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_comes_before_it_is_owned_is_started_from() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    hub.fail_next_opens(4, disconnected());
    let mut events = open(&hub, options(store.clone())).await;
    idle().await;
    other_owner_leaves(&store, 5).await;
    assert_eq!(next(&mut events).await.sequence_number(), 6);
}

/// ... or skipped.
#[tokio::test(start_paused = true)]
async fn a_checkpoint_before_the_end_that_was_looked_up_skips_nothing() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    hub.fail_next_opens(4, disconnected());
    let latest = options(store.clone()).with_position(StartPosition::Latest);
    let mut events = open(&hub, latest).await;
    idle().await;
    other_owner_leaves(&store, 3).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    send(&hub, FIRST, 1).await;
    assert_eq!(next(&mut events).await.sequence_number(), 4);
}

/// The same between looking up where to start and fencing: the first checkpoint of the
/// owner that is just being displaced.
async fn assert_started_after_a_first_checkpoint(position: StartPosition) {
    let (hub, inner) = (hub_with(100).await, MemoryStore::new());
    let old = inner.clone();
    let store = Rigged::new(&inner, move |call| {
        let old = old.clone();
        async move {
            if matches!(call, Call::Claim(_)) {
                old.store(&scope(), FIRST, 0, &at(50)).await?;
            }
            Ok(())
        }
    });
    let mut events = open(&hub, options(store).with_position(position)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    send(&hub, FIRST, 1).await;
    let first = next(&mut events).await;
    events.ack(&first).expect("ours");
    let written = events.handle().checkpoint().await;
    assert_eq!(
        (first.sequence_number(), written.is_ok()),
        (51, true),
        "{written:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_checkpoint_of_the_displaced_owner_is_started_from_at_earliest() {
    assert_started_after_a_first_checkpoint(StartPosition::Earliest).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_checkpoint_of_the_displaced_owner_is_started_from_at_latest() {
    assert_started_after_a_first_checkpoint(StartPosition::Latest).await;
}

/// A hub that is created anew while its consumer runs.
#[tokio::test(start_paused = true)]
async fn a_hub_created_anew_under_a_running_consumer_is_read_and_checkpointed() {
    assert_goes_on_in_a_hub_created_anew(10).await;
}

/// One event of the old hub is never acknowledged: the watermark is stuck below it.
#[tokio::test(start_paused = true)]
async fn a_hub_created_anew_is_not_held_up_by_what_is_open_of_the_old_one() {
    assert_goes_on_in_a_hub_created_anew(9).await;
}

async fn assert_goes_on_in_a_hub_created_anew(acknowledged: usize) {
    let (old, new) = (hub_with(10).await, hub_with(3).await);
    let store = MemoryStore::new();
    let transport = Arc::new(Tricky::new(&old));
    let missing = options(store.clone()).with_missing_position(MissingPosition::Earliest);
    let opened = EpochSafeConsumer::open(Arc::clone(&transport) as _, missing).await;
    let mut events = opened.expect("open");
    let taken = take(&mut events, 10).await;
    for event in &taken[..acknowledged] {
        events.ack(event).expect("ours");
    }
    events.handle().checkpoint().await.expect("written");
    idle().await;
    *transport.hub.lock().unwrap() = new;
    old.break_receivers(&disconnected());
    let anew = take(&mut events, 3).await;
    assert_eq!(numbers(&anew), [0, 1, 2]);
    for event in &anew {
        events.ack(event).expect("ours");
    }
    let written = events.handle().checkpoint().await;
    assert_eq!(
        (stored(&store).await, written.is_ok()),
        (Some(2), true),
        "{acknowledged} acknowledged before: {written:?}"
    );
}

/// The reset of a useless checkpoint fails once, and is not tried again: what the new
/// hub has below its number is dropped.
#[tokio::test(start_paused = true)]
async fn a_reset_that_fails_once_is_tried_again_and_drops_nothing() {
    assert_reset_in_the_end(MissingPosition::Latest, 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_fails_once_is_tried_again_and_checkpoints_go_on() {
    assert_reset_in_the_end(MissingPosition::Earliest, 0).await;
}

async fn assert_reset_in_the_end(missing: MissingPosition, first: i64) {
    let (hub, inner) = (hub_with(10).await, MemoryStore::new());
    let stale = inner.store(&scope(), FIRST, 0, &at(500)).await;
    stale.expect("stored");
    let failures = Arc::new(AtomicU32::new(1));
    let store = Rigged::new(&inner, move |call| {
        let relaxed = Ordering::Relaxed;
        let fails = call == Call::Reset
            && failures
                .fetch_update(relaxed, relaxed, |left| left.checked_sub(1))
                .is_ok();
        async move {
            match fails {
                true => Err(Error::new(ErrorKind::StoreUnavailable, "planted")),
                false => Ok(()),
            }
        }
    });
    let mut events = open(&hub, options(store).with_missing_position(missing)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    send(&hub, FIRST, 1).await;
    let event = timeout(Duration::from_secs(600), events.next()).await;
    let event = event.unwrap_or_else(|_| panic!("{missing:?}: event {first} is dropped"));
    let event = event.expect("goes on").expect("an event");
    assert_eq!(event.sequence_number(), first);
    events.ack(&event).expect("ours");
    events.handle().checkpoint().await.expect("written");
    assert_eq!(stored(&inner).await, Some(first));
}

/// The useless checkpoint was replaced by another owner's good one, which is reset.
#[tokio::test(start_paused = true)]
async fn a_good_checkpoint_that_replaced_a_useless_one_is_not_reset() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let stale = store.store(&scope(), FIRST, 0, &at(500)).await;
    stale.expect("stored");
    hub.fail_next_opens(4, disconnected());
    let missing = options(store.clone()).with_missing_position(MissingPosition::Earliest);
    let mut events = open(&hub, missing).await;
    idle().await;
    other_owner_leaves(&store, 5).await;
    let first = next(&mut events).await.sequence_number();
    assert_eq!((first, stored(&store).await), (6, Some(5)));
}

/// A claim that is overtaken: its maker was displaced meanwhile, and learns of it late.
/// It fences the newer owner, and in the end nobody reads.
#[tokio::test(start_paused = true)]
async fn a_late_claim_of_a_displaced_owner_does_not_end_the_newer_one() {
    let (hub, inner) = (hub_with(10).await, MemoryStore::new());
    let store = Rigged::new(&inner, move |call| async move {
        if call == Call::Claim("a".to_owned()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    });
    let late = Tricky {
        late: Duration::from_secs(5),
        ..Tricky::new(&hub)
    };
    let a = options(store.clone()).with_name("a");
    let a = EpochSafeConsumer::open(Arc::new(late), a)
        .await
        .expect("open");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut b = open(&hub, options(store).with_name("b")).await;
    let event = next(&mut b).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let _ = b.ack(&event);
    let _ = b.handle().checkpoint().await;
    idle().await;
    let states = [seen(&a).state, seen(&b).state];
    assert!(
        states.contains(&PartitionState::Reading),
        "nobody reads: {states:?}"
    );
}

/// A close in the middle of an opening: the claim was made, and stays.
#[tokio::test(start_paused = true)]
async fn a_partition_that_is_claimed_when_it_is_closed_is_released() {
    let (hub, inner) = (hub_with(10).await, MemoryStore::new());
    let store = Rigged::new(&inner, move |call| async move {
        if call == Call::Fence {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    let events = open(&hub, options(store)).await;
    idle().await;
    let owned = inner.ownership(&scope(), FIRST).await.expect("read");
    assert!(owned.expect("claimed").owner.is_some());
    events.close().await.expect("closed");
    let left = inner.ownership(&scope(), FIRST).await.expect("read");
    assert_eq!(left.expect("kept").owner, None);
}
