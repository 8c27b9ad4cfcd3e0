//! Hubs that get more partitions while they are in use.

mod support;

use eventhubs_emulator::{Emulator, HubConfig, PartitionCountError};
use fe2o3_amqp::types::primitives::{Array, Value};
use std::collections::BTreeMap;
use support::*;

async fn emulator(partitions: u32) -> Emulator {
    let hub = HubConfig::new("eh1").with_partitions(partitions);
    Emulator::builder().hub(hub).start().await.unwrap()
}

#[tokio::test]
async fn clients_learn_of_new_partitions_from_the_hubs_properties() {
    let emulator = emulator(2).await;
    let mut client = Client::authorized(&emulator).await;
    let read = [("type", "com.microsoft:eventhub"), ("name", "eh1")];
    for count in [2, 4] {
        emulator.set_partition_count("EH1", count).unwrap();
        let (_, _, body) = client.read(&read).await;
        let Value::Map(body) = body else { panic!() };
        let field = |name: &str| body.get(&Value::String(name.to_owned())).unwrap();
        assert_eq!(field("partition_count"), &Value::Int(count as i32));
        let ids = (0..count).map(|id| Value::String(id.to_string()));
        let ids = Value::Array(Array::from(ids.collect::<Vec<_>>()));
        assert_eq!(field("partition_ids"), &ids);
    }
    let last = [
        ("type", "com.microsoft:partition"),
        ("name", "eh1"),
        ("partition", "3"),
    ];
    assert_eq!(client.read(&last).await.0, 200);
}

#[tokio::test]
async fn new_partitions_are_usable_at_once_and_not_before() {
    let emulator = emulator(2).await;
    let mut client = Client::authorized(&emulator).await;
    let (condition, _) = client.sender_refusal("eh1/Partitions/3").await;
    assert_eq!(condition, "com.microsoft:argument-out-of-range");
    emulator.set_partition_count("eh1", 4).unwrap();
    let mut receiver = client.receiver(3, ReceiverOptions::epoch(1)).await;
    let mut sender = client.sender("eh1/Partitions/3").await;
    send(&mut sender, batch(None, [event("new")])).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["new"]);
    emulator.wait_for_events("eh1", 1).await;
    let (_, text) = client.sender_refusal("eh1/Partitions/4").await;
    assert!(untracked(&text).ends_with("It should be between 0 and 3."));
}

#[tokio::test]
async fn links_and_events_of_old_partitions_are_not_disturbed() {
    let emulator = emulator(1).await;
    let mut client = Client::authorized(&emulator).await;
    let mut receiver = client.receiver(0, ReceiverOptions::epoch(7)).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, [event("before")])).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["before"]);
    emulator.set_partition_count("eh1", 32).unwrap();
    send(&mut sender, batch(None, [event("after")])).await;
    assert_eq!(next_bodies(&mut receiver, 1).await, ["after"]);
    let received = emulator.received("eh1");
    let places = received.iter().map(|e| (e.partition, e.sequence_number));
    assert_eq!(places.collect::<Vec<_>>(), [(0, 0), (0, 1)]);
    assert_eq!(emulator.receivers("eh1")[0].epoch, Some(7));
}

#[tokio::test]
async fn a_gateway_sender_spreads_and_places_keys_over_the_new_number() {
    let emulator = emulator(1).await;
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, [event("old")])).await;
    emulator.set_partition_count("eh1", 4).unwrap();
    for _ in 0..8 {
        send(&mut sender, batch(None, [event("new")])).await;
    }
    let mut spread = BTreeMap::<u32, usize>::new();
    for event in emulator.received("eh1") {
        *spread.entry(event.partition).or_default() += 1;
    }
    assert_eq!(spread, BTreeMap::from([(0, 3), (1, 2), (2, 2), (3, 2)]));
    for n in 0..32 {
        let key = format!("key{n}");
        send(&mut sender, batch(Some(&key), [event("keyed")])).await;
    }
    let received = emulator.received("eh1");
    let keyed = received
        .iter()
        .filter(|event| event.partition_key.is_some());
    let mut homes: Vec<u32> = keyed.map(|event| event.partition).collect();
    homes.dedup();
    assert_eq!(homes, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_hub_cannot_shrink_or_exceed_the_limit_and_stays_as_it_is() {
    let emulator = emulator(4).await;
    emulator.set_partition_count("eh1", 4).unwrap();
    let fewer = emulator.set_partition_count("eh1", 3).unwrap_err();
    let expected = PartitionCountError::Fewer {
        hub: "eh1".to_owned(),
        current: 4,
        partitions: 3,
    };
    assert_eq!(fewer, expected);
    assert_eq!(
        fewer.to_string(),
        "the event hub 'eh1' has 4 partitions and cannot shrink to 3"
    );
    let too_many = emulator.set_partition_count("eh1", 1025).unwrap_err();
    assert!(matches!(too_many, PartitionCountError::TooMany { .. }));
    let mut client = Client::authorized(&emulator).await;
    client.sender("eh1/Partitions/3").await;
    client.sender_refusal("eh1/Partitions/4").await;
    emulator.set_partition_count("eh1", 1024).unwrap();
    client.sender("eh1/Partitions/1023").await;
}

#[tokio::test]
async fn a_full_namespace_that_grows_keeps_within_its_retention_and_leaves_new_partitions_their_shares()
 {
    const LIMIT: u64 = 4 << 20;
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1").with_partitions(2))
        .retention_bytes(LIMIT)
        .start()
        .await
        .unwrap();
    let mut client = Client::authorized(&emulator).await;
    let kilobytes = |count: usize| batch(None, vec![event(vec![0; 1000]); count]);
    let mut sender = client.sender("eh1/Partitions/0").await;
    for _ in 0..10 {
        send(&mut sender, kilobytes(500)).await;
    }
    let held = || {
        let mut held = BTreeMap::<u32, u64>::new();
        for event in emulator.received("eh1") {
            *held.entry(event.partition).or_default() += event.body.len() as u64;
        }
        held
    };
    assert!(held()[&0] > LIMIT / 2);
    emulator.set_partition_count("eh1", 8).unwrap();
    for partition in 1..8 {
        let mut sender = client.sender(&format!("eh1/Partitions/{partition}")).await;
        send(&mut sender, kilobytes(500)).await;
    }
    let held = held();
    assert!(held.values().sum::<u64>() <= LIMIT, "{held:?}");
    // A quarter of the whole is shared out evenly; a tenth of that is overhead and what does not fit.
    let share = LIMIT / 4 / 8;
    assert!(
        held.values().all(|&held| held >= share * 9 / 10),
        "{held:?}"
    );
    assert_eq!(held.len(), 8);
}
