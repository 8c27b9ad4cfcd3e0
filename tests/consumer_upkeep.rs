//! What keeps a consumer going: its writer, its looks for partitions and for silence,
//! its ends.

#[path = "support/checkpointing.rs"]
mod checkpointing;
#[path = "support/consuming.rs"]
mod consuming;
#[path = "support/log.rs"]
mod log;
#[path = "support/rigged.rs"]
mod rigged;
#[path = "support/tricky.rs"]
mod tricky;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use checkpointing::{at, hub_with, next, nonzero, options, scope, stored, take};
use consuming::{FIRST, earliest, idle, intrude, open, seen, send_sized};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, MemoryStore, OwnershipStore};
use eventhubs_flow::consumer::epoch_safe::{EpochPolicy, EpochSafeConsumer, PartitionState};
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind};
use futures::{FutureExt as _, StreamExt as _};
use rigged::{Call, Rigged};
use tokio::time::timeout;
use tricky::Tricky;

/// `keep_writing` starts a write again at once that ended with an error that cannot
/// be retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_refuses_for_good_is_not_asked_without_end() {
    let (hub, inner) = (hub_with(10).await, MemoryStore::new());
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let store = Rigged::new(&inner, move |call| {
        let refused = call == Call::Store;
        if refused {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        async move {
            match refused {
                true => Err(Error::new(ErrorKind::Unauthorized, "planted")),
                false => Ok(()),
            }
        }
    });
    let events = open(&hub, options(store)).await;
    let mut events = events.checkpoint_every(nonzero(1), Duration::from_secs(3600));
    let event = next(&mut events).await;
    events.ack(&event).expect("ours");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let attempts = attempts.load(Ordering::Relaxed);
    assert!(attempts < 20, "{attempts} attempts within 0.3 s");
}

/// With `events` above `max_unacknowledged`, nothing is written at the bound.
#[tokio::test(start_paused = true)]
async fn a_partition_at_its_bound_of_unwritten_events_is_written_and_goes_on() {
    let (hub, store) = (hub_with(30).await, MemoryStore::new());
    let bound = options(store).with_max_unacknowledged(nonzero(10));
    let events = open(&hub, bound).await;
    let mut events = events.checkpoint_every(nonzero(1000), Duration::from_secs(3600));
    for event in take(&mut events, 10).await {
        events.ack(&event).expect("ours");
    }
    assert_eq!(next(&mut events).await.sequence_number(), 10);
}

/// What tells the pump of a later owner is not of a generation: a late answer to the
/// write of an old one revokes the new one.
#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_an_old_generation_does_not_revoke_the_new_one() {
    let (hub, inner) = (hub_with(10).await, MemoryStore::new());
    let (gate, opened) = tokio::sync::watch::channel(false);
    let store = Rigged::new(&inner, move |call| {
        let mut opened = opened.clone();
        async move {
            if call == Call::Store {
                opened.wait_for(|open| *open).await.expect("here");
            }
            Ok(())
        }
    });
    let policy = EpochPolicy::Escalate { from: 0, max: 1 };
    let mut events = open(&hub, options(store).with_policy(policy)).await;
    let event = next(&mut events).await;
    events.ack(&event).expect("ours");
    let handle = events.handle();
    let write = tokio::spawn(async move { handle.checkpoint().await });
    idle().await;
    let thief = intrude(&hub, Some(0)).await;
    let generation = inner.claim(&scope(), FIRST, "thief").await.expect("claim");
    let fenced = inner.fence(&scope(), FIRST, generation).await;
    fenced.expect("fenced");
    idle().await;
    assert_eq!(seen(&events).thefts, 1);
    gate.send_replace(true);
    let late = write.await.expect("no panic").expect_err("fenced");
    assert_eq!(*late.kind(), ErrorKind::Fenced);
    drop(thief);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let seen = seen(&events);
    assert_eq!((seen.thefts, seen.state), (1, PartitionState::Reading));
    assert_eq!(next(&mut events).await.sequence_number(), 0);
}

/// "From the moment a theft is known no event of that ownership is yielded any more,
/// buffered ones included."
#[tokio::test(start_paused = true)]
async fn nothing_is_yielded_after_the_store_has_told_of_a_later_owner() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let taken = take(&mut events, 2).await;
    let generation = store.claim(&scope(), FIRST, "other").await.expect("claim");
    let fenced = store.fence(&scope(), FIRST, generation).await;
    fenced.expect("fenced");
    events.ack(&taken[0]).expect("not known yet");
    let known = events.handle().checkpoint().await.expect_err("fenced");
    assert_eq!(*known.kind(), ErrorKind::Fenced);
    if let Some(Some(Ok(event))) = events.next().now_or_never() {
        panic!(
            "event {} of generation {} was yielded after it was fenced",
            event.sequence_number(),
            event.generation()
        );
    }
}

/// Row 44, over a transport that panics once.
#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_once_does_not_end_the_discovery() {
    let hub = MemoryHub::new(1);
    let panicking = Tricky {
        panics_at: 2,
        ..Tricky::new(&hub)
    };
    let events = EpochSafeConsumer::open(Arc::new(panicking), earliest()).await;
    let events = events.expect("open");
    tokio::time::sleep(Duration::from_secs(15)).await;
    hub.set_partition_count(2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(events.partitions().len(), 2);
}

/// "Dropping the future closes without waiting": the slot does not end.
#[tokio::test(start_paused = true)]
async fn partitions_whose_close_is_not_waited_for_have_ended() {
    let hub = MemoryHub::new(2);
    let mut partitions = open(&hub, earliest()).await.split();
    for _ in 0..2 {
        let stream = partitions.next().await.expect("a partition");
        idle().await;
        assert!(stream.close().now_or_never().is_none(), "it takes a turn");
    }
    let none = timeout(Duration::from_secs(600), partitions.next()).await;
    assert!(none.expect("all have ended: it ends").is_none());
}

/// "It keeps nothing open: once the consumer is gone, it has no effect."
#[tokio::test(start_paused = true)]
async fn a_handle_has_no_effect_once_the_consumer_is_gone() {
    let (hub, store) = (hub_with(10).await, MemoryStore::new());
    let mut events = open(&hub, options(store.clone())).await;
    let event = next(&mut events).await;
    let handle = events.handle();
    drop(events);
    idle().await;
    let _ = handle.ack(&event);
    let _ = handle.checkpoint().await;
    let state = handle.snapshot().partitions[0].state;
    assert_eq!(
        (stored(&store).await, state),
        (None, PartitionState::Ended),
        "its receiver is closed"
    );
}

/// Events that are skipped teach nothing of how large events are.
#[tokio::test(start_paused = true)]
async fn what_is_skipped_does_not_make_the_next_grant_exceed_the_bytes() {
    let (hub, inner) = (MemoryHub::new(1), MemoryStore::new());
    send_sized(&hub, FIRST, 320, 100_000).await;
    let first = inner.store(&scope(), FIRST, 0, &at(0)).await;
    first.expect("stored");
    let old = inner.clone();
    let store = Rigged::new(&inner, move |call| {
        let old = old.clone();
        async move {
            if matches!(call, Call::Claim(_)) {
                old.store(&scope(), FIRST, 0, &at(8)).await?;
            }
            Ok(())
        }
    });
    let events = open(&hub, options(store)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let buffered = seen(&events).buffered_bytes;
    assert!(buffered <= 9 << 20, "{buffered} bytes of 8 MiB");
}

/// Row 36 where the start is no sequence number to begin after.
#[tokio::test(start_paused = true)]
async fn a_deaf_receiver_is_noticed_wherever_it_began() {
    let mut missed = Vec::new();
    for position in [
        StartPosition::Earliest,
        StartPosition::SequenceNumber {
            number: -1,
            inclusive: false,
        },
        StartPosition::SequenceNumber {
            number: 0,
            inclusive: true,
        },
        StartPosition::Offset {
            offset: "0".into(),
            inclusive: true,
        },
        StartPosition::EnqueuedAfter(std::time::SystemTime::UNIX_EPOCH.into()),
    ] {
        let hub = hub_with(3).await;
        let deaf = Tricky {
            deaf: AtomicU32::new(1),
            ..Tricky::new(&hub)
        };
        let start = earliest().with_position(position.clone());
        let events = EpochSafeConsumer::open(Arc::new(deaf), start).await;
        let mut events = events.expect("open");
        let first = timeout(Duration::from_secs(3600), events.next()).await;
        if first.is_err() {
            missed.push(position);
        }
    }
    assert!(missed.is_empty(), "nothing within an hour: {missed:?}");
}

/// Which of the reasons of a lane's pause are told: once each time it begins, and not
/// for every event of a reader that acknowledges one for one.
#[tokio::test(start_paused = true)]
async fn a_reader_at_its_bound_is_not_warned_of_for_every_event() {
    let log = log::Log::default();
    let _here = log.here(tracing::Level::WARN);
    let (hub, store) = (hub_with(200).await, MemoryStore::new());
    let bound = options(store).with_max_unacknowledged(nonzero(10));
    let mut events = open(&hub, bound).await;
    let mut held = std::collections::VecDeque::new();
    for _ in 0..200 {
        if held.len() == 10 {
            events.ack(&held.pop_front().expect("ten")).expect("ours");
        }
        held.push_back(next(&mut events).await);
    }
    let warnings = log.lines_with("partition pauses").len();
    assert!(warnings <= 10, "{warnings} warnings in no time");
}
