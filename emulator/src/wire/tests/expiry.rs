//! Links end with their tokens, by a paused clock.

use super::peer::*;
use crate::config::Config;
use crate::wire::encode;
use crate::wire::performative::{Attach, Flow, Performative, Role};
use crate::wire::value::Value;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, BytesMut};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const EVENTS: u32 = 2;

/// A client with links to and from `$cbs`, which has proved nothing yet.
async fn stranger() -> Peer {
    let mut peer = Peer::connect(&Config {
        accept_jwts: true,
        ..Config::default()
    });
    peer.io.output.put_slice(AMQP);
    peer.send(0, &Performative::Open(open()));
    peer.io.header().await.unwrap();
    peer.frame().await; // open
    peer.begin(0, 1000).await;
    peer.attach(attach(Role::Sender, "$cbs")).await;
    peer.flow().await;
    peer.attach(Attach {
        handle: 1,
        ..attach(Role::Receiver, "$cbs")
    })
    .await;
    peer
}

/// Puts a token for `eh1` that expires so many seconds after the start.
async fn put(peer: &mut Peer, delivery_id: u32, expiry: i64) {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(
        r#"{{"aud":"https://eventhubs.azure.net","exp":{}}}"#,
        UNIX_SECONDS + expiry
    );
    let token = format!("{}.{}.c2ln", encode(r#"{"alg":"x"}"#), encode(&claims));
    let mut request = BytesMut::new();
    encode::descriptor(&mut request, 0x74);
    let property = |name, text| (Value::string(name), Value::string(text));
    Value::Map(vec![
        property("operation", "put-token"),
        property("type", "jwt"),
        property("name", "sb://localhost/eh1"),
    ])
    .encode(&mut request);
    encode::descriptor(&mut request, 0x77);
    Value::string(&token).encode(&mut request);
    peer.transfer(delivery_id, &request, request.len());
    let frame = peer.frame().await;
    let answered = read(&frame).0;
    assert!(
        matches!(answered, Performative::Disposition(_)),
        "{answered:?}"
    );
}

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
    let mut peer = stranger().await;
    put(&mut peer, 0, 10).await;
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
    let mut peer = stranger().await;
    put(&mut peer, 0, 10).await;
    receive(&mut peer).await;
    sleep_until(start + Duration::from_secs(9)).await;
    put(&mut peer, 1, 25).await;
    let (handle, ..) = peer.detached().await;
    assert_eq!(handle, EVENTS);
    assert_eq!(start.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_later_by_far_is_waited_for() {
    let start = Instant::now();
    let mut peer = stranger().await;
    put(&mut peer, 0, 3 * 60 * 60).await;
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
