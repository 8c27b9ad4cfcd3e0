//! What a hostile sender can store, and what it does to those who read it.
#![cfg(feature = "amqp")]

mod amqp_support;

use amqp_support::{HUB, bodies, receive, start};
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer};
use eventhubs_flow::{ErrorKind, PartitionId};
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::{Batch, Data, Message};
use fe2o3_amqp::types::primitives::Binary;
use fe2o3_amqp::{Connection, Sender, Session};

/// A message whose value is so many lists in one another.
fn nested(levels: usize) -> Vec<u8> {
    let mut value = vec![0x45];
    for _ in 0..levels {
        let size = u32::try_from(value.len() + 4).unwrap().to_be_bytes();
        value = [&[0xD0], &size[..], &[0, 0, 0, 1], &value].concat();
    }
    [&[0x00, 0x53, 0x77], &value[..]].concat()
}

/// Stores messages, each encoded already, in partition 0.
async fn store(emulator: &Emulator, messages: Vec<Vec<u8>>) {
    let stream = tokio::net::TcpStream::connect(emulator.address())
        .await
        .unwrap();
    let mut connection = Connection::builder()
        .container_id("hostile")
        .sasl_profile(SaslProfile::Plain {
            username: "RootManageSharedAccessKey".into(),
            password: "SAS_KEY_VALUE".into(),
        })
        .open_with_stream(stream)
        .await
        .unwrap();
    let mut session = Session::begin(&mut connection).await.unwrap();
    let address = format!("{HUB}/Partitions/0");
    let mut sender = Sender::attach(&mut session, "hostile", address)
        .await
        .unwrap();
    let data = messages
        .into_iter()
        .map(|message| Data(Binary::from(message)));
    let batch: Batch<Data> = data.collect();
    let sendable = Sendable {
        message: Message::builder().body(batch).build(),
        message_format: 0x8001_3700,
        settled: None,
    };
    let outcome = sender.send(sendable).await.unwrap();
    assert!(outcome.is_accepted());
}

#[tokio::test]
async fn row_18_an_event_of_4000_nested_lists_is_an_error_and_no_abort() {
    let (emulator, hub) = start().await;
    let plain = vec![0x00, 0x53, 0x75, 0xA0, 1, b'a'];
    store(&emulator, vec![plain, nested(40), nested(4000)]).await;
    let consumer = hub.consumer();
    let options = ReceiverOptions::new(PartitionId::new(0));
    let mut receiver = consumer.open_receiver(options).await.unwrap();

    let error = receive(&mut receiver, 3).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::Protocol, "{error}");
    assert!(
        error.to_string().contains("deeper than 64 levels"),
        "{error}"
    );
    assert!(!error.is_retryable());
    // Whoever did not read it goes on, over a connection of its own.
    let options = ReceiverOptions::new(PartitionId::new(1));
    let mut other = consumer.open_receiver(options).await.unwrap();
    let producer = hub.producer();
    amqp_support::send(&producer, 1, amqp_support::events(["b"]).into()).await;
    assert_eq!(bodies(&receive(&mut other, 1).await.unwrap()), ["b"]);
    assert_eq!(hub.recoveries(), 1);
}
