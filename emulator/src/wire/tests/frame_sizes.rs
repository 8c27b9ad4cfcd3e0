//! A peer that takes the smallest frames only is never sent a larger one: [`Peer::frame`] checks each.

use super::peer::*;
use crate::config::Config;
use crate::faults::{Fault, Faults, When};
use crate::wire::error::condition;
use crate::wire::performative::{Attach, Disposition, Open, Performative, Role};
use crate::wire::value::Value;
use std::sync::Arc;
use tokio::runtime::Handle;

const SMALLEST: u32 = 512;

fn small(hostname: &str) -> Open {
    Open {
        hostname: Some(hostname.to_owned()),
        max_frame_size: SMALLEST,
        ..open()
    }
}

async fn ready() -> Peer {
    let mut peer = Peer::connect(&Config::default());
    peer.open(&small("localhost")).await;
    peer.begin(0, 100).await;
    peer
}

fn long() -> String {
    "ä long text ".repeat(500)
}

async fn sender() -> Peer {
    let mut peer = ready().await;
    peer.attach(attach(Role::Sender, "eh1")).await;
    peer.flow().await;
    peer
}

/// What is left of [`long`] where it is told.
fn assert_cut(description: &str) {
    assert!(long().starts_with(description));
    assert!(description.len() > 300, "{} bytes", description.len());
}

#[tokio::test(start_paused = true)]
async fn a_host_name_is_echoed_unless_it_is_none() {
    for (name, echoed) in [("n".repeat(255), true), ("n".repeat(256), false)] {
        let mut peer = Peer::connect(&Config::default());
        let answer = peer.open(&small(&name)).await;
        assert_eq!(answer.hostname, echoed.then_some(name));
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_an_attach_tells_addresses_only_where_all_does_not_fit() {
    for (len, whole) in [(100, true), (1000, false)] {
        let mut peer = ready().await;
        let filter = Value::String("f".repeat(len));
        let source = Value::List(vec![Value::string("here"), Value::Null, filter]);
        let asked = Attach {
            source: Value::described(0x28, source),
            ..attach(Role::Sender, "eh1")
        };
        let answer = peer.attach(asked.clone()).await;
        let here = Value::described(0x28, Value::List(vec![Value::string("here")]));
        assert_eq!(answer.source, if whole { asked.source } else { here });
        assert_eq!(answer.target, asked.target);
        assert!(peer.flow().await.link_credit.unwrap() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attach_that_no_answer_could_fit_ends_its_session() {
    let mut peer = ready().await;
    let attach = Attach {
        name: "n".repeat(500),
        ..attach(Role::Sender, "eh1")
    };
    peer.send(0, &Performative::Attach(Box::new(attach)));
    let frame = peer.frame().await;
    let Performative::End(Some(error)) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(error.condition, condition::FRAME_SIZE_TOO_SMALL);
    assert!(error.description.contains("512 bytes"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn texts_of_refusals_are_cut() {
    let mut peer = ready().await;
    let refused = Attach {
        name: "n".to_owned(),
        ..attach(Role::Sender, &"h".repeat(250))
    };
    assert_eq!(peer.attach(refused).await.target, Value::Null);
    let (_, condition, text) = peer.detached().await;
    assert_eq!(condition, condition::NOT_FOUND);
    assert!(text.starts_with("The messaging entity 'sb://"), "{text}");
    assert!(!text.contains("Timestamp"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn texts_of_outcomes_sessions_and_connections_are_cut() {
    let rejected = Fault::reject("x:rejected", long());
    let ended = Fault::end_session(When::OnTransfer, "x:ended", long());
    let closed = Fault::close_connection(When::OnTransfer, "x:closed", long());
    for fault in [rejected, ended, closed] {
        let mut peer = sender().await;
        let faults = Faults::new(Arc::clone(&peer.broker.faults), Handle::current());
        let _guard = faults.inject(fault);
        peer.transfer(0, &message(b"x"), 100);
        let frame = peer.frame().await;
        match read(&frame).0 {
            Performative::Disposition(disposition) => {
                let error = &disposition.state.described_list().unwrap()[0];
                let [condition, description, _] = error.described_list().unwrap() else {
                    panic!("{error:?}")
                };
                assert_eq!(condition.as_text(), Some("x:rejected"));
                assert_cut(description.as_text().unwrap());
            }
            Performative::End(Some(error)) | Performative::Close(Some(error)) => {
                assert!(["x:ended", "x:closed"].contains(&&*error.condition));
                assert_cut(&error.description);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_too_large_to_be_told_back_goes_without_saying() {
    let mut peer = ready().await;
    let state = Value::described(0x24, Value::List(vec![Value::String(long())]));
    let outcome = Disposition {
        role: Role::Receiver,
        first: 3,
        last: Some(4),
        settled: false,
        state,
    };
    peer.send(0, &Performative::Disposition(outcome.clone()));
    let frame = peer.frame().await;
    let Performative::Disposition(settled) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    let expected = Disposition {
        role: Role::Sender,
        settled: true,
        state: Value::Null,
        ..outcome
    };
    assert_eq!(settled, expected);
}
