//! What is not used ends, by a paused clock.

use super::peer::*;
use crate::config::Config;
use crate::wire::frame;
use crate::wire::performative::{Attach, Disposition, Flow, Performative, Role};
use crate::wire::value::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

const LINK: Duration = Duration::from_secs(30 * 60);
const CONNECTION: Duration = Duration::from_secs(5 * 60);

/// The next frame; the client keeps its connection alive meanwhile.
async fn frame_heartbeating(peer: &mut Peer) -> frame::Frame {
    loop {
        frame::write_heartbeat(&mut peer.io.output);
        if let Ok(frame) = timeout(Duration::from_secs(60), peer.frame()).await {
            return frame;
        }
    }
}

async fn heartbeat_until(peer: &mut Peer, end: Instant) {
    while Instant::now() < end {
        frame::write_heartbeat(&mut peer.io.output);
        peer.io.flush().await.unwrap();
        sleep_until(end.min(Instant::now() + Duration::from_secs(60))).await;
    }
}

async fn detached(peer: &mut Peer) -> (u32, String, String) {
    match read(&frame_heartbeating(peer).await).0 {
        Performative::Detach(detach) if detach.closed => {
            let error = detach.error.unwrap();
            (
                detach.handle,
                error.condition.into_owned(),
                error.description,
            )
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_unused_for_half_an_hour_is_detached_and_not_before() {
    let start = Instant::now();
    let mut peer = Peer::ready().await;
    peer.attach(attach(Role::Sender, "eh1")).await;
    peer.flow().await;
    let used = start + Duration::from_secs(20 * 60);
    heartbeat_until(&mut peer, used).await;
    peer.transfer(0, &message(b"x"), 100);
    peer.frame().await; // the outcome
    let (handle, condition, text) = detached(&mut peer).await;
    assert_eq!((handle, condition.as_str()), (0, "amqp:link:detach-forced"));
    assert_eq!(used.elapsed().as_secs(), LINK.as_secs());
    let expected = "The link '<G0:0:Sender eh1>' is force detached by the broker due to errors occurred in \
                    publisher(link40644). Detach origin: AmqpEventHubPublisher.IdleTimerExpired: Idle timeout: \
                    00:30:00. TrackingId:";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_idle_only_once_it_has_no_credit() {
    let mut peer = Peer::ready().await;
    peer.attach(Attach {
        handle: 1,
        ..receiver()
    })
    .await;
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(1)));
    let (handle, condition, text) = detached(&mut peer).await;
    assert_eq!((handle, condition.as_str()), (1, "amqp:link:detach-forced"));
    assert!(
        text.contains("AmqpEventHubConsumer.IdleTimerExpired"),
        "{text}"
    );
    let hub = peer.broker.namespace.hub("eh1").unwrap();
    assert_eq!(hub.receivers().len(), 1, "its place is free");
    let more = timeout(3 * LINK, frame_heartbeating(&mut peer)).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_links_of_cbs_only_is_closed_after_five_minutes() {
    let start = Instant::now();
    let mut peer = Peer::ready().await;
    peer.attach(attach(Role::Sender, "$cbs")).await;
    peer.flow().await;
    let frame = frame_heartbeating(&mut peer).await;
    let Performative::Close(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}");
    };
    assert_eq!(error.condition, "amqp:connection:forced");
    assert_eq!(start.elapsed().as_secs(), CONNECTION.as_secs());
    let said = "did not have any active links in the past 300000 milliseconds. TrackingId:";
    assert!(error.description.contains(said), "{}", error.description);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_five_minutes_after_its_last_link_went() {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&open()).await;
    peer.begin(0, 1000).await;
    peer.attach(attach(Role::Sender, "eh1")).await;
    peer.flow().await;
    detached(&mut peer).await;
    let gone = Instant::now();
    let frame = frame_heartbeating(&mut peer).await;
    assert!(
        matches!(read(&frame).0, Performative::Close(Some(_))),
        "{frame:?}"
    );
    assert_eq!(gone.elapsed().as_secs(), CONNECTION.as_secs());
}

/// A client with receivers at handles 0 and 1; the event that there is has gone over the first. None has credit.
async fn two_receivers() -> Peer {
    let mut peer = Peer::ready().await;
    peer.attach(Attach {
        handle: 1,
        ..receiver()
    })
    .await;
    peer.attach(receiver()).await;
    store(&peer, &[b"x"]);
    peer.send(0, &Performative::Flow(credit(1)));
    peer.frame().await; // the event
    peer
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_settles_is_in_use_and_its_neighbour_is_not() {
    let start = Instant::now();
    let mut peer = two_receivers().await;
    let settled = start + Duration::from_secs(20 * 60);
    heartbeat_until(&mut peer, settled).await;
    let outcome = Disposition {
        role: Role::Receiver,
        first: 0,
        last: None,
        settled: true,
        state: Value::Null,
    };
    peer.send(0, &Performative::Disposition(outcome));
    assert_eq!(detached(&mut peer).await.0, 1);
    assert_eq!(start.elapsed().as_secs(), LINK.as_secs());
    assert_eq!(detached(&mut peer).await.0, 0);
    assert_eq!(settled.elapsed().as_secs(), LINK.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_flow_for_a_link_is_use_even_if_it_grants_nothing() {
    let start = Instant::now();
    let mut peer = two_receivers().await;
    let said = start + Duration::from_secs(20 * 60);
    heartbeat_until(&mut peer, said).await;
    let flow = Flow {
        link_credit: None,
        ..credit(0)
    };
    peer.send(0, &Performative::Flow(flow));
    assert_eq!(detached(&mut peer).await.0, 1);
    assert_eq!(detached(&mut peer).await.0, 0);
    assert_eq!(said.elapsed().as_secs(), LINK.as_secs());
}
