//! Who is connected, and through which links.

mod support;

use eventhubs_emulator::{Emulator, LinkRole};
use fe2o3_amqp::Connection;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::definitions::Fields;
use fe2o3_amqp::types::primitives::{Symbol, Value};
use std::time::SystemTime;
use support::*;
use tokio::net::TcpStream;

async fn becomes(emulator: &Emulator, what: impl Fn(&Emulator) -> bool + Send) {
    let holds = emulator.wait_until(what);
    if tokio::time::timeout(PATIENCE, holds).await.is_err() {
        panic!("{:#?}", emulator.connections());
    }
}

#[tokio::test]
async fn a_connection_shows_where_it_comes_from_and_what_the_client_says_of_itself() {
    let emulator = Emulator::start().await.unwrap();
    let before = SystemTime::now();
    let stream = TcpStream::connect(emulator.address()).await.unwrap();
    let peer = stream.local_addr().unwrap();
    let mut properties = Fields::new();
    let agent = "a".repeat(300);
    for (key, value) in [
        ("product", "MSRust"),
        ("version", "1.2"),
        ("user-agent", &agent),
    ] {
        properties.insert(Symbol::from(key), Value::String(value.to_owned()));
    }
    let mut connection = Connection::builder()
        .container_id("mine")
        .hostname("localhost")
        .properties(properties)
        .sasl_profile(SaslProfile::Anonymous)
        .open_with_stream(stream)
        .await
        .unwrap();
    let _other = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let [first, second] = emulator.connections().try_into().unwrap();
    assert_eq!((first.id, second.id), (1, 2));
    assert_eq!(first.peer, peer);
    assert_eq!(first.container_id, "mine");
    assert_eq!(first.product.as_deref(), Some("MSRust"));
    assert_eq!(first.version.as_deref(), Some("1.2"));
    assert_eq!(first.user_agent.as_deref(), Some(&agent[..256]));
    assert!(first.opened_at >= before && first.opened_at <= SystemTime::now());
    assert_eq!(first.links, []);
    assert_eq!((second.product, second.version), (None, None));
    connection.close().await.unwrap();
    assert_eq!(emulator.connections().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_table() {
    let emulator = Emulator::start().await.unwrap();
    let client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    assert_eq!(emulator.connections().len(), 1);
    drop(client);
    becomes(&emulator, |emulator| emulator.connections().is_empty()).await;
}

#[tokio::test]
async fn links_show_where_they_lead_and_who_holds_what() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let _gateway = client.sender("amqps://localhost/EH1").await;
    let _sender = client.sender("eh1/Partitions/3").await;
    let options = ReceiverOptions::epoch(5).named("me");
    let _receiver = client.receiver(2, options).await;
    let [connection] = emulator.connections().try_into().unwrap();
    let [gateway, sender, receiver] = connection.links.try_into().unwrap();
    assert_eq!(
        (gateway.role, sender.role),
        (LinkRole::Sender, LinkRole::Sender)
    );
    assert_eq!(gateway.address, "EH1");
    assert_eq!(gateway.hub.as_deref(), Some("eh1"), "the hub's own name");
    assert_eq!((gateway.partition, sender.partition), (None, Some(3)));
    assert_eq!((sender.consumer_group, sender.epoch), (None, None));
    assert_eq!(receiver.role, LinkRole::Receiver);
    assert!(receiver.name.starts_with("receiver-"), "{}", receiver.name);
    assert_eq!(receiver.address, receiver_address(2));
    assert_eq!(receiver.partition, Some(2));
    assert_eq!(receiver.consumer_group.as_deref(), Some("$Default"));
    assert_eq!(receiver.epoch, Some(5));
    assert_eq!(receiver.receiver_name.as_deref(), Some("me"));
}

#[tokio::test]
async fn credit_and_deliveries_follow_what_is_sent_and_received() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    let link = |emulator: &Emulator, at: usize| {
        let link = &emulator.connections()[0].links[at];
        (link.credit, link.deliveries)
    };
    becomes(&emulator, |emulator| link(emulator, 0) == (200, 0)).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    assert_eq!(link(&emulator, 1), (1000, 0));
    send(&mut sender, batch(None, ["a", "b"].map(event))).await;
    assert_eq!(link(&emulator, 1), (999, 1));
    next_bodies(&mut receiver, 2).await;
    assert_eq!(link(&emulator, 0), (198, 2));
}

#[tokio::test]
async fn a_link_that_is_closed_or_taken_leaves_the_table() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    assert_eq!(emulator.connections()[0].links, [], "$cbs was left");
    let sender = client.sender("eh1").await;
    sender.close().await.unwrap();
    assert_eq!(emulator.connections()[0].links, []);
    let _old = client.receiver(0, ReceiverOptions::epoch(1)).await;
    let _new = client.receiver(0, ReceiverOptions::epoch(2)).await;
    becomes(&emulator, |emulator| {
        let links = &emulator.connections()[0].links;
        links.len() == 1 && links[0].epoch == Some(2)
    })
    .await;
}
