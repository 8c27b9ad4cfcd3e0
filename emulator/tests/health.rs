//! `GET /health` and `GET /metrics`.

mod support;

use eventhubs_emulator::{Emulator, HealthEndpoint, HubConfig, StartError};
use std::net::SocketAddr;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HEALTHY: &str = r#"{"status":"healthy","message":"Service is healthy."}"#;

/// Status, headers (in lower case) and body of the answer to a request.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let all = stream.read_to_string(&mut answer);
    timeout(PATIENCE, all).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

async fn with_health() -> (Emulator, SocketAddr) {
    let builder = Emulator::builder().health_port(0);
    let emulator = builder.start().await.unwrap();
    let address = emulator.health_address().unwrap();
    (emulator, address)
}

#[tokio::test]
async fn health_is_answered_as_the_official_emulator_does() {
    let (_emulator, address) = with_health().await;
    assert!(address.ip().is_loopback());
    let (status, head, body) = ask(address, "GET", "/health").await;
    assert_eq!((status, &*body), (200, HEALTHY));
    assert!(head.contains("content-type: application/json"), "{head}");
    let (status, head, body) = ask(address, "HEAD", "/health").await;
    assert_eq!((status, &*body), (200, ""));
    let length = format!("content-length: {}", HEALTHY.len());
    assert!(head.contains(&length), "{head}");
}

#[tokio::test]
async fn nothing_listens_unless_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    assert_eq!(emulator.health_address(), None);
}

#[tokio::test]
async fn an_endpoint_is_unhealthy_once_one_of_its_emulators_stops() {
    let (first, second) = (Emulator::start().await.unwrap(), Emulator::start().await);
    let emulators = [first, second.unwrap()];
    let health = HealthEndpoint::start(0, &emulators).unwrap();
    assert_eq!(ask(health.address(), "GET", "/health").await.0, 200);
    let [first, _second] = emulators;
    first.stop().await;
    let (status, _, body) = ask(health.address(), "GET", "/health").await;
    assert_eq!(status, 503);
    let unhealthy =
        r#"{"status":"unhealthy","message":"Service not available. Please try after some time."}"#;
    assert_eq!(body, unhealthy);
}

#[tokio::test]
async fn metrics_are_told_per_namespace_and_hub() {
    let emulator = Emulator::builder()
        .namespace("west")
        .hub(HubConfig::new("eh1"))
        .hub(HubConfig::new("other"))
        .health_port(0)
        .start()
        .await
        .unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    send(&mut sender, batch(None, ["one", "two"].map(event))).await;
    let (status, head, body) = ask(emulator.health_address().unwrap(), "GET", "/metrics").await;
    assert_eq!(status, 200);
    let content_type = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(head.contains(content_type), "{head}");
    for line in [
        "# TYPE eventhubs_incoming_messages_total counter",
        r#"eventhubs_incoming_messages_total{namespace="west",hub="eh1"} 2"#,
        r#"eventhubs_incoming_messages_total{namespace="west",hub="other"} 0"#,
        r#"eventhubs_incoming_bytes_total{namespace="west",hub="eh1"} 26"#,
        "# TYPE eventhubs_size_bytes gauge",
        r#"eventhubs_size_bytes{namespace="west",hub="eh1"} 40"#,
        // Two links to $cbs, and the token.
        r#"eventhubs_incoming_requests_total{namespace="west",hub="-NamespaceOnlyMetric-"} 3"#,
        r#"eventhubs_incoming_requests_total{namespace="west",hub="eh1"} 2"#,
        r#"eventhubs_user_errors_total{namespace="west",hub="eh1"} 0"#,
        r#"eventhubs_active_connections{namespace="west"} 1"#,
        r#"eventhubs_connections_opened_total{namespace="west"} 1"#,
    ] {
        assert!(body.lines().any(|l| l == line), "{line}\n{body}");
    }
}

#[tokio::test]
async fn every_sample_stands_under_a_head_of_its_name() {
    let (_emulator, address) = with_health().await;
    let (_, _, body) = ask(address, "GET", "/metrics").await;
    assert!(body.ends_with('\n'));
    let (mut help, mut family) = ("", "");
    let mut samples = 0;
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# HELP ") {
            help = head.split(' ').next().unwrap();
        } else if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            assert_eq!(name, help);
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            family = name;
        } else {
            assert_eq!(line.split('{').next(), Some(family));
            let value = line.rsplit(' ').next().unwrap();
            value.parse::<u64>().unwrap();
            samples += 1;
        }
    }
    assert_eq!(samples, 6 * 2 + 5 + 3);
}

#[tokio::test]
async fn other_requests_are_told_what_there_is() {
    let (_emulator, address) = with_health().await;
    let (status, _, body) = ask(address, "GET", "/").await;
    assert_eq!((status, &*body), (404, "there are /health and /metrics\n"));
    let (status, head, _) = ask(address, "POST", "/health").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head"), "{head}");
}

#[tokio::test]
async fn clients_that_hold_every_place_and_say_nothing_are_sent_away() {
    let (_emulator, address) = with_health().await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(ask(address, "GET", "/health").await.0, 200);
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, silent[0].read_to_end(&mut rest)).await;
    assert_eq!((end.unwrap().unwrap(), rest.len()), (0, 0));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (_emulator, address) = with_health().await;
    let second = Emulator::builder().health_port(address.port());
    match second.start().await {
        Err(StartError::PortTaken { port }) => assert_eq!(port, address.port()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_port_is_free_again_once_the_emulator_has_stopped() {
    let (emulator, address) = with_health().await;
    ask(address, "GET", "/health").await;
    emulator.stop().await;
    let again = Emulator::builder().health_port(address.port());
    again.start().await.unwrap();
}
