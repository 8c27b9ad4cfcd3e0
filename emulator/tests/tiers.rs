//! How much of everything there may be.

mod support;

use eventhubs_emulator::{Emulator, HubConfig, Tier};
use fe2o3_amqp::connection;
use fe2o3_amqp::sasl_profile::SaslProfile;
use support::*;
use tokio::net::TcpStream;

#[tokio::test]
async fn links_say_the_tiers_message_size_unless_another_is_chosen() {
    let hub = || HubConfig::new("eh1");
    let builder = || Emulator::builder().hub(hub());
    for (builder, size) in [
        (builder(), 1_048_576),
        (builder().tier(Tier::Basic), 262_144),
        (builder().tier(Tier::Standard), 1_048_576),
        (builder().tier(Tier::Premium), 1_048_576),
        (builder().tier(Tier::Dedicated), 20_971_520),
        (builder().max_message_size(5000).tier(Tier::Basic), 5000),
    ] {
        let emulator = builder.start().await.unwrap();
        let mut client = Client::authorized(&emulator).await;
        assert_eq!(client.sender("eh1").await.max_message_size(), Some(size));
    }
}

#[tokio::test]
async fn more_partitions_than_the_tier_allows_do_not_start() {
    let hub = HubConfig::new("eh1").with_partitions(33);
    let builder = Emulator::builder().hub(hub);
    let error = builder
        .clone()
        .tier(Tier::Standard)
        .start()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("choose 1 to 32, or another tier")
    );
    builder.tier(Tier::Premium).start().await.unwrap();
}

#[tokio::test]
async fn a_connection_over_the_tiers_quota_is_opened_and_closed_with_an_error() {
    let hub = HubConfig::new("eh1");
    let emulator = Emulator::builder()
        .hub(hub)
        .tier(Tier::Basic)
        .start()
        .await
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(TcpStream::connect(emulator.address()).await.unwrap());
    }
    let stream = TcpStream::connect(emulator.address()).await.unwrap();
    let mut refused = connection::Connection::builder()
        .container_id("test")
        .sasl_profile(SaslProfile::Anonymous)
        .open_with_stream(stream)
        .await
        .unwrap();
    match refused.on_close().await {
        Err(connection::Error::RemoteClosedWithError(error)) => assert_eq!(
            told(&error),
            (
                "amqp:resource-limit-exceeded".to_owned(),
                "ConnectionsQuotaExceeded for namespace emulatorNs1.".to_owned()
            )
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(emulator.connection_count(), 100);
    assert_eq!(emulator.metrics().quota_exceeded_errors, 1);
}

#[tokio::test]
async fn a_batch_with_a_partition_key_over_128_characters_is_rejected_and_not_stored() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let long = "k".repeat(129);
    let error = rejection(sender.send(batch(Some(&long), [event("x")])).await);
    assert_eq!(
        told(&error),
        (
            "com.microsoft:argument-error".to_owned(),
            "The partition key is too long. It should have 128 characters at most.".to_owned()
        )
    );
    send(&mut sender, batch(Some(&long[1..]), [event("y")])).await;
    assert_eq!(emulator.event_count("eh1"), 1);
}

#[tokio::test]
async fn a_receiver_with_a_name_over_64_characters_is_refused() {
    const LONG: &str = "12345678901234567890123456789012345678901234567890123456789012345";
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let named = |name| ReceiverOptions::default().named(name);
    let (condition, text) = client
        .receiver_refusal(&receiver_address(0), named(LONG))
        .await;
    assert_eq!(condition, "com.microsoft:argument-error");
    assert_eq!(
        text,
        "The receiver's name is too long. It should have 64 characters at most."
    );
    client.receiver(0, named(&LONG[1..])).await;
}
