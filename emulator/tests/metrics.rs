//! The counters under Azure Monitor's names.

mod support;

use eventhubs_emulator::{Emulator, HubConfig, Metrics};
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::{Data, Outcome};
use support::*;

/// Waits until the hub `eh1` is seen as it should be; what it shows otherwise is in the failure.
async fn hub_becomes(emulator: &Emulator, what: impl Fn(&Metrics) -> bool + Send + Sync) {
    let holds = emulator.wait_until(|emulator| what(&emulator.hub_metrics("eh1")));
    if tokio::time::timeout(PATIENCE, holds).await.is_err() {
        panic!("{:?}", emulator.hub_metrics("eh1"));
    }
}

/// A batch of one event that is none.
fn garbled_batch() -> Sendable<Data> {
    Sendable::builder()
        .message(event(b"junk"))
        .message_format(0x8001_3700)
        .settled(false)
        .build()
}

fn requests(metrics: &Metrics) -> [u64; 4] {
    [
        metrics.incoming_requests,
        metrics.successful_requests,
        metrics.user_errors,
        metrics.quota_exceeded_errors,
    ]
}

#[tokio::test]
async fn a_batch_is_one_request_and_as_many_messages_as_it_holds() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    let events = ["one", "two", "six"].map(event);
    send(&mut sender, batch(None, events)).await;
    let outcome = sender.send(event("ten")).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)));
    let hub = emulator.hub_metrics("eh1");
    assert_eq!(requests(&hub), [3, 3, 0, 0], "an attach and two sends");
    assert_eq!(hub.incoming_messages, 4);
    // An event is a data section of 5 + 3 bytes, in the batch within another of 5 more.
    assert_eq!(hub.incoming_bytes, 3 * 13 + 8);
    assert_eq!(hub.size, 4 * (8 + 12));
    assert_eq!((hub.outgoing_messages, hub.outgoing_bytes), (0, 0));
    let all = emulator.metrics();
    assert_eq!((all.incoming_messages, all.size), (4, hub.size));
}

#[tokio::test]
async fn an_event_counts_for_each_receiver_that_gets_it() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, ["a", "b", "c"].map(event))).await;
    let mut first = client.receiver(0, ReceiverOptions::default()).await;
    next_bodies(&mut first, 3).await;
    let once = emulator.hub_metrics("eh1");
    assert_eq!(once.outgoing_messages, 3);
    assert!(once.outgoing_bytes > 3 * 6, "{once:?}");
    let mut second = client.receiver(0, ReceiverOptions::default()).await;
    next_bodies(&mut second, 3).await;
    let twice = emulator.hub_metrics("eh1");
    assert_eq!(twice.outgoing_messages, 6);
    assert_eq!(twice.outgoing_bytes, 2 * once.outgoing_bytes);
    // Three attaches, a batch, and the credit that either receiver granted.
    assert_eq!(requests(&twice), [6, 6, 0, 0]);
}

#[tokio::test]
async fn a_displacement_is_a_user_error_but_no_request() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let _old = client.receiver(0, ReceiverOptions::epoch(1)).await;
    let _new = client.receiver(0, ReceiverOptions::epoch(2)).await;
    hub_becomes(&emulator, |hub| requests(hub) == [4, 4, 1, 0]).await;
}

#[tokio::test]
async fn refusals_are_user_errors_of_the_hub() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let _holder = client.receiver(0, ReceiverOptions::epoch(7)).await;
    hub_becomes(&emulator, |hub| requests(hub) == [2, 2, 0, 0]).await;
    client
        .receiver_refusal(&receiver_address(0), ReceiverOptions::epoch(6))
        .await;
    assert_eq!(requests(&emulator.hub_metrics("eh1")), [3, 2, 1, 0]);
    client.sender_refusal("eh1/Partitions/99").await;
    assert_eq!(requests(&emulator.hub_metrics("eh1")), [4, 2, 2, 0]);
    let mut sender = client.sender("eh1").await;
    rejection(sender.send(garbled_batch()).await);
    assert_eq!(requests(&emulator.hub_metrics("eh1")), [6, 3, 3, 0]);
    assert_eq!(emulator.hub_metrics("eh1").incoming_messages, 0);
}

#[tokio::test]
async fn a_sixth_receiver_exceeds_a_quota() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut receivers = Vec::new();
    for _ in 0..5 {
        receivers.push(client.receiver(0, ReceiverOptions::default()).await);
    }
    client
        .receiver_refusal(&receiver_address(0), ReceiverOptions::default())
        .await;
    hub_becomes(&emulator, |hub| requests(hub) == [11, 10, 0, 1]).await;
}

#[tokio::test]
async fn what_names_no_hub_or_has_no_rights_counts_for_the_namespace_only() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    client.sender_refusal("eh1").await;
    assert_eq!(requests(&emulator.metrics()), [1, 0, 1, 0]);
    // Two links to the node, and the token.
    client.put_token("amqps://localhost/eh1", "nonsense").await;
    assert_eq!(requests(&emulator.metrics()), [4, 2, 2, 0]);
    let plain = |password: &str| SaslProfile::Plain {
        username: KEY_NAME.into(),
        password: password.into(),
    };
    assert!(
        Client::try_connect(&emulator, plain("guess"))
            .await
            .is_err()
    );
    assert_eq!(requests(&emulator.metrics()), [5, 2, 3, 0]);
    let mut signed_in = Client::connect(&emulator, plain(KEY)).await;
    signed_in.sender_refusal("nowhere").await;
    assert_eq!(requests(&emulator.metrics()), [7, 3, 4, 0]);
    assert_eq!(emulator.hub_metrics("eh1"), Metrics::default());
}

#[tokio::test]
async fn a_read_of_properties_counts_for_its_hub() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let (status, ..) = client
        .read(&[("name", "eh1"), ("type", "com.microsoft:eventhub")])
        .await;
    assert_eq!(status, 200);
    assert_eq!(requests(&emulator.hub_metrics("eh1")), [1, 1, 0, 0]);
    let (status, ..) = client
        .read(&[
            ("name", "eh1"),
            ("type", "com.microsoft:partition"),
            ("partition", "99"),
        ])
        .await;
    assert_eq!(status, 400);
    assert_eq!(requests(&emulator.hub_metrics("eh1")), [2, 1, 1, 0]);
}

#[tokio::test]
async fn a_connection_belongs_to_the_hubs_it_has_links_to() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1"))
        .hub(HubConfig::new("other"))
        .start()
        .await
        .unwrap();
    let connections = |metrics: Metrics| {
        [
            metrics.active_connections,
            metrics.connections_opened,
            metrics.connections_closed,
        ]
    };
    let mut client = Client::authorized(&emulator).await;
    assert_eq!(connections(emulator.metrics()), [1, 1, 0]);
    assert_eq!(connections(emulator.hub_metrics("eh1")), [0, 0, 0]);
    let first = client.sender("eh1").await;
    let second = client.sender("eh1/Partitions/1").await;
    assert_eq!(connections(emulator.hub_metrics("eh1")), [1, 1, 0]);
    first.close().await.unwrap();
    assert_eq!(connections(emulator.hub_metrics("eh1")), [1, 1, 0]);
    second.close().await.unwrap();
    assert_eq!(connections(emulator.hub_metrics("eh1")), [0, 1, 1]);
    client.connection.close().await.unwrap();
    assert_eq!(connections(emulator.metrics()), [0, 1, 1]);
    assert_eq!(connections(emulator.hub_metrics("other")), [0, 0, 0]);
}
