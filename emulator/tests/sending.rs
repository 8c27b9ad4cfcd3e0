//! What senders meet: batches, keys, partitions, outcomes.

mod support;

use eventhubs_emulator::{Emulator, HubConfig};
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::messaging::{Data, Message};
use std::collections::BTreeMap;
use std::time::Duration;
use support::*;

fn bodies(emulator: &Emulator) -> Vec<(u32, String)> {
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    emulator
        .received("eh1")
        .iter()
        .map(|event| (event.partition, text(&event.body)))
        .collect()
}

#[tokio::test]
async fn a_batch_is_split_into_its_events_in_one_partition_and_in_order() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, ["a", "b", "c"].map(event))).await;
    let received = emulator.received("eh1");
    assert_eq!(received.len(), 3);
    for (n, (event, body)) in received.iter().zip(["a", "b", "c"]).enumerate() {
        assert_eq!(event.body, body);
        assert_eq!(event.partition, received[0].partition);
        assert_eq!(event.sequence_number, n as i64);
        assert_eq!(event.partition_key, None);
    }
}

#[tokio::test]
async fn a_plain_message_is_one_event() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/2").await;
    let mut message = event("plain");
    message.message_annotations = Some(keyed("k"));
    sender.send(message).await.unwrap();
    let received = emulator.received("eh1");
    assert_eq!((received.len(), received[0].partition), (1, 2));
    assert_eq!(
        (&received[0].body[..], received[0].partition_key.as_deref()),
        (&b"plain"[..], Some("k"))
    );
}

#[tokio::test]
async fn batches_without_a_key_go_round_and_batches_with_one_stay_together() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    for n in 0..8 {
        send(&mut sender, batch(None, [event(format!("u{n}"))])).await;
    }
    let mut spread = BTreeMap::<u32, usize>::new();
    for (partition, _) in bodies(&emulator) {
        *spread.entry(partition).or_default() += 1;
    }
    assert_eq!(spread, BTreeMap::from([(0, 2), (1, 2), (2, 2), (3, 2)]));
    for key in [
        "alpha", "beta", "gamma", "delta", "alpha", "beta", "gamma", "delta",
    ] {
        send(&mut sender, batch(Some(key), [event(key), event(key)])).await;
    }
    let mut homes = BTreeMap::<String, Vec<u32>>::new();
    for event in emulator
        .received("eh1")
        .iter()
        .filter(|event| event.partition_key.is_some())
    {
        homes
            .entry(event.partition_key.clone().unwrap())
            .or_default()
            .push(event.partition);
    }
    assert_eq!(homes.len(), 4);
    for (key, partitions) in homes {
        assert_eq!(partitions.len(), 4, "{key}");
        assert!(
            partitions
                .iter()
                .all(|&partition| partition == partitions[0]),
            "{key}"
        );
    }
}

#[tokio::test]
async fn an_event_keeps_its_own_key_within_a_batch_for_a_partition() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("amqps://localhost/EH1/partitions/3").await;
    let mut own = event("own");
    own.message_annotations = Some(keyed("inner"));
    send(&mut sender, batch(Some("outer"), [own, event("other")])).await;
    let received = emulator.received("eh1");
    let keys: Vec<_> = received
        .iter()
        .map(|event| (event.partition, event.partition_key.as_deref()))
        .collect();
    assert_eq!(keys, [(3, Some("inner")), (3, Some("outer"))]);
}

#[tokio::test]
async fn many_batches_under_way_at_once_are_all_accepted() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let mut outcomes = Vec::new();
    for n in 0..3000 {
        outcomes.push(
            sender
                .send_batchable(batch(None, [event(n.to_string())]))
                .await
                .unwrap(),
        );
    }
    for outcome in outcomes {
        tokio::time::timeout(PATIENCE, outcome)
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(emulator.event_count("eh1"), 3000);
}

#[tokio::test]
async fn the_size_limit_is_told_and_the_smaller_of_both_sides_counts() {
    let emulator = Emulator::builder()
        .max_message_size(100_000)
        .start()
        .await
        .unwrap();
    let mut client = Client::authorized(&emulator).await;
    for (asked, answered) in [
        (None, 100_000),
        (Some(0), 100_000),
        (Some(5000), 5000),
        (Some(u64::MAX), 100_000),
    ] {
        let sender = client.sender_with_limit("eh1", asked).await;
        assert_eq!(sender.max_message_size(), Some(answered), "{asked:?}");
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_decoded_is_rejected_whole() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let good = Data::from(b"\x00\x53\x75\xA0\x01x".to_vec());
    let bad = Data::from(b"\x00\x53\x75\xA0\x09x".to_vec());
    let message = Message::builder().data_batch(vec![good, bad]).build();
    let sendable = Sendable::builder()
        .message(message)
        .message_format(0x8001_3700)
        .settled(false)
        .build();
    let (condition, _) = told(&rejection(sender.send(sendable).await));
    assert_eq!(condition, "amqp:decode-error");
    assert_eq!(emulator.event_count("eh1"), 0);
    send(&mut sender, batch(None, [event("good")])).await;
}

#[tokio::test]
async fn a_megabyte_goes_in_over_many_frames_and_comes_out_the_same() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    let body: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    send(&mut sender, batch(None, [event(body.clone())])).await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    assert_eq!(next(&mut receiver).await.body.0, body);
}

#[tokio::test]
async fn an_unknown_hub_and_a_bad_partition_are_refused_with_the_services_texts() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new("eh1").with_partitions(4))
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let audience = "sb://localhost";
    client
        .put_token(audience, &sas_token(audience, KEY_NAME, KEY, in_an_hour()))
        .await;
    let (condition, text) = client.sender_refusal("nowhere").await;
    assert_eq!(condition, "amqp:not-found");
    assert!(
        untracked(&text).starts_with("The messaging entity 'sb://emulatorNs1"),
        "{text}"
    );
    assert!(text.contains("' could not be found."), "{text}");
    for address in ["eh1/Partitions/4", "eh1/Partitions/x", "eh1/Partitions/-1"] {
        let (condition, text) = client.sender_refusal(address).await;
        assert_eq!(condition, "com.microsoft:argument-out-of-range");
        assert_eq!(
            untracked(&text),
            "The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and 3."
        );
    }
    client.sender("eh1/Partitions/3").await;
}

#[tokio::test]
async fn an_acknowledgement_is_held_back_for_the_delay_and_the_event_stored_before() {
    let delay = Duration::from_millis(300);
    let emulator = Emulator::builder()
        .acknowledgement_delay(delay)
        .start()
        .await
        .unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let sent = tokio::time::Instant::now();
    let outcome = sender
        .send_batchable(batch(None, [event("x")]))
        .await
        .unwrap();
    emulator.wait_for_events("eh1", 1).await;
    assert!(sent.elapsed() < delay);
    outcome.await.unwrap();
    assert!(sent.elapsed() >= delay);
}
