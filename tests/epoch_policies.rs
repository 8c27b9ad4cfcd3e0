//! What each policy does about other receivers, on a paused clock.

#[path = "support/consuming.rs"]
mod consuming;

use std::num::NonZeroU32;
use std::time::Duration;

use consuming::{FIRST, earliest, intrude, next_error, next_event, seen, try_intrude};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, PartitionSnapshot, PartitionState,
};
use eventhubs_flow::transport::TransportReceiver;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, OwnershipLostReason};
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

const WAIT: Duration = Duration::from_secs(60);

async fn open(hub: &MemoryHub, policy: EpochPolicy) -> EpochSafeConsumer {
    let options = earliest().with_policy(policy).with_name("ours");
    consuming::open(hub, options).await
}

async fn send(hub: &MemoryHub) {
    consuming::send(hub, FIRST, 1).await;
}

async fn next_number(events: &mut EpochSafeConsumer) -> (i64, u64) {
    let event = next_event(events).await;
    (event.sequence_number(), event.generation())
}

async fn until(events: &EpochSafeConsumer, holds: impl Fn(&PartitionSnapshot) -> bool) {
    // A paused clock moves on while nothing else can run.
    while !holds(&seen(events)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Fails once displaced.
async fn ended(receiver: &mut Box<dyn TransportReceiver>) -> Error {
    receiver.ended().await
}

#[tokio::test(start_paused = true)]
async fn escalating_opens_at_the_level_of_a_holder_and_no_higher() {
    let hub = MemoryHub::new(1);
    let mut holder = intrude(&hub, Some(4)).await;
    send(&hub).await;
    let mut events = open(&hub, EpochPolicy::Escalate { from: 0, max: 9 }).await;
    next_number(&mut events).await;
    assert_eq!(seen(&events).owner_level, Some(4));
    assert!(matches!(
        ended(&mut holder).await.kind(),
        ErrorKind::OwnershipLost(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn escalating_gives_up_beyond_its_highest_level() {
    let hub = MemoryHub::new(1);
    let _holder = intrude(&hub, Some(5)).await;
    let mut events = open(&hub, EpochPolicy::Escalate { from: 0, max: 4 }).await;
    let error = next_error(&mut events).await;
    assert_eq!(seen(&events).owner.as_deref(), Some("intruder"));
    assert_eq!(
        error.message(),
        "partition 0 is held by receiver 'intruder', at level 5; owner level 5 or higher would win it; the policy escalates no higher than 4: it is given up"
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn escalating_takes_back_above_the_thief_after_a_wait_with_a_new_generation() {
    let hub = MemoryHub::new(1);
    let mut events = open(&hub, EpochPolicy::Escalate { from: 0, max: 9 }).await;
    send(&hub).await;
    let (_, first) = next_number(&mut events).await;
    let mut thief = intrude(&hub, Some(2)).await;
    let stolen = Instant::now();
    send(&hub).await;
    let (number, second) = next_number(&mut events).await;
    assert_eq!(number, 1, "right after the last event yielded");
    assert!(second > first);
    assert_eq!(seen(&events).owner_level, Some(3));
    assert_eq!(seen(&events).owner.as_deref(), Some("ours"));
    assert_eq!(seen(&events).thefts, 1);
    assert!(stolen.elapsed() >= Duration::from_secs(1), "not at once");
    ended(&mut thief).await;
}

#[tokio::test(start_paused = true)]
async fn a_war_of_two_that_escalate_slows_down_and_one_settles() {
    let hub = MemoryHub::new(1);
    let policy = EpochPolicy::Escalate { from: 0, max: 6 };
    let started = Instant::now();
    let mut first = open(&hub, policy).await;
    let mut second = open(&hub, policy).await;
    let loser = tokio::select! {
        error = next_error(&mut first) => error,
        error = next_error(&mut second) => error,
    };
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) = loser.kind() else {
        panic!("{loser:?}");
    };
    assert_eq!(conflict.holder_level, Some(6));
    assert!(
        loser
            .message()
            .contains("a level above 6, the policy's highest")
    );
    let thefts = seen(&first).thefts + seen(&second).thefts;
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    assert!(thefts >= 6, "{thefts}");
    assert!(
        thefts as f64 / minutes < 40.0,
        "{thefts} in {minutes} minutes"
    );
    // The other reads on, undisturbed.
    send(&hub).await;
    let winner = if seen(&first).state == PartitionState::Ended {
        &mut second
    } else {
        &mut first
    };
    next_number(winner).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(seen(winner).state, PartitionState::Reading);
}

#[tokio::test(start_paused = true)]
async fn thefts_are_forgotten_once_the_partition_was_read_in_peace() {
    let hub = MemoryHub::new(1);
    let events = open(&hub, EpochPolicy::Escalate { from: 0, max: 99 }).await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        until(&events, |now| now.state == PartitionState::Reading).await;
        // Long enough for two looks.
        tokio::time::sleep(Duration::from_secs(120)).await;
        let level = seen(&events).owner_level;
        let _thief = intrude(&hub, level).await;
        let stolen = Instant::now();
        until(&events, |now| now.owner_level > level).await;
        until(&events, |now| now.state == PartitionState::Reading).await;
        waits.push(stolen.elapsed());
    }
    let longest = waits.iter().max().expect("some");
    assert!(*longest < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_displaces_no_owner_and_takes_the_partition_once_it_is_released() {
    let hub = MemoryHub::new(1);
    let mut holder = intrude(&hub, Some(0)).await;
    send(&hub).await;
    let policy = EpochPolicy::WaitForRelease {
        level: 7,
        timeout: WAIT,
    };
    let mut events = open(&hub, policy).await;
    assert!(events.next().now_or_never().is_none());
    tokio::time::sleep(WAIT / 2).await;
    assert_eq!(seen(&events).state, PartitionState::Waiting);
    assert!(holder.ended().now_or_never().is_none(), "undisturbed");
    drop(holder);
    let released = Instant::now();
    next_number(&mut events).await;
    assert!(released.elapsed() <= Duration::from_secs(10));
    assert_eq!(seen(&events).owner_level, Some(7));
    assert_eq!(hub.receiver_count(), 1, "its looks are closed");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_time_out_and_names_who_has_the_partition() {
    let hub = MemoryHub::new(1);
    let _holder = intrude(&hub, Some(3)).await;
    let policy = EpochPolicy::WaitForRelease {
        level: 0,
        timeout: WAIT,
    };
    let started = Instant::now();
    let mut events = open(&hub, policy).await;
    let error = next_error(&mut events).await;
    let waited = started.elapsed();
    assert!((WAIT..WAIT + Duration::from_secs(1)).contains(&waited));
    assert_eq!(
        error.message(),
        "partition 0 is held by a receiver with an owner level, at level 3; owner level 3 or higher would win it; the policy waited 60s for its release: it is given up"
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn five_readers_without_a_level_are_no_owner() {
    let hub = MemoryHub::new(1);
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(intrude(&hub, None).await);
    }
    send(&hub).await;
    let policy = EpochPolicy::WaitForRelease {
        level: 0,
        timeout: WAIT,
    };
    let mut events = open(&hub, policy).await;
    next_number(&mut events).await;
    for reader in &mut readers {
        ended(reader).await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_escalating_takes_a_partition_back() {
    for policy in [
        EpochPolicy::TakeOver { level: 5 },
        EpochPolicy::WaitForRelease {
            level: 5,
            timeout: WAIT,
        },
        EpochPolicy::NonEpoch,
    ] {
        let hub = MemoryHub::new(1);
        let mut events = open(&hub, policy).await;
        send(&hub).await;
        next_number(&mut events).await;
        let mut thief = intrude(&hub, Some(5)).await;
        let error = next_error(&mut events).await;
        assert!(matches!(error.kind(), ErrorKind::OwnershipLost(_)));
        assert!(events.next().await.is_none());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let got = thief.receive(NonZeroU32::MIN).await.expect("undisturbed");
        assert_eq!(got.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_ours_before_a_fault_is_opened_again_by_one_that_waits() {
    let hub = MemoryHub::new(1);
    let policy = EpochPolicy::WaitForRelease {
        level: 0,
        timeout: WAIT,
    };
    let mut events = open(&hub, policy).await;
    send(&hub).await;
    next_number(&mut events).await;
    hub.break_receivers(&Error::new(ErrorKind::Disconnected, "planted"));
    send(&hub).await;
    assert_eq!(next_number(&mut events).await.0, 1);
    // Its level still keeps readers without one away.
    assert!(try_intrude(&hub, None).await.is_err());
}
