//! A consumer and its stores, on a paused clock.

#[path = "support/checkpointing.rs"]
mod checkpointing;
#[path = "support/consuming.rs"]
mod consuming;
#[path = "support/stores.rs"]
mod stores;

use std::sync::Arc;
use std::time::Duration;

use checkpointing::{hub_with, next, nonzero, numbers, options, scope, stored, take};
use consuming::{FIRST, idle, next_error, open, seen};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, MemoryStore, OwnershipStore,
};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions, MissingPosition,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{ReceiverOptions, StartPosition, TransportConsumer};
use eventhubs_flow::{Error, ErrorKind, OwnershipLostReason};
use futures::{FutureExt as _, StreamExt as _};
use stores::{Mood, Moody};

async fn send(hub: &MemoryHub, count: usize) {
    consuming::send(hub, FIRST, count).await;
}

fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: Some("offset".into()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_goes_on_after_the_highest_event_up_to_which_all_were_acknowledged() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let taken = take(&mut events, 6).await;
    for index in [4, 0, 2, 1] {
        events.ack(&taken[index]).expect("ours");
    }
    assert_eq!(seen(&events).unacknowledged, 3, "from event 3 on");
    events.handle().checkpoint().await.expect("written");
    assert_eq!(stored(&store).await, Some(2));
    assert_eq!(seen(&events).checkpoint, Some(2));
    drop(events);
    idle().await;
    let mut events = open(&hub, options(store)).await;
    let again = take(&mut events, 3).await;
    assert_eq!(numbers(&again), [3, 4, 5], "4 was done, and not covered");
    assert!(again[0].generation() > taken[0].generation());
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_was_acknowledged_and_then_releases() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let taken = take(&mut events, 4).await;
    events.handle().ack_through(&taken[3]).expect("ours");
    let owned = store.ownership(&scope(), FIRST).await.expect("read");
    let owned = owned.expect("claimed");
    assert_eq!(owned.generation, taken[0].generation());
    assert!(owned.owner.is_some());
    events.close().await.expect("closed");
    assert_eq!(stored(&store).await, Some(3));
    let released = store.ownership(&scope(), FIRST).await.expect("read");
    assert_eq!(released.expect("kept").owner, None);
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn checkpoints_are_written_after_a_number_of_events() {
    let (hub, store) = (hub_with(30).await, Moody::new());
    let events = open(&hub, options(store.clone())).await;
    let mut events = events.checkpoint_every(nonzero(10), Duration::from_secs(3600));
    idle().await;
    for event in take(&mut events, 9).await {
        events.ack(&event).expect("ours");
    }
    idle().await;
    assert_eq!(store.attempts(), 0, "one event less");
    let tenth = next(&mut events).await;
    events.ack(&tenth).expect("ours");
    idle().await;
    assert_eq!(stored(&store.inner).await, Some(9));
    assert_eq!(store.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn checkpoints_are_written_at_an_interval_only_if_there_is_something() {
    let (hub, store) = (hub_with(30).await, Moody::new());
    let interval = Duration::from_secs(10);
    let events = open(&hub, options(store.clone())).await;
    let mut events = events.checkpoint_every(nonzero(1000), interval);
    idle().await;
    let event = next(&mut events).await;
    events.ack(&event).expect("ours");
    idle().await;
    assert_eq!(store.attempts(), 0);
    tokio::time::sleep(interval).await;
    assert_eq!(stored(&store.inner).await, Some(0));
    tokio::time::sleep(100 * interval).await;
    assert_eq!(store.attempts(), 1);
    let age = seen(&events).checkpoint_age.expect("stored");
    assert!(age >= 99 * interval, "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_owner_acknowledges_and_writes_is_fenced() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut old = open(&hub, options(store.clone()).with_name("old")).await;
    let taken = take(&mut old, 5).await;
    old.ack(&taken[0]).expect("ours");
    let mut new = open(&hub, options(store.clone()).with_name("new")).await;
    let again = take(&mut new, 2).await;
    assert_eq!(numbers(&again), [0, 1], "nothing was written");

    let lost = next_error(&mut old).await;
    assert!(matches!(lost.kind(), ErrorKind::OwnershipLost(_)));
    let fenced = old.ack(&taken[1]).expect_err("fenced");
    assert_eq!(*fenced.kind(), ErrorKind::Fenced);
    old.handle().checkpoint().await.expect("nothing to write");
    assert_eq!(stored(&store).await, None);

    new.ack(&again[0]).expect("ours");
    new.close().await.expect("closed");
    assert_eq!(stored(&store).await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_store_fences_ends_the_partition() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let taken = take(&mut events, 2).await;
    // Someone who does not read it, and so displaces nobody.
    let generation = store.claim(&scope(), FIRST, "other").await.expect("claim");
    store
        .fence(&scope(), FIRST, generation)
        .await
        .expect("fence");
    events.ack(&taken[0]).expect("not known yet");
    let fenced = events.handle().checkpoint().await.expect_err("fenced");
    assert_eq!(*fenced.kind(), ErrorKind::Fenced);
    idle().await;
    let lost = next_error(&mut events).await;
    let revoked = ErrorKind::OwnershipLost(OwnershipLostReason::Revoked);
    assert_eq!(*lost.kind(), revoked);
    assert_eq!(
        lost.message(),
        "partition 0 has a later owner in the store; the policy does not take it back: it is given up"
    );
    assert_eq!(
        *events.ack(&taken[1]).expect_err("fenced").kind(),
        ErrorKind::Fenced
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_hides_a_later_owner_is_found_out_before_it_is_displaced() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut old = open(&hub, options(store.clone())).await;
    next(&mut old).await;
    idle().await;
    // The connection breaks, and the other comes before it is opened again.
    hub.break_receivers(&Error::new(ErrorKind::Disconnected, "planted"));
    let mut new = open(&hub, options(store.clone()).with_name("new")).await;
    next(&mut new).await;
    let lost = next_error(&mut old).await;
    let revoked = ErrorKind::OwnershipLost(OwnershipLostReason::Revoked);
    assert_eq!(*lost.kind(), revoked);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    take(&mut new, 9).await;
    assert_eq!(seen(&new).reopened, 0, "undisturbed");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_a_later_owner_released_is_claimed_anew() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let first = next(&mut events).await;
    events.ack(&first).expect("ours");
    let generation = store.claim(&scope(), FIRST, "other").await.expect("claim");
    store
        .release(&scope(), FIRST, generation)
        .await
        .expect("release");
    hub.break_receivers(&Error::new(ErrorKind::Disconnected, "planted"));
    idle().await;
    let again = next(&mut events).await;
    assert!(again.generation() > generation);
    assert_eq!(again.sequence_number(), 0, "nothing was written");
    assert!(events.ack(&first).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_keeps_the_generation_and_what_was_acknowledged() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let before = take(&mut events, 3).await;
    events.ack(&before[0]).expect("ours");
    hub.break_receivers(&Error::new(ErrorKind::Disconnected, "planted"));
    idle().await;
    let after = take(&mut events, 7).await;
    assert_eq!(numbers(&after), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(after[0].generation(), before[0].generation());
    for event in before.iter().chain(&after) {
        events.ack(event).expect("ours");
    }
    events.close().await.expect("closed");
    assert_eq!(stored(&store).await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn too_much_that_is_not_acknowledged_holds_its_partition_up() {
    let (hub, store) = (hub_with(1000).await, MemoryStore::new());
    let bound = options(store).with_max_unacknowledged(nonzero(10));
    let mut events = open(&hub, bound).await;
    let taken = take(&mut events, 10).await;
    idle().await;
    assert!(events.next().now_or_never().is_none());
    assert!(seen(&events).behind);
    // A gap does not help.
    events.ack(&taken[5]).expect("ours");
    idle().await;
    assert!(events.next().now_or_never().is_none());
    let pulled = hub.delivered_count();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(pulled <= 310 && hub.delivered_count() == pulled);
    events.ack(&taken[0]).expect("ours");
    assert_eq!(next(&mut events).await.sequence_number(), 10);
    assert!(events.next().now_or_never().is_none(), "one for one");
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_checkpoint_ends_the_partition_and_stays() {
    let (hub, store) = (hub_with(10).await, Moody::in_mood(Mood::Corrupt));
    let mut events = open(&hub, options(store)).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::CorruptCheckpoint);
    assert_eq!(error.partition(), Some(FIRST));
    assert!(events.next().await.is_none());
}

/// A checkpoint beyond the end: the hub was created anew.
async fn recreated() -> (MemoryHub, MemoryStore) {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    store
        .store(&scope(), FIRST, 0, &at(500))
        .await
        .expect("stored");
    (hub, store)
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_beyond_the_end_is_told_and_stays_unless_a_policy_says_otherwise() {
    let (hub, store) = recreated().await;
    let mut events = open(&hub, options(store.clone())).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::InvalidPosition);
    assert!(
        error.message().contains("500 lies beyond the last event"),
        "{error}"
    );
    assert!(error.message().contains("with_missing_position"), "{error}");
    assert_eq!(stored(&store).await, Some(500));
}

#[tokio::test(start_paused = true)]
async fn the_policy_for_a_missing_position_starts_elsewhere_and_resets_the_checkpoint() {
    for (missing, first) in [
        (MissingPosition::Earliest, 0),
        (MissingPosition::Latest, 10),
    ] {
        let (hub, store) = recreated().await;
        let mut events = open(&hub, options(store.clone()).with_missing_position(missing)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        send(&hub, 1).await;
        let event = next(&mut events).await;
        assert_eq!(event.sequence_number(), first);
        events.ack(&event).expect("ours");
        events.close().await.expect("closed");
        assert_eq!(stored(&store).await, Some(first), "it goes back by a reset");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_needs_an_owner_level_and_a_namespace() {
    let hub = MemoryHub::new(1);
    for options in [
        options(MemoryStore::new()).with_policy(EpochPolicy::NonEpoch),
        EpochSafeConsumerOptions::default().with_store(MemoryStore::new()),
    ] {
        let refused = EpochSafeConsumer::open(Arc::new(hub.consumer()), options).await;
        assert_eq!(
            *refused.expect_err("refused").kind(),
            ErrorKind::InvalidOptions
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_comes_between_skips_nothing_of_what_is_new() {
    // From the end on, taken away before anything was acknowledged, and taken back.
    let (hub, store) = (hub_with(5).await, MemoryStore::new());
    let policy = EpochPolicy::Escalate { from: 0, max: 9 };
    let latest = options(store)
        .with_position(StartPosition::Latest)
        .with_policy(policy);
    let mut events = open(&hub, latest).await;
    idle().await;
    send(&hub, 2).await;
    assert_eq!(next(&mut events).await.sequence_number(), 5);
    let thief = ReceiverOptions {
        owner_level: Some(1),
        ..ReceiverOptions::new(FIRST)
    };
    let thief = hub.consumer().open_receiver(thief).await.expect("open");
    idle().await;
    send(&hub, 1).await;
    drop(thief);
    let again = take(&mut events, 3).await;
    assert_eq!(numbers(&again), [5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_holds_up_nothing_until_the_bound_and_skips_nothing() {
    for mood in [Mood::Failing, Mood::Hanging] {
        let (hub, store) = (hub_with(100).await, Moody::new());
        let bound = options(store.clone())
            .with_max_unacknowledged(nonzero(50))
            .with_store_timeout(Duration::from_secs(5));
        let events = open(&hub, bound).await;
        let mut events = events.checkpoint_every(nonzero(10), Duration::from_secs(1));
        idle().await;
        store.set(mood);
        let mut taken = 0;
        while let Some(item) = events.next().now_or_never() {
            let event = item.expect("more").expect("an event");
            assert_eq!(event.sequence_number(), taken);
            events.ack(&event).expect("ours");
            taken += 1;
            idle().await;
        }
        assert_eq!(taken, 50, "{mood:?}: up to the bound, and no further");
        assert_eq!(stored(&store.inner).await, None);
        store.tried(3).await;
        store.set(Mood::Well);
        for number in 50..100 {
            let event = next(&mut events).await;
            assert_eq!(event.sequence_number(), number);
            events.ack(&event).expect("ours");
        }
        events.close().await.expect("closed");
        assert_eq!(stored(&store.inner).await, Some(99));
    }
}
