//! `EpochSafeConsumer` on a paused clock, over the memory transport.

#[path = "support/consuming.rs"]
mod consuming;
#[path = "support/failing.rs"]
mod failing;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use consuming::{
    FIRST, SECOND, earliest, idle, intrude, next_error, next_event, open, send, send_sized,
};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer};
use eventhubs_flow::{EpochConflict, Error, ErrorKind, OwnershipLostReason, PartitionId};
use failing::Failing;
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

const NON_EPOCH_REFUSED: &str = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";

async fn numbers(events: &mut EpochSafeConsumer, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(next_event(events).await.sequence_number());
    }
    numbers
}

fn disconnected() -> Error {
    Error::new(ErrorKind::Disconnected, "planted")
}

fn stolen(by: &Error) -> &EpochConflict {
    match by.kind() {
        ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) => conflict,
        other => panic!("not stolen: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn all_partitions_are_read_in_order_and_in_turn() {
    let hub = MemoryHub::new(3);
    for partition in 0..3 {
        send(&hub, PartitionId::new(partition), 50).await;
    }
    let mut events = open(&hub, earliest()).await;
    assert_eq!(events.partitions().len(), 3);
    let mut seen: BTreeMap<PartitionId, i64> = BTreeMap::new();
    for _ in 0..150 {
        let event = next_event(&mut events).await;
        let next = seen.entry(event.partition()).or_default();
        assert_eq!(event.sequence_number(), *next);
        *next += 1;
    }
    assert!(seen.values().all(|next| *next == 50));
    assert!(events.next().now_or_never().is_none(), "it waits for more");
    send(&hub, SECOND, 1).await;
    assert_eq!(next_event(&mut events).await.sequence_number(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_busy_partition_does_not_starve_a_quiet_one() {
    let hub = MemoryHub::new(2);
    send(&hub, FIRST, 1000).await;
    send(&hub, SECOND, 1).await;
    let mut events = open(&hub, earliest()).await;
    let mut before = 0;
    while next_event(&mut events).await.partition() != SECOND {
        before += 1;
    }
    assert!(
        before <= 150,
        "{before} events came first: more than a share"
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_named_partitions_are_opened() {
    let hub = MemoryHub::new(3);
    let events = open(&hub, earliest().with_partitions([SECOND, SECOND])).await;
    idle().await;
    assert_eq!(events.partitions(), [SECOND]);
    assert_eq!(hub.receiver_count(), 1);
    let missing = earliest().with_partitions([PartitionId::new(3)]);
    let refused = EpochSafeConsumer::open(Arc::new(hub.consumer()), missing).await;
    let refused = refused.expect_err("no such partition");
    assert_eq!(*refused.kind(), ErrorKind::InvalidPartition);
}

#[tokio::test(start_paused = true)]
async fn a_theft_ends_its_partition_with_one_item_and_the_others_go_on() {
    let hub = MemoryHub::new(2);
    let mut events = open(&hub, earliest()).await;
    send(&hub, FIRST, 1).await;
    next_event(&mut events).await;
    let mut thief = intrude(&hub, Some(0)).await;
    let error = next_error(&mut events).await;
    let conflict = stolen(&error);
    assert_eq!(conflict.holder.as_deref(), Some("intruder"));
    assert_eq!(
        (conflict.holder_level, conflict.own_level),
        (Some(0), Some(0))
    );
    assert_eq!(error.partition(), Some(FIRST));
    assert!(
        error
            .message()
            .starts_with("partition 0 was taken by receiver 'intruder'")
    );
    let words = error.source().expect("kept").to_string();
    assert!(words.starts_with("New receiver 'intruder' with higher epoch of '0'"));

    send(&hub, FIRST, 1).await;
    send(&hub, SECOND, 1).await;
    assert_eq!(next_event(&mut events).await.partition(), SECOND);
    idle().await;
    let theirs = thief.receive(NonZeroU32::MAX).await.expect("undisturbed");
    assert_eq!(theirs.len(), 2);

    let options = ReceiverOptions {
        owner_level: Some(9),
        ..ReceiverOptions::new(SECOND)
    };
    let _second = hub.consumer().open_receiver(options).await.expect("open");
    assert_eq!(next_error(&mut events).await.partition(), Some(SECOND));
    assert!(events.next().await.is_none(), "no partition is left");
}

#[tokio::test(start_paused = true)]
async fn after_a_theft_nothing_buffered_is_yielded() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 100).await;
    let mut events = open(&hub, earliest()).await;
    // The rest of its delivery is in the stream's hands, the others in the buffer.
    assert_eq!(next_event(&mut events).await.sequence_number(), 0);
    idle().await;
    assert_eq!(hub.delivered_count(), 100, "all of it is buffered");
    let _thief = intrude(&hub, Some(1)).await;
    idle().await;
    stolen(&next_error(&mut events).await);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_theft_is_noticed_while_there_is_no_room_for_events() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 100).await;
    let bound = NonZeroU32::new(10).expect("not zero");
    let mut events = open(&hub, earliest().with_prefetch_events(bound)).await;
    idle().await;
    assert!(hub.delivered_count() <= 10, "there is no room for more");
    let _thief = intrude(&hub, Some(1)).await;
    idle().await;
    stolen(&next_error(&mut events).await);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_higher_level_refuses_and_the_error_names_the_level_needed() {
    let hub = MemoryHub::new(2);
    let _holder = intrude(&hub, Some(5)).await;
    send(&hub, SECOND, 1).await;
    let policy = EpochPolicy::TakeOver { level: 4 };
    let mut events = open(&hub, earliest().with_policy(policy)).await;
    let (mut errors, mut read) = (Vec::new(), 0);
    for _ in 0..2 {
        match events.next().await.expect("goes on") {
            Ok(event) => read += i32::from(event.partition() == SECOND),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!((errors.len(), read), (1, 1));
    let ErrorKind::OwnershipRefused(conflict) = errors[0].kind() else {
        panic!("not refused: {:?}", errors[0]);
    };
    assert_eq!(conflict.least_winning_level(), Some(5));
    assert_eq!(
        errors[0].message(),
        "partition 0 is held by receiver 'intruder', at level 5; owner level 5 or higher would win it; the policy takes over at level 4 and no higher: it is given up"
    );
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_reader_without_a_level_is_explained_and_its_words_are_kept() {
    let hub = MemoryHub::new(1);
    let _holder = intrude(&hub, Some(0)).await;
    let mut events = open(&hub, earliest().with_policy(EpochPolicy::NonEpoch)).await;
    let error = next_error(&mut events).await;
    assert!(matches!(error.kind(), ErrorKind::OwnershipRefused(_)));
    assert!(
        error
            .message()
            .contains("owner level 0 or higher would win it")
    );
    assert_eq!(error.source().expect("kept").to_string(), NON_EPOCH_REFUSED);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn taking_over_displaces_owners_at_the_level_and_readers_without_one() {
    for level in [None, Some(0), Some(3)] {
        let hub = MemoryHub::new(1);
        let mut old = intrude(&hub, level).await;
        send(&hub, FIRST, 1).await;
        let policy = EpochPolicy::TakeOver { level: 3 };
        let mut events = open(&hub, earliest().with_policy(policy)).await;
        next_event(&mut events).await;
        stolen(&old.receive(NonZeroU32::MIN).await.expect_err("displaced"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_intruder_without_a_level_disturbs_nobody() {
    let hub = MemoryHub::new(1);
    let mut events = open(&hub, earliest()).await;
    idle().await;
    let options = ReceiverOptions::new(FIRST);
    let refused = hub.consumer().open_receiver(options).await;
    assert_eq!(refused.expect_err("refused").message(), NON_EPOCH_REFUSED);
    send(&hub, FIRST, 3).await;
    assert_eq!(numbers(&mut events, 3).await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_neither_loses_nor_repeats_an_event_and_keeps_the_generation() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 100).await;
    let mut events = open(&hub, earliest()).await;
    let first = next_event(&mut events).await;
    idle().await;
    hub.break_receivers(&disconnected());
    hub.fail_next_opens(3, disconnected());
    idle().await;
    let mut expected = 1;
    while expected < 100 {
        let event = next_event(&mut events).await;
        assert_eq!(event.sequence_number(), expected);
        assert_eq!(event.generation(), first.generation());
        expected += 1;
        if expected == 50 {
            hub.break_receivers(&disconnected());
            idle().await;
        }
    }
    assert!(hub.delivered_count() > 100, "the buffer was fetched again");
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_the_first_event_skips_nothing_after_the_latest() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 5).await;
    let mut events = open(&hub, EpochSafeConsumerOptions::default()).await;
    idle().await;
    hub.break_receivers(&disconnected());
    send(&hub, FIRST, 2).await;
    assert_eq!(numbers(&mut events, 2).await, [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_an_empty_partition_is_its_first_event() {
    let hub = MemoryHub::new(1);
    let mut events = open(&hub, EpochSafeConsumerOptions::default()).await;
    idle().await;
    send(&hub, FIRST, 2).await;
    assert_eq!(numbers(&mut events, 2).await, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_open_waits_as_the_service_asks() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 1).await;
    let retry_after = Duration::from_secs(30);
    let throttled = Error::new(ErrorKind::Throttled { retry_after }, "planted");
    hub.fail_next_opens(2, throttled);
    let started = Instant::now();
    let mut events = open(&hub, earliest()).await;
    next_event(&mut events).await;
    let waited = started.elapsed();
    let jitter = Duration::from_millis(800 + 1600 + 10);
    assert!((2 * retry_after..2 * retry_after + jitter).contains(&waited));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_no_wait_heals_ends_the_partition() {
    let hub = MemoryHub::new(1);
    hub.fail_next_opens(1, Error::new(ErrorKind::Unauthorized, "planted"));
    let mut events = open(&hub, earliest()).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.partition(), Some(FIRST));
    assert_eq!(
        error.message(),
        "partition 0 cannot be read any further: planted"
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_partition_taken_while_the_connection_was_broken_counts_as_stolen() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 10).await;
    let mut events = open(&hub, earliest()).await;
    next_event(&mut events).await;
    idle().await;
    hub.break_receivers(&disconnected());
    let _thief = intrude(&hub, Some(7)).await;
    // The partition is opened again, and refused, while nobody reads.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = next_error(&mut events).await;
    assert_eq!(stolen(&error).holder_level, Some(7));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_reader_stops_the_wire_at_the_bound_in_events() {
    let hub = MemoryHub::new(4);
    for partition in 0..4 {
        send(&hub, PartitionId::new(partition), 200).await;
    }
    let bound = NonZeroU32::new(100).expect("not zero");
    let mut events = open(&hub, earliest().with_prefetch_events(bound)).await;
    idle().await;
    for read in 0..300 {
        assert!(hub.delivered_count() <= 400 + read, "after {read} events");
        next_event(&mut events).await;
        idle().await;
    }
    let pulled = hub.delivered_count();
    assert!(pulled > 300, "there is something ahead of the reader");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(hub.delivered_count(), pulled, "nothing accumulates");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_reader_stops_the_wire_at_the_bound_in_bytes() {
    let hub = MemoryHub::new(2);
    for partition in [FIRST, SECOND] {
        send_sized(&hub, partition, 100, 100_000).await;
    }
    let bound = NonZeroUsize::new(4 << 20).expect("not zero");
    let mut events = open(&hub, earliest().with_prefetch_bytes(bound)).await;
    idle().await;
    for read in 0..200 {
        let held = (hub.delivered_count() - read) * 100_000;
        assert!(held <= 4 << 20, "{held} bytes held after {read} events");
        next_event(&mut events).await;
        idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_beyond_the_bound_in_bytes_come_one_at_a_time() {
    let hub = MemoryHub::new(1);
    send_sized(&hub, FIRST, 3, 5000).await;
    let bound = NonZeroUsize::new(100).expect("not zero");
    let mut events = open(&hub, earliest().with_prefetch_bytes(bound)).await;
    for read in 0..3 {
        idle().await;
        assert!(hub.delivered_count() <= read + 1);
        next_event(&mut events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn later_owners_have_higher_generations_and_nobody_has_none() {
    let hub = MemoryHub::new(2);
    send(&hub, FIRST, 1).await;
    let one = || earliest().with_partitions([FIRST]);
    let mut last = 0;
    for _ in 0..3 {
        let mut events = open(&hub, one()).await;
        assert!(!events.is_fencing());
        let generation = next_event(&mut events).await.generation();
        assert!(generation > last);
        last = generation;
    }
    let mut unowned = open(&hub, one().with_policy(EpochPolicy::NonEpoch)).await;
    assert_eq!(next_event(&mut unowned).await.generation(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_next_loses_no_event() {
    let hub = MemoryHub::new(1);
    let mut events = open(&hub, earliest()).await;
    for number in 0..20 {
        assert!(events.next().now_or_never().is_none());
        send(&hub, FIRST, 1).await;
        // Its pump has not run yet, and wakes a `next` that is gone.
        assert!(events.next().now_or_never().is_none());
        idle().await;
        assert_eq!(numbers(&mut events, 1).await, [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_it_closes_its_receivers() {
    let hub = MemoryHub::new(3);
    let events = open(&hub, earliest()).await;
    idle().await;
    assert_eq!(hub.receiver_count(), 3);
    drop(events);
    idle().await;
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_returns_once_every_receiver_is_closed() {
    let hub = MemoryHub::new(3);
    send(&hub, FIRST, 1000).await;
    let mut events = open(&hub, earliest()).await;
    next_event(&mut events).await;
    assert_eq!(hub.receiver_count(), 3);
    events.close().await.expect("closed");
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_ends_its_partition_and_no_other() {
    let hub = MemoryHub::new(2);
    send(&hub, SECOND, 1).await;
    let transport = Failing::new(&hub, || panic!("a planted panic"));
    let mut events = EpochSafeConsumer::open(transport, earliest())
        .await
        .expect("open");
    let error = next_error(&mut events).await;
    assert_eq!(error.partition(), Some(FIRST));
    assert_eq!(next_event(&mut events).await.partition(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_even_if_every_open_succeeds_and_reading_fails() {
    let hub = MemoryHub::new(1);
    let transport = Failing::new(&hub, disconnected);
    let mut events = EpochSafeConsumer::open(Arc::clone(&transport) as _, earliest())
        .await
        .expect("open");
    assert!(events.next().now_or_never().is_none());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let opened = transport.opened.load(Ordering::Relaxed);
    // Half a minute on average once the waits have grown: 120, not 9000.
    assert!((60..240).contains(&opened), "{opened} in an hour");
}
