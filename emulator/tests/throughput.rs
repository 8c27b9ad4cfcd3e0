//! Throughput units, as clients meet them.

mod support;

use eventhubs_emulator::{Emulator, HubConfig};
use fe2o3_amqp::sasl_profile::SaslProfile;
use std::num::NonZeroU32;
use std::time::Duration;
use support::*;
use tokio::time::{Instant, sleep, timeout};

/// Takes six seconds' worth of a unit: what follows is refused, however slow the machine.
const MANY: usize = 6000;

fn units(units: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(units)
}

async fn with_units(count: u32) -> Emulator {
    let builder = Emulator::builder()
        .hub(HubConfig::new("eh1"))
        .hub(HubConfig::new("eh2"));
    let builder = builder.throughput_units(NonZeroU32::new(count).unwrap());
    builder.start().await.unwrap()
}

/// A client with rights for all hubs.
async fn client(emulator: &Emulator) -> Client {
    let mut client = Client::connect(emulator, SaslProfile::Anonymous).await;
    let audience = "sb://localhost";
    let token = sas_token(audience, KEY_NAME, KEY, in_an_hour());
    assert_eq!(client.put_token(audience, &token).await.0, 202);
    client
}

#[tokio::test]
async fn a_throttled_batch_is_rejected_with_the_services_text_and_accepted_later() {
    let emulator = with_units(1).await;
    let mut client = client(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, vec![event("x"); MANY])).await;
    let (condition, text) = told(&rejection(sender.send(batch(None, [event("y")])).await));
    assert_eq!(condition, "com.microsoft:server-busy");
    let said = untracked(&text);
    let start = "The request was terminated because the entity is being throttled. Error code : 50002. Please wait 4 seconds and try again. To know more visit https://aka.ms/sbResourceMgrExceptionsS:N:EMULATORNS1:EVENTHUB:EH1~32766,";
    assert!(said.starts_with(start), "{said}");
    assert!(text.contains("SystemTracker:emulatorNs1:eventhub:eh1~32766, Timestamp:"));
    assert_eq!(
        emulator.event_count("eh1"),
        MANY as u64,
        "nothing is stored"
    );
    // At a million events per second the debt of five thousand is paid off in five milliseconds.
    emulator.set_throughput_units(units(1000));
    sleep(Duration::from_millis(10)).await;
    send(&mut sender, batch(None, [event("y")])).await;
}

#[tokio::test]
async fn hubs_and_connections_share_the_units_of_their_namespace() {
    let emulator = with_units(1).await;
    let mut first = client(&emulator).await;
    let mut sender = first.sender("eh1").await;
    send(&mut sender, batch(None, vec![event("x"); MANY])).await;
    let mut second = client(&emulator).await;
    let mut sender = second.sender("eh2/Partitions/0").await;
    let refusal = rejection(sender.send(batch(None, [event("y")])).await);
    assert_eq!(told(&refusal).0, "com.microsoft:server-busy");
    assert!(told(&refusal).1.contains("EVENTHUB:EH2~32766,"));
}

#[tokio::test]
async fn a_throttled_management_call_is_answered_with_503() {
    let emulator = with_units(1).await;
    let mut client = client(&emulator).await;
    let read = [("type", "com.microsoft:eventhub"), ("name", "eh1")];
    assert_eq!(client.read(&read).await.0, 200);
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, vec![event("x"); MANY])).await;
    let (status, text, _) = client.read(&read).await;
    assert_eq!(status, 503);
    assert!(
        text.contains("is being throttled. Error code : 50002."),
        "{text}"
    );
    emulator.set_throughput_units(None);
    assert_eq!(client.read(&read).await.0, 200);
}

#[tokio::test]
async fn a_partition_over_its_limit_is_refused_while_others_are_not() {
    let emulator = Emulator::builder()
        .partition_throttling(true)
        .max_message_size(16 << 20)
        .start()
        .await
        .unwrap();
    let mut client = client(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    send(&mut sender, batch(None, [event(vec![0; 8_000_000])])).await;
    let refusal = rejection(sender.send(batch(None, [event("y")])).await);
    let (condition, text) = told(&refusal);
    assert_eq!(condition, "com.microsoft:server-busy");
    assert!(
        text.contains("SystemTracker:emulatorNs1:eventhub:eh1~8191,"),
        "{text}"
    );
    let mut other = client.sender("eh1/Partitions/1").await;
    send(&mut other, batch(None, [event("y")])).await;
    emulator.set_partition_throttling(false);
    send(&mut sender, batch(None, [event("y")])).await;
}

#[tokio::test]
async fn a_receiver_is_slowed_down_without_an_error_and_wakes_when_the_units_change() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    let total = 6 * 4096;
    send(&mut sender, batch(None, vec![event("x"); total])).await;
    emulator.set_throughput_units(units(1));
    let start = Instant::now();
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    next_bodies(&mut receiver, 4096 + 1024).await;
    // The first 4096 may come at once; the others not before their time.
    assert!(start.elapsed() >= Duration::from_millis(250));
    let rest = next_bodies(&mut receiver, total - 4096 - 1024);
    emulator.set_throughput_units(None);
    timeout(PATIENCE, rest).await.unwrap();
}
