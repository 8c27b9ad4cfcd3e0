//! The ways to the service: TLS, WebSockets, plain and secure.
#![cfg(feature = "amqp")]

mod amqp_support;

use amqp_support::{HUB, bodies, events, receive, send};
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer};
use eventhubs_flow::{ErrorKind, EventData, EventHub, EventHubOptions, PartitionId};

async fn with_tls() -> Emulator {
    Emulator::builder().tls().start().await.unwrap()
}

fn tls_string(emulator: &Emulator) -> String {
    format!(
        "{}EntityPath={HUB}",
        emulator.tls_connection_string().unwrap()
    )
}

fn trusting(emulator: &Emulator) -> EventHubOptions {
    let pem = emulator.certificate_pem().unwrap();
    EventHubOptions::default().with_root_certificates(pem)
}

/// Sends and receives events small and large, and reads properties.
async fn work(hub: &EventHub) {
    assert_eq!(hub.properties().await.unwrap().partitions.len(), 4);
    let producer = hub.producer();
    send(&producer, 0, events(["a", "b"]).into()).await;
    let large = "x".repeat(300_000);
    send(&producer, 0, vec![EventData::new(large.clone())]).await;
    let options = ReceiverOptions::new(PartitionId::new(0));
    let mut receiver = hub.consumer().open_receiver(options).await.unwrap();
    let received = receive(&mut receiver, 3).await.unwrap();
    assert_eq!(bodies(&received), ["a", "b", &large]);
    hub.close().await.unwrap();
}

#[tokio::test]
async fn everything_works_over_tls() {
    let emulator = with_tls().await;
    let hub = EventHub::connect_with(&tls_string(&emulator), trusting(&emulator)).await;
    work(&hub.unwrap()).await;
}

#[tokio::test]
async fn everything_works_over_web_sockets() {
    let emulator = with_tls().await;
    let options = EventHubOptions::default().with_web_sockets();
    let hub = EventHub::connect_with(&emulator.connection_string_for(HUB), options).await;
    work(&hub.unwrap()).await;
}

#[tokio::test]
async fn everything_works_over_secure_web_sockets() {
    let emulator = with_tls().await;
    let options = trusting(&emulator).with_web_sockets();
    let hub = EventHub::connect_with(&tls_string(&emulator), options).await;
    work(&hub.unwrap()).await;
}

#[tokio::test]
async fn a_host_that_does_not_prove_who_it_is_is_not_trusted() {
    let (emulator, other) = (with_tls().await, with_tls().await);
    for options in [EventHubOptions::default(), trusting(&other)] {
        let error = EventHub::connect_with(&tls_string(&emulator), options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Untrusted, "{error}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("localhost"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let emulator = with_tls().await;
    let port = emulator.tls_address().unwrap().port();
    let string = tls_string(&emulator).replace(&format!("localhost:{port}"), "ns.example.net");
    let options = trusting(&emulator).with_custom_endpoint(format!("127.0.0.1:{port}"));
    let error = EventHub::connect_with(&string, options).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Untrusted, "{error}");
}

#[tokio::test]
async fn a_custom_endpoint_is_where_the_bytes_go() {
    let emulator = with_tls().await;
    let port = emulator.tls_address().unwrap().port();
    // No port: 5671, where nobody listens.
    let string = tls_string(&emulator).replace(&format!(":{port}"), "");
    let options = trusting(&emulator).with_custom_endpoint(format!("127.0.0.1:{port}"));
    work(&EventHub::connect_with(&string, options).await.unwrap()).await;
}

#[tokio::test]
async fn a_port_without_tls_is_told_apart_from_one_that_is_not_trusted() {
    let emulator = Emulator::start().await.unwrap();
    let string = emulator.connection_string_for(HUB);
    let string = string.replace("UseDevelopmentEmulator=true;", "");
    let error = EventHub::connect(&string).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
}

#[tokio::test]
async fn root_certificates_that_are_none_are_refused() {
    let emulator = with_tls().await;
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let options = EventHubOptions::default().with_root_certificates(pem);
        let error = EventHub::connect_with(&tls_string(&emulator), options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidOptions, "{error}");
    }
}
