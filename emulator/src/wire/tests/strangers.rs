//! What a client may hold before it has shown a key or put a valid token, and after.

use super::peer::*;
use crate::wire::error::condition;
use crate::wire::frame::{self, FrameKind};
use crate::wire::performative::{Attach, Performative, Role, Transfer};
use bytes::BufMut;

const SESSIONS: u16 = 16;
const LINKS: u32 = 32;
const HELD: usize = 1024 * 1024;

/// Begins the sessions after the first, up to so many.
async fn begin_sessions(peer: &mut Peer, count: u16) {
    for channel in 1..count {
        peer.begin(channel, 10).await;
    }
}

/// Begins deliveries on as many new links, from this handle on, as it takes to hold more than a stranger may.
async fn hold_too_much(peer: &mut Peer) {
    const PART: usize = 60_000;
    for handle in (2..).take(HELD / PART + 1) {
        peer.attach(Attach {
            handle,
            name: format!("cbs {handle}"),
            ..attach(Role::Sender, "$cbs")
        })
        .await;
        peer.flow().await;
        let transfer = Transfer {
            handle,
            more: true,
            ..transfer(100 + handle)
        };
        frame::write(&mut peer.io.output, FrameKind::Amqp, 0, |out| {
            transfer.encode(out);
            out.put_bytes(0, PART);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_few_sessions() {
    let mut peer = Peer::stranger().await;
    begin_sessions(&mut peer, SESSIONS).await;
    peer.send(SESSIONS, &begin(10));
    let (condition, text) = peer.closed().await;
    assert_eq!(condition, condition::RESOURCE_LIMIT_EXCEEDED);
    assert!(text.contains("no valid token"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_few_links_refused_ones_included() {
    let mut peer = Peer::stranger().await;
    for handle in 2..LINKS {
        peer.attach(Attach {
            handle,
            ..receiver()
        })
        .await;
        assert_eq!(peer.detached().await.1, "amqp:unauthorized-access");
    }
    let one_more = Attach {
        handle: LINKS,
        ..receiver()
    };
    peer.send(0, &Performative::Attach(Box::new(one_more)));
    let frame = peer.frame().await;
    let Performative::End(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::RESOURCE_LIMIT_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_a_mebibyte_for_deliveries_that_are_not_complete() {
    let mut peer = Peer::stranger().await;
    hold_too_much(&mut peer).await;
    assert_eq!(peer.closed().await.0, condition::RESOURCE_LIMIT_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_lifts_the_limits_for_as_long_as_the_connection_lives() {
    let mut peer = Peer::stranger().await;
    peer.put_token(0, 10).await;
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    begin_sessions(&mut peer, SESSIONS + 1).await;
    hold_too_much(&mut peer).await;
    for handle in 100..100 + LINKS {
        peer.attach(Attach {
            handle,
            ..receiver()
        })
        .await;
        peer.detached().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_leaves_a_stranger_what_it_was() {
    let mut peer = Peer::stranger().await;
    peer.put_token(0, -1).await;
    begin_sessions(&mut peer, SESSIONS).await;
    peer.send(SESSIONS, &begin(10));
    assert_eq!(peer.closed().await.0, condition::RESOURCE_LIMIT_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_signed_in_with_a_key_is_no_stranger() {
    let mut peer = Peer::ready().await;
    begin_sessions(&mut peer, SESSIONS + 1).await;
}
