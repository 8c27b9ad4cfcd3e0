//! What receivers meet: start positions, annotations, credit, live events.

mod support;

use eventhubs_emulator::Emulator;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::primitives::{Symbol, Timestamp, Value};
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use support::*;

const FIVE: [&str; 5] = ["e0", "e1", "e2", "e3", "e4"];

/// An emulator whose partition 0 holds five events, and a client.
async fn five_events() -> (Emulator, Client) {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, FIVE.map(event))).await;
    (emulator, client)
}

#[tokio::test]
async fn without_a_filter_reading_begins_at_the_first_event_and_follows_what_comes() {
    let (_emulator, mut client) = five_events().await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    assert_eq!(next_bodies(&mut receiver, 5).await, FIVE);
    let mut sender = client.sender("eh1/Partitions/0").await;
    for body in ["later", "and later"] {
        send(&mut sender, batch(None, [event(body)])).await;
        assert_eq!(next_bodies(&mut receiver, 1).await, [body]);
    }
}

#[tokio::test]
async fn every_kind_of_start_position_begins_where_it_says() {
    let (emulator, mut client) = five_events().await;
    let held = emulator.received("eh1");
    let offset = &held[2].offset;
    for (filter, expected) in [
        ("amqp.annotation.x-opt-offset > '-1'".to_owned(), &FIVE[..]),
        (
            format!("amqp.annotation.x-opt-offset > '{offset}'"),
            &FIVE[3..],
        ),
        (
            format!("amqp.annotation.x-opt-offset >= {offset}"),
            &FIVE[2..],
        ),
        (
            "amqp.annotation.x-opt-sequence-number > '2'".to_owned(),
            &FIVE[3..],
        ),
        (
            "amqp.annotation.x-opt-sequence-number >= '2'".to_owned(),
            &FIVE[2..],
        ),
        (
            "amqp.annotation.x-opt-enqueued-time >= '1000'".to_owned(),
            &FIVE[..],
        ),
        (
            "amqp.annotation.x-opt-enqueuedtimeutc > 1000".to_owned(),
            &FIVE[..],
        ),
    ] {
        let mut receiver = client
            .receiver(0, ReceiverOptions::from_position(&filter))
            .await;
        assert_eq!(
            next_bodies(&mut receiver, expected.len()).await,
            expected,
            "{filter}"
        );
        receiver.close().await.unwrap();
    }
}

#[tokio::test]
async fn latest_and_a_time_to_come_skip_what_is_there() {
    let (_emulator, mut client) = five_events().await;
    let latest = ReceiverOptions::from_position("amqp.annotation.x-opt-offset > '@latest'");
    let future =
        ReceiverOptions::from_position("amqp.annotation.x-opt-enqueued-time > '99999999999999'");
    let mut receivers = [
        client.receiver(0, latest).await,
        client.receiver(0, future).await,
    ];
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, [event("new")])).await;
    for receiver in &mut receivers {
        assert_eq!(next_bodies(receiver, 1).await, ["new"]);
    }
}

#[tokio::test]
async fn a_filter_is_read_whatever_describes_it() {
    let (_emulator, mut client) = five_events().await;
    for descriptor in [
        Descriptor::Code(0x0000_468C_0000_0004),
        Descriptor::Code(0x0000_0137_0000_000A),
        Descriptor::Name(Symbol::from("apache.org:selector-filter:string")),
    ] {
        let text = Value::String("amqp.annotation.x-opt-sequence-number > '3'".to_owned());
        let filter = Value::Described(Box::new(Described {
            descriptor: descriptor.clone(),
            value: text,
        }));
        let options = ReceiverOptions {
            filter: Some(filter),
            ..ReceiverOptions::default()
        };
        let mut receiver = client.receiver(0, options).await;
        assert_eq!(
            next_bodies(&mut receiver, 1).await,
            ["e4"],
            "{descriptor:?}"
        );
        receiver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_position_beyond_the_end_is_refused_with_the_services_text() {
    let (_emulator, mut client) = five_events().await;
    let refusal = async |client: &mut Client, filter: &str| {
        client
            .receiver_refusal(&receiver_address(0), ReceiverOptions::from_position(filter))
            .await
    };
    let (condition, text) =
        refusal(&mut client, "amqp.annotation.x-opt-sequence-number > '5'").await;
    assert_eq!(condition, "com.microsoft:argument-error");
    assert_eq!(
        untracked(&text),
        "The supplied sequence number '5' is invalid. The last sequence number in the system is '4'"
    );
    let (condition, text) = refusal(&mut client, "amqp.annotation.x-opt-offset > '999999'").await;
    assert_eq!(condition, "com.microsoft:argument-error");
    assert!(
        text.starts_with(
            "The supplied offset '999999' is invalid. The last offset in the system is '"
        ),
        "{text}"
    );
    let (condition, _) = refusal(&mut client, "anything < else").await;
    assert_eq!(condition, "com.microsoft:argument-error");
}

#[tokio::test]
async fn events_carry_their_system_annotations() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/1").await;
    send(&mut sender, batch(Some("key"), [event("x"), event("y")])).await;
    let held = emulator.received("eh1");
    let mut receiver = client.receiver(1, ReceiverOptions::default()).await;
    for event in &held {
        let message = next(&mut receiver).await;
        assert_eq!(
            annotation(&message, "x-opt-sequence-number"),
            Value::Long(event.sequence_number)
        );
        assert_eq!(
            annotation(&message, "x-opt-offset"),
            Value::String(event.offset.clone())
        );
        assert_eq!(
            annotation(&message, "x-opt-partition-key"),
            Value::String("key".to_owned())
        );
        let since_epoch = event
            .enqueued_time
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let time = Timestamp::from_milliseconds(since_epoch.as_millis() as i64);
        assert_eq!(
            annotation(&message, "x-opt-enqueued-time"),
            Value::Timestamp(time)
        );
        assert_eq!(message.delivery_annotations, None);
    }
}

#[tokio::test]
async fn runtime_metrics_come_with_each_event_when_asked_for() {
    let (emulator, mut client) = five_events().await;
    let last = emulator.received("eh1")[4].clone();
    let options = ReceiverOptions {
        runtime_metrics: true,
        ..ReceiverOptions::default()
    };
    let mut receiver = client.receiver(0, options).await;
    let annotations = next(&mut receiver).await.delivery_annotations.unwrap().0;
    let get = |name: &str| annotations.get(&OwnedKey::Symbol(name.into())).cloned();
    assert_eq!(get("last_enqueued_sequence_number"), Some(Value::Long(4)));
    assert_eq!(
        get("last_enqueued_offset"),
        Some(Value::String(last.offset))
    );
    assert!(matches!(
        get("last_enqueued_time_utc"),
        Some(Value::Timestamp(_))
    ));
    assert!(matches!(
        get("runtime_info_retrieval_time_utc"),
        Some(Value::Timestamp(_))
    ));
}

#[tokio::test]
async fn no_more_is_delivered_than_there_is_credit_and_a_drain_gives_it_back() {
    let (_emulator, mut client) = five_events().await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    receiver.set_credit_mode(CreditMode::Manual);
    next_bodies(&mut receiver, 5).await;
    // The credit that is left is given back by the drain ..
    receiver.drain().await.unwrap();
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, ["f0", "f1", "f2"].map(event))).await;
    // .. so that two of the three come, and the third only with another credit.
    receiver.set_credit(2).await.unwrap();
    assert_eq!(next_bodies(&mut receiver, 2).await, ["f0", "f1"]);
    receiver.set_credit(1).await.unwrap();
    assert_eq!(next_bodies(&mut receiver, 1).await, ["f2"]);
}

#[tokio::test]
async fn twenty_thousand_events_come_in_order() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    for chunk in 0..20u32 {
        send(
            &mut sender,
            batch(
                None,
                (0..1000).map(|n| event((chunk * 1000 + n).to_string())),
            ),
        )
        .await;
    }
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    for n in 0..20_000 {
        assert_eq!(next(&mut receiver).await.body.0, n.to_string().as_bytes());
    }
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_does_not_stop_another_on_its_connection() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    for _ in 0..4 {
        send(
            &mut sender,
            batch(None, (0..10).map(|_| event(vec![0; 50_000]))),
        )
        .await;
    }
    let mut sender = client.sender("eh1/Partitions/1").await;
    send(&mut sender, batch(None, [event("through")])).await;
    let _idle = client.receiver(0, ReceiverOptions::default()).await;
    let mut receiver = client.receiver(1, ReceiverOptions::default()).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["through"]);
}
