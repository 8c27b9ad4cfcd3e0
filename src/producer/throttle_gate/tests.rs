//! The gate: its table, and on the paused clock what those see who wait at it.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::state::{Closed, Fate, State, Ticket};
use super::{Pass, ThrottleGate};
use crate::partition::Target;

const WAIT: Duration = Duration::from_secs(4);
const MOMENT: Duration = Duration::from_millis(1);

fn go(state: &mut State, partition: u32, now: Instant) -> Ticket {
    assert_eq!(state.closed(Some(partition), now), None);
    state.ask(Some(partition), now).expect("it may go")
}

/// Waits as a producer does.
async fn pass(gate: &ThrottleGate, partition: u32) -> Pass {
    loop {
        if let Some(pass) = gate.try_pass(partition) {
            return pass;
        }
        gate.wait(partition).await;
    }
}

#[test]
fn a_refused_partition_pauses_alone() {
    let (mut state, now) = (State::default(), Instant::now());
    let ticket = go(&mut state, 0, now);
    assert!(state.tell(ticket, Fate::Throttled(WAIT), now));
    assert_eq!(state.ask(Some(0), now), Err(Closed::Until(now + WAIT)));
    let other = go(&mut state, 1, now);
    assert!(!state.tell(other, Fate::Accepted, now), "nobody waited");
    assert_eq!(state.paused_for(Some(0), now), Some(WAIT));
    assert_eq!(state.paused_for(Some(1), now), None);
}

#[test]
fn a_second_partition_refused_within_the_wait_pauses_all() {
    let (mut state, now) = (State::default(), Instant::now());
    state.refuse(Some(0), WAIT, now);
    state.refuse(Some(1), WAIT, now + MOMENT);
    let until = now + MOMENT + WAIT;
    for partition in 0..4 {
        assert_eq!(
            state.ask(Some(partition), now + WAIT),
            Err(Closed::Until(until))
        );
    }
    assert_eq!(state.ask(None, now), Err(Closed::Until(until)));
}

#[test]
fn a_second_partition_refused_after_the_wait_pauses_alone() {
    let (mut state, now) = (State::default(), Instant::now());
    state.refuse(Some(0), WAIT, now);
    state.refuse(Some(1), WAIT, now + WAIT);
    go(&mut state, 2, now + WAIT);
}

#[test]
fn the_same_partition_refused_twice_pauses_alone_and_for_the_longer_wait() {
    let (mut state, now) = (State::default(), Instant::now());
    state.refuse(Some(0), WAIT, now);
    state.refuse(Some(0), MOMENT, now);
    assert_eq!(state.ask(Some(0), now), Err(Closed::Until(now + WAIT)));
    go(&mut state, 1, now);
}

#[test]
fn a_refusal_by_the_gateway_pauses_all() {
    let (mut state, now) = (State::default(), Instant::now());
    state.refuse(None, WAIT, now);
    assert_eq!(state.ask(Some(3), now), Err(Closed::Until(now + WAIT)));
}

/// All partitions paused until then, and the wait over.
fn reopening() -> (State, Instant) {
    let (mut state, now) = (State::default(), Instant::now());
    state.refuse(None, WAIT, now);
    (state, now + WAIT)
}

#[test]
fn after_the_wait_one_batch_probes_and_the_rest_go_once_it_is_accepted() {
    let (mut state, now) = reopening();
    let probe = go(&mut state, 0, now);
    for partition in 0..4 {
        assert_eq!(state.ask(Some(partition), now), Err(Closed::Probing));
    }
    assert!(state.tell(probe, Fate::Accepted, now));
    for partition in 0..4 {
        let ticket = go(&mut state, partition, now);
        assert!(!state.tell(ticket, Fate::Accepted, now));
    }
}

#[test]
fn a_refused_probe_pauses_all_again() {
    let (mut state, now) = reopening();
    let probe = go(&mut state, 0, now);
    assert!(state.tell(probe, Fate::Throttled(WAIT), now));
    assert_eq!(state.ask(Some(1), now), Err(Closed::Until(now + WAIT)));
}

#[test]
fn a_probe_that_learned_nothing_is_followed_by_another() {
    let (mut state, now) = reopening();
    let probe = go(&mut state, 0, now);
    assert!(state.tell(probe, Fate::Other, now));
    let second = go(&mut state, 1, now);
    assert_eq!(state.ask(Some(2), now), Err(Closed::Probing));
    assert!(state.tell(second, Fate::Accepted, now));
    go(&mut state, 2, now);
}

#[test]
fn an_accepted_batch_of_before_opens_nothing() {
    let (mut state, now) = (State::default(), Instant::now());
    let before = go(&mut state, 0, now);
    state.refuse(None, WAIT, now);
    assert!(!state.tell(before, Fate::Accepted, now));
    assert_eq!(state.ask(Some(0), now), Err(Closed::Until(now + WAIT)));
}

#[test]
fn a_probe_accepted_late_does_not_end_the_pause_that_came_meanwhile() {
    let (mut state, now) = reopening();
    let probe = go(&mut state, 0, now);
    state.refuse(None, WAIT, now);
    state.tell(probe, Fate::Accepted, now);
    assert_eq!(state.ask(Some(0), now), Err(Closed::Until(now + WAIT)));
}

#[test]
fn open_partitions_take_no_memory() {
    let (mut state, now) = (State::default(), Instant::now());
    for partition in 0..1000 {
        state.refuse(Some(partition), WAIT, now);
    }
    for partition in 0..1000 {
        let ticket = go(&mut state, partition, now + WAIT);
        state.tell(ticket, Fate::Accepted, now + WAIT);
    }
    // Each of them was paused once, and so were all.
    let open = "State { all: Open, partitions: {}, pauses: 1001 }";
    assert_eq!(format!("{state:?}"), open);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_send_one_probe_per_wait_and_go_together_once_it_is_accepted() {
    let gate = ThrottleGate::new();
    let start = Instant::now();
    gate.refused(&Target::Any, WAIT);
    let (mut probes, mut gone) = (Vec::new(), 0);
    let mut waiting: futures::stream::FuturesUnordered<_> =
        (0..32).map(|partition| pass(&gate, partition)).collect();
    while let Some(pass) = futures::StreamExt::next(&mut waiting).await {
        let now = start.elapsed();
        if now < 3 * WAIT {
            probes.push(now);
            pass.throttled(WAIT);
        } else {
            gone += 1;
            pass.accepted();
        }
    }
    assert_eq!((probes.len(), gone), (2, 30), "{probes:?}");
    for pair in probes.windows(2) {
        assert!(pair[1] - pair[0] >= WAIT, "{probes:?}");
    }
    assert!(start.elapsed() < 4 * WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_sender_gives_up_lets_the_next_one_go() {
    let gate = ThrottleGate::new();
    gate.refused(&Target::Any, WAIT);
    let probe = pass(&gate, 0).await;
    let mut next = std::pin::pin!(pass(&gate, 1));
    assert!(next.as_mut().now_or_never().is_none());
    drop(probe);
    assert!(next.now_or_never().is_some(), "without a further wait");
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_is_passed_at_once() {
    let gate = ThrottleGate::new();
    for partition in 0..3 {
        gate.try_pass(partition).unwrap().accepted();
    }
    gate.refused(&Target::Partition(1.into()), WAIT);
    assert!(gate.try_pass(0).is_some());
    assert!(gate.try_pass(1).is_none());
    assert!(gate.paused_for(1.into()).unwrap() >= WAIT);
    assert_eq!(gate.paused_for(0.into()), None);
}
