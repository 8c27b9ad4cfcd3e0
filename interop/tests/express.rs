//! The tutorial's two Express apps, unchanged but for connection string and hub name, against the
//! emulator.

#[path = "support/tutorial.rs"]
mod tutorial;

use eventhubs_interop::{Access, App, Sdk, emulator, get};
use tutorial::{ERROR, HUB, ports, receiving, start, wait_for_receivers};

#[tokio::test]
async fn events_sent_by_the_tutorials_producer_are_in_the_hub() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let _producer = start("app.js", &emulator).await;
    assert_eq!(get(3000, "/send").await, "Events sent to Event Hub");
    let bodies: Vec<_> = emulator
        .received(HUB)
        .into_iter()
        .map(|event| event.body)
        .collect();
    assert_eq!(bodies, [r#""First event""#, r#""Second event""#]);
}

#[tokio::test]
async fn the_tutorials_consumer_prints_what_the_tutorials_producer_sends() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let _producer = start("app.js", &emulator).await;
    let mut consumer = receiving(&emulator).await;
    get(3000, "/send").await;
    assert_eq!(consumer.line().await, "Received event: First event");
    assert_eq!(consumer.line().await, "Received event: Second event");
}

#[tokio::test]
async fn the_tutorials_consumer_prints_what_another_sdk_sends() {
    if !(Sdk::Javascript.is_installed() && Sdk::Python.is_installed()) {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let mut consumer = receiving(&emulator).await;
    Sdk::Python.run("single", &Access::to(&emulator)).await;
    assert_eq!(consumer.line().await, "Received event: alone");
}

#[tokio::test]
async fn the_tutorials_consumer_meets_the_tutorials_error_where_an_epoch_holds_the_hub() {
    if !(Sdk::Javascript.is_installed() && Sdk::Python.is_installed()) {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let access = Access::to(&emulator);
    let _holder = App::start(Sdk::Python.scenario("hold", &access));
    wait_for_receivers(&emulator, 4).await;
    let mut consumer = start("consumer.js", &emulator).await;
    get(3001, "/receive").await;
    let error = consumer.error_line().await;
    assert!(error.starts_with("Error: "), "{error}");
    assert!(error.contains(ERROR), "{error}");
}
