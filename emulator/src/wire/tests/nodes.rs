//! What waits for the client of a node is bounded, and an honest client loses none of it.

use super::peer::*;
use crate::config::{Config, HubConfig};
use crate::wire::encode;
use crate::wire::error::condition;
use crate::wire::performative::{Attach, Disposition, Flow, Performative, Role};
use crate::wire::value::Value;
use bytes::BytesMut;

const ANSWERS: u32 = 1;

/// A client with links to and from a node, of a namespace whose hub has 1024 partitions.
async fn asker(node: &str) -> Peer {
    let mut peer = Peer::connect(&Config {
        hubs: vec![HubConfig::new("eh1").with_partitions(1024)],
        ..Config::default()
    });
    peer.open(&open()).await;
    peer.begin(0, 100_000).await;
    peer.attach(attach(Role::Sender, node)).await;
    peer.flow().await;
    peer.attach(Attach {
        handle: ANSWERS,
        ..attach(Role::Receiver, node)
    })
    .await;
    peer
}

/// A question whose answer names all partitions.
fn question(message_id: &Value) -> BytesMut {
    let mut request = BytesMut::new();
    encode::descriptor(&mut request, 0x73);
    encode::list(&mut request, 1, |out| message_id.encode(out));
    encode::descriptor(&mut request, 0x74);
    let property = |name, text| (Value::string(name), Value::string(text));
    Value::Map(vec![
        property("operation", "READ"),
        property("type", "com.microsoft:eventhub"),
        property("name", "eh1"),
    ])
    .encode(&mut request);
    request
}

/// What an outcome says: so many deliveries, and the condition under which they were rejected.
fn outcome(disposition: &Disposition) -> (u32, Option<String>) {
    let count = disposition.last.unwrap() - disposition.first + 1;
    let fields = disposition.state.described_list().unwrap();
    let error = fields.first().and_then(Value::described_list);
    let condition = error.and_then(|error| error[0].as_text());
    (count, condition.map(str::to_owned))
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_are_a_mebibyte_at_most_and_then_requests_are_refused() {
    const ASKED: u32 = 400;
    let mut peer = asker("$management").await;
    for id in 0..ASKED {
        peer.transfer(id, &question(&Value::Ulong(id.into())), 1000);
    }
    let (mut accepted, mut refused) = (0, 0);
    while accepted + refused < ASKED {
        let frame = peer.frame().await;
        let Performative::Disposition(disposition) = read(&frame).0 else {
            panic!("{frame:?}")
        };
        match outcome(&disposition) {
            (count, None) => accepted += count,
            (count, Some(condition)) => {
                assert_eq!(condition, condition::RESOURCE_LIMIT_EXCEEDED);
                refused += count;
            }
        }
    }
    peer.send(
        0,
        &Performative::Flow(Flow {
            handle: Some(ANSWERS),
            ..credit(ASKED)
        }),
    );
    let mut waited = 0;
    for _ in 0..accepted {
        let frame = peer.frame().await;
        waited += frame.body.len();
    }
    assert!(
        (900 * 1024..=1024 * 1024).contains(&waited),
        "{waited} bytes in {accepted} answers"
    );
    // They have left: there is room again.
    peer.transfer(ASKED, &question(&Value::Ulong(0)), 1000);
    let frame = peer.frame().await;
    let Performative::Disposition(disposition) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(outcome(&disposition), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answers_gets_all_however_much_it_asks_at_once() {
    const ASKED: u32 = 900;
    let mut peer = asker("$management").await;
    peer.send(
        0,
        &Performative::Flow(Flow {
            incoming_window: 100_000,
            handle: Some(ANSWERS),
            ..credit(ASKED)
        }),
    );
    for id in 0..ASKED {
        peer.transfer(id, &question(&Value::Ulong(id.into())), 1000);
    }
    let (mut accepted, mut answered) = (0, 0);
    while accepted + answered < 2 * ASKED {
        match read(&peer.frame().await) {
            (Performative::Disposition(disposition), _) => {
                let (count, condition) = outcome(&disposition);
                assert_eq!(condition, None, "after {accepted}");
                accepted += count;
            }
            (Performative::Transfer(_), answer) => {
                assert!(answer.len() > 5000, "{} bytes", answer.len());
                answered += 1;
            }
            (Performative::Flow(_), _) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_of_more_than_four_kibibytes_is_not_echoed() {
    let mut peer = asker("$management").await;
    for (delivery, (len, expected)) in [(4091, None), (4092, Some(condition::DECODE_ERROR))]
        .into_iter()
        .enumerate()
    {
        let id = Value::String("i".repeat(len));
        peer.transfer(delivery as u32, &question(&id), 10_000);
        let frame = peer.frame().await;
        let Performative::Disposition(disposition) = read(&frame).0 else {
            panic!("{frame:?}")
        };
        assert_eq!(outcome(&disposition).1.as_deref(), expected, "{len} bytes");
    }
}
