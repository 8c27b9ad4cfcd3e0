//! Links end with their tokens, by a paused clock.

use super::peer::*;
use crate::wire::performative::{Attach, Flow, Performative};
use crate::wire::value::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const EVENTS: u32 = 2;

async fn receive(peer: &mut Peer) {
    let answer = peer
        .attach(Attach {
            handle: EVENTS,
            ..receiver()
        })
        .await;
    assert_ne!(answer.source, Value::Null);
    // Without credit it would be idle.
    peer.send(
        0,
        &Performative::Flow(Flow {
            handle: Some(EVENTS),
            ..credit(1)
        }),
    );
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_in_the_second_in_which_its_token_expires() {
    let start = Instant::now();
    let mut peer = Peer::stranger().await;
    peer.put_token(0, 10).await;
    receive(&mut peer).await;
    let (handle, condition, text) = peer.detached().await;
    assert_eq!(
        (handle, condition.as_str()),
        (EVENTS, "amqp:unauthorized-access")
    );
    assert!(
        text.starts_with("Unauthorized access. 'Listen' claim(s)"),
        "{text}"
    );
    assert_eq!(start.elapsed().as_secs(), 10);
    let hub = peer.broker.namespace.hub("eh1").unwrap();
    assert!(hub.receivers().is_empty(), "its place is free");
}

#[tokio::test(start_paused = true)]
async fn a_renewed_token_carries_a_link_on_until_it_expires_in_turn() {
    let start = Instant::now();
    let mut peer = Peer::stranger().await;
    peer.put_token(0, 10).await;
    receive(&mut peer).await;
    sleep_until(start + Duration::from_secs(9)).await;
    peer.put_token(1, 25).await;
    let (handle, ..) = peer.detached().await;
    assert_eq!(handle, EVENTS);
    assert_eq!(start.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_later_by_far_is_waited_for() {
    let start = Instant::now();
    let mut peer = Peer::stranger().await;
    peer.put_token(0, 3 * 60 * 60).await;
    receive(&mut peer).await;
    let (handle, ..) = loop_heartbeats(&mut peer).await;
    assert_eq!(handle, EVENTS);
    assert_eq!(start.elapsed().as_secs(), 3 * 60 * 60);
}

/// Waits for the detach, and keeps the connection alive meanwhile.
async fn loop_heartbeats(peer: &mut Peer) -> (u32, String, String) {
    loop {
        crate::wire::frame::write_heartbeat(&mut peer.io.output);
        let minute = tokio::time::timeout(Duration::from_secs(60), peer.detached());
        if let Ok(detached) = minute.await {
            return detached;
        }
    }
}
