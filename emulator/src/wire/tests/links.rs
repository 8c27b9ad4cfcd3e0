//! Links: refusal, credit, windows, settlement, size.

use super::peer::*;
use crate::config::Config;
use crate::wire::error::condition;
use crate::wire::performative::{Attach, Detach, Disposition, Flow, Open, Performative, Role};
use crate::wire::value::Value;
use bytes::{Bytes, BytesMut};

/// The body of a delivered message: what follows its annotations.
fn body_of(payload: &Bytes) -> Bytes {
    Bytes::copy_from_slice(crate::service::first_body(payload))
}

/// Delivery id, whether it is settled, and body of the next delivery, which is one frame.
async fn delivery(peer: &mut Peer) -> (u32, bool, Bytes) {
    let frame = peer.frame().await;
    match read(&frame) {
        (Performative::Transfer(transfer), payload) => {
            assert!(!transfer.more);
            (
                transfer.delivery_id.unwrap(),
                transfer.settled.unwrap(),
                body_of(&payload),
            )
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_too_large_is_rejected_with_the_services_text_and_the_link_lives_on() {
    let config = Config {
        max_message_size: 100_000,
        ..Config::default()
    };
    let mut peer = Peer::connect(&config);
    peer.open(&open()).await;
    peer.begin(0, 100).await;
    let answer = peer.attach(attach(Role::Sender, "eh1/Partitions/0")).await;
    assert_eq!(answer.max_message_size, Some(100_000));
    assert_eq!((answer.role, answer.rcv_settle_mode), (Role::Receiver, 0));
    peer.flow().await;
    peer.transfer(0, &message(&[0; 150_000]), 60_000);
    peer.transfer(1, &message(b"fits"), 60_000);
    let frame = peer.frame().await;
    let Performative::Disposition(rejected) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(
        (rejected.first, rejected.last, rejected.settled),
        (0, Some(0), true)
    );
    let Value::Described(code, fields) = rejected.state else {
        panic!()
    };
    assert_eq!(*code, Value::Ulong(0x25));
    let Value::List(fields) = *fields else {
        panic!()
    };
    let error = fields[0].described_list().unwrap();
    assert_eq!(error[0].as_text(), Some("amqp:link:message-size-exceeded"));
    assert_eq!(
        error[1].as_text(),
        Some(
            "The received message (delivery-id:0, size:150008 bytes) exceeds the limit (100000 bytes) currently allowed on the link."
        )
    );
    let frame = peer.frame().await;
    let Performative::Disposition(accepted) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(
        (accepted.first, accepted.state),
        (1, Value::described(0x24, Value::List(vec![])))
    );
    let hub = peer.broker.namespace.hub("eh1").unwrap();
    assert_eq!(hub.event_count(), 1);
    assert_eq!(hub.metrics().user_errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_without_a_terminus_and_a_closing_detach_at_once() {
    let mut peer = Peer::ready().await;
    let answer = peer
        .attach(attach(
            Role::Receiver,
            "eh1/ConsumerGroups/none/Partitions/0",
        ))
        .await;
    assert_eq!(
        (answer.source, answer.initial_delivery_count),
        (Value::Null, None)
    );
    assert_eq!(peer.detached().await.1, condition::NOT_FOUND);
    // The same handle, without waiting for anything.
    let answer = peer.attach(attach(Role::Sender, "nowhere")).await;
    assert_eq!(answer.target, Value::Null);
    assert_eq!(peer.detached().await.1, condition::NOT_FOUND);
    peer.send(
        0,
        &Performative::Detach(crate::wire::performative::Detach {
            handle: 0,
            closed: true,
            error: None,
        }),
    );
    let answer = peer.attach(receiver()).await;
    assert_eq!(answer.initial_delivery_count, Some(0));
    assert_ne!(answer.source, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_handle_in_use_ends_the_session() {
    let mut peer = Peer::ready().await;
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Attach(Box::new(receiver())));
    let frame = peer.frame().await;
    let Performative::End(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::HANDLE_IN_USE);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_without_credit_and_no_more_than_it() {
    let mut peer = Peer::ready().await;
    store(&peer, &[b"a", b"b", b"c"]);
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(2)));
    assert_eq!(
        delivery(&mut peer).await,
        (0, false, Bytes::from_static(b"a"))
    );
    assert_eq!(
        delivery(&mut peer).await,
        (1, false, Bytes::from_static(b"b"))
    );
    // An echo is the next thing to come: no third delivery before it.
    peer.send(
        0,
        &Performative::Flow(Flow {
            echo: true,
            delivery_count: Some(2),
            ..credit(0)
        }),
    );
    let flow = peer.flow().await;
    assert_eq!((flow.delivery_count, flow.link_credit), (Some(2), Some(0)));
    // Credit that a client grants without having seen both deliveries counts from what it has seen.
    peer.send(
        0,
        &Performative::Flow(Flow {
            echo: true,
            delivery_count: Some(1),
            ..credit(1)
        }),
    );
    assert_eq!(peer.flow().await.link_credit, Some(0));
    peer.send(
        0,
        &Performative::Flow(Flow {
            delivery_count: Some(2),
            ..credit(1)
        }),
    );
    assert_eq!(delivery(&mut peer).await.2, "c");
}

#[tokio::test(start_paused = true)]
async fn a_drain_delivers_what_is_there_and_gives_the_rest_of_the_credit_back() {
    let mut peer = Peer::ready().await;
    store(&peer, &[b"a"]);
    peer.attach(receiver()).await;
    peer.send(
        0,
        &Performative::Flow(Flow {
            drain: true,
            ..credit(10)
        }),
    );
    assert_eq!(delivery(&mut peer).await.2, "a");
    let flow = peer.flow().await;
    assert_eq!(
        (flow.delivery_count, flow.link_credit, flow.drain),
        (Some(10), Some(0), true)
    );
    store(&peer, &[b"b"]);
    peer.send(
        0,
        &Performative::Flow(Flow {
            delivery_count: Some(10),
            ..credit(1)
        }),
    );
    assert_eq!(delivery(&mut peer).await.2, "b");
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_answered_where_the_credit_was_just_enough() {
    let mut peer = Peer::ready().await;
    store(&peer, &[b"a"]);
    peer.attach(receiver()).await;
    peer.send(
        0,
        &Performative::Flow(Flow {
            drain: true,
            ..credit(1)
        }),
    );
    assert_eq!(delivery(&mut peer).await.2, "a");
    let flow = peer.flow().await;
    assert_eq!(
        (flow.delivery_count, flow.link_credit, flow.drain),
        (Some(1), Some(0), true)
    );
}

#[tokio::test(start_paused = true)]
async fn deliveries_over_many_frames_respect_frame_size_and_session_window() {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&Open {
        max_frame_size: 1024,
        ..open()
    })
    .await;
    peer.begin(0, 3).await;
    let body: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
    store(&peer, &[&body]);
    peer.attach(receiver()).await;
    peer.send(
        0,
        &Performative::Flow(Flow {
            incoming_window: 3,
            ..credit(5)
        }),
    );
    let mut payload = BytesMut::new();
    let mut frames = 0;
    loop {
        let frame = peer.frame().await;
        assert!(frame.body.len() + 8 <= 1024);
        let (Performative::Transfer(transfer), part) = read(&frame) else {
            panic!("{frame:?}")
        };
        payload.extend_from_slice(&part);
        assert_eq!((transfer.delivery_id, transfer.handle), (Some(0), 0));
        frames += 1;
        if !transfer.more {
            break;
        }
        if frames % 3 == 0 {
            // The window is used up: an echo comes before any other frame does.
            let mut flow = Flow {
                next_incoming_id: Some(frames),
                incoming_window: 0,
                echo: true,
                ..credit(5)
            };
            flow.handle = None;
            peer.send(0, &Performative::Flow(flow));
            assert_eq!(peer.flow().await.next_outgoing_id, frames);
            peer.send(
                0,
                &Performative::Flow(Flow {
                    incoming_window: 3,
                    echo: false,
                    ..flow
                }),
            );
        }
    }
    assert_eq!(body_of(&payload.freeze()), body);
    assert_eq!(frames, 6);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_settled_deliveries_gets_them() {
    let mut peer = Peer::ready().await;
    store(&peer, &[b"a"]);
    peer.attach(Attach {
        snd_settle_mode: 1,
        ..receiver()
    })
    .await;
    peer.send(0, &Performative::Flow(credit(1)));
    assert_eq!(
        delivery(&mut peer).await,
        (0, true, Bytes::from_static(b"a"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_waits_to_be_settled_is_settled() {
    let mut peer = Peer::ready().await;
    store(&peer, &[b"a"]);
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(1)));
    delivery(&mut peer).await;
    let accepted = Value::described(0x24, Value::List(vec![]));
    let outcome = |settled| Disposition {
        role: Role::Receiver,
        first: 0,
        last: None,
        settled,
        state: accepted.clone(),
    };
    peer.send(0, &Performative::Disposition(outcome(true)));
    peer.send(0, &Performative::Disposition(outcome(false)));
    let frame = peer.frame().await;
    let Performative::Disposition(settled) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(
        settled,
        Disposition {
            role: Role::Sender,
            ..outcome(true)
        }
    );
}

#[tokio::test(start_paused = true)]
async fn senders_are_granted_more_before_they_run_out_and_stopped_beyond_it() {
    let mut peer = Peer::ready().await;
    peer.attach(attach(Role::Sender, "eh1/Partitions/0")).await;
    let credit = peer.flow().await.link_credit.unwrap();
    for id in 0..credit * 3 {
        peer.transfer(id, &message(b"x"), 100);
        let mut acknowledged = false;
        while !acknowledged {
            let frame = peer.frame().await;
            match read(&frame).0 {
                Performative::Disposition(_) => acknowledged = true,
                Performative::Flow(flow) => assert_eq!(flow.delivery_count, Some(id + 1)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(
        peer.broker.namespace.hub("eh1").unwrap().event_count(),
        u64::from(credit) * 3
    );
}

#[tokio::test(start_paused = true)]
async fn a_stolen_receiver_is_detached_and_gets_nothing_more() {
    let mut peer = Peer::ready().await;
    peer.begin(1, 10).await;
    peer.attach(receiver()).await;
    peer.send(0, &Performative::Flow(credit(100)));
    let epoch = (Value::symbol("com.microsoft:epoch"), Value::Int(0));
    let thief = Attach {
        handle: 1,
        properties: Value::Map(vec![epoch]),
        ..receiver()
    };
    peer.attach(thief).await;
    let (handle, condition, _) = peer.detached().await;
    assert_eq!((handle, condition.as_str()), (0, "amqp:link:stolen"));
    store(&peer, &[b"a"]);
    peer.send(
        0,
        &Performative::Flow(Flow {
            handle: Some(1),
            ..credit(1)
        }),
    );
    let frame = peer.frame().await;
    let (Performative::Transfer(transfer), _) = read(&frame) else {
        panic!("{frame:?}")
    };
    assert_eq!(transfer.handle, 1);
}

#[tokio::test(start_paused = true)]
async fn a_detach_is_answered_in_kind() {
    for closed in [false, true] {
        let mut peer = Peer::ready().await;
        peer.attach(receiver()).await;
        let detach = Performative::Detach(Detach {
            handle: 0,
            closed,
            error: None,
        });
        peer.send(0, &detach);
        let frame = peer.frame().await;
        match read(&frame).0 {
            Performative::Detach(answer) => assert_eq!(answer.closed, closed),
            other => panic!("{other:?}"),
        }
    }
}
