//! Faults as a bare peer sees them, frame by frame, on the paused clock.

use super::peer::*;
use crate::faults::{Fault, FaultGuard, Faults, When};
use crate::wire::performative::{Disposition, Performative, Role};
use crate::wire::value::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

const PARTITION: &str = "eh1/Partitions/0";

fn inject(peer: &Peer, fault: Fault) -> FaultGuard {
    Faults::new(Arc::clone(&peer.broker.faults), Handle::current()).inject(fault)
}

async fn sender() -> Peer {
    let mut peer = Peer::ready().await;
    peer.attach(attach(Role::Sender, PARTITION)).await;
    peer.flow().await;
    peer
}

/// The next outcome: its delivery and its code.
async fn outcome(peer: &mut Peer) -> (u32, u64) {
    let frame = peer.frame().await;
    match read(&frame).0 {
        Performative::Disposition(Disposition {
            first,
            state: Value::Described(code, _),
            ..
        }) => match *code {
            Value::Ulong(code) => (first, code),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn stored(peer: &Peer) -> u64 {
    peer.broker.namespace.hub("eh1").unwrap().event_count()
}

#[tokio::test(start_paused = true)]
async fn a_delayed_outcome_is_told_to_the_millisecond_after_the_one_behind_it() {
    let mut peer = sender().await;
    let delay = Duration::from_secs(7);
    let guard = inject(&peer, Fault::delay_outcomes(delay).times(1));
    let began = Instant::now();
    peer.transfer(0, &message(b"late"), 100);
    peer.transfer(1, &message(b"now"), 100);
    assert_eq!(outcome(&mut peer).await, (1, 0x24));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(outcome(&mut peer).await, (0, 0x24));
    // Timers are as fine as a millisecond.
    assert_eq!(began.elapsed().as_secs(), 7);
    assert_eq!(guard.struck(), 1);
}

#[tokio::test(start_paused = true)]
async fn held_outcomes_come_when_the_time_of_the_fault_is_over() {
    let mut peer = sender().await;
    let guard = inject(
        &peer,
        Fault::hold_outcomes().lasting(Duration::from_secs(9)),
    );
    let began = Instant::now();
    peer.transfer(0, &message(b"a"), 100);
    assert_eq!(outcome(&mut peer).await, (0, 0x24));
    assert_eq!(began.elapsed().as_secs(), 9);
    assert_eq!(guard.struck(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_tells_the_outcomes_before_it_and_says_no_goodbye() {
    let mut peer = sender().await;
    let guard = inject(&peer, Fault::drop_connection(When::AfterStoring).after(1));
    peer.transfer(0, &message(b"a"), 100);
    peer.transfer(1, &message(b"b"), 100);
    assert_eq!(outcome(&mut peer).await, (0, 0x24));
    // Neither an outcome nor a close: the bytes end.
    assert!(peer.io.frame().await.is_err());
    assert_eq!((guard.struck(), stored(&peer)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_lowered_message_size_is_enforced() {
    let mut peer = Peer::ready().await;
    let guard = inject(&peer, Fault::max_message_size(50));
    let answer = peer.attach(attach(Role::Sender, PARTITION)).await;
    assert_eq!(answer.max_message_size, Some(50));
    peer.flow().await;
    peer.transfer(0, &message(&[0; 60]), 100);
    assert_eq!(outcome(&mut peer).await, (0, 0x25));
    peer.transfer(1, &message(&[0; 40]), 100);
    assert_eq!(outcome(&mut peer).await, (1, 0x24));
    assert_eq!((guard.struck(), stored(&peer)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn credit_is_taken_back_and_granted_again_and_what_was_under_way_is_taken() {
    let mut peer = sender().await;
    let guard = inject(&peer, Fault::withhold_credit());
    assert_eq!(peer.flow().await.link_credit, Some(0));
    peer.transfer(0, &message(b"under way"), 100);
    assert_eq!(outcome(&mut peer).await, (0, 0x24));
    assert_eq!(guard.struck(), 1);
    guard.heal();
    let flow = peer.flow().await;
    assert_eq!(
        (flow.delivery_count, flow.link_credit),
        (Some(1), Some(1000))
    );
}

#[tokio::test(start_paused = true)]
async fn credit_granted_before_a_delayed_attach_is_answered_still_counts() {
    let mut peer = sender().await;
    peer.transfer(0, &message(b"a"), 100);
    assert_eq!(outcome(&mut peer).await, (0, 0x24));
    let delay = Duration::from_secs(3);
    let guard = inject(&peer, Fault::delay_attach(delay).receivers());
    let began = Instant::now();
    let mut receiver = receiver();
    receiver.handle = 1;
    peer.send(0, &Performative::Attach(Box::new(receiver)));
    let mut credit = credit(10);
    credit.handle = Some(1);
    peer.send(0, &Performative::Flow(credit));
    let frame = peer.frame().await;
    assert!(
        matches!(read(&frame).0, Performative::Attach(_)),
        "{frame:?}"
    );
    assert_eq!(began.elapsed().as_secs(), 3);
    let frame = peer.frame().await;
    assert!(
        matches!(read(&frame).0, Performative::Transfer(_)),
        "{frame:?}"
    );
    assert_eq!(guard.struck(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_session_with_a_link_in_the_scope_is_ended_once() {
    let mut peer = sender().await;
    peer.begin(1, 100).await;
    let mut second = attach(Role::Sender, PARTITION);
    second.handle = 1;
    peer.attach(second).await;
    peer.flow().await;
    let guard = inject(
        &peer,
        Fault::end_session(When::Now, "test:ended", "x").senders(),
    );
    let frame = peer.frame().await;
    assert_eq!(frame.channel, 0);
    assert!(
        matches!(read(&frame).0, Performative::End(Some(_))),
        "{frame:?}"
    );
    assert_eq!(guard.struck(), 1);
    // The other session is none of its concern.
    peer.send(1, &attach_on_one());
    let frame = peer.frame().await;
    assert_eq!(frame.channel, 1);
    assert!(
        matches!(read(&frame).0, Performative::Attach(_)),
        "{frame:?}"
    );
}

fn attach_on_one() -> Performative<'static> {
    Performative::Attach(Box::new(attach(Role::Sender, PARTITION)))
}
