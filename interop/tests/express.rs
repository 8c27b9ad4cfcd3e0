//! The tutorial's two Express apps, unchanged but for connection string and hub name, against the
//! emulator.

use std::path::Path;
use std::sync::LazyLock;

use eventhubs_emulator::Emulator;
use eventhubs_interop::{Access, App, Sdk, emulator, get};
use tokio::sync::Mutex;

/// The apps listen on ports 3000 and 3001: one test at a time.
static PORTS: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Starts an app of the tutorial and waits until it listens.
async fn start(name: &str, emulator: &Emulator) -> App {
    let tutorial = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/tutorial");
    let source = std::fs::read_to_string(tutorial.join(name)).unwrap();
    let source = source
        .replace("<< CONNECTION STRING >>", &emulator.connection_string())
        .replace("<< EVENT HUB NAME >>", "eh1");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&copy, source).unwrap();
    let mut app = App::start(Sdk::Javascript.script(copy));
    let ready = app.line().await;
    assert!(ready.starts_with("Server running at "), "{ready}");
    app
}

#[tokio::test]
async fn events_sent_by_the_tutorials_producer_are_in_the_hub() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = PORTS.lock().await;
    let emulator = emulator().start().await.unwrap();
    let _producer = start("app.js", &emulator).await;
    assert_eq!(get(3000, "/send").await, "Events sent to Event Hub");
    let bodies: Vec<_> = emulator
        .received("eh1")
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
    let _ports = PORTS.lock().await;
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
    let _ports = PORTS.lock().await;
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
    let _ports = PORTS.lock().await;
    let emulator = emulator().start().await.unwrap();
    let access = Access::to(&emulator);
    let _holder = App::start(Sdk::Python.scenario("hold", &access));
    emulator.wait_for_receivers("eh1", 4).await;
    let mut consumer = start("consumer.js", &emulator).await;
    get(3001, "/receive").await;
    let error = consumer.error_line().await;
    assert!(error.starts_with("Error: "), "{error}");
    let told = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";
    assert!(error.contains(told), "{error}");
}

/// The tutorial's consumer, attached to all four partitions.
async fn receiving(emulator: &Emulator) -> App {
    let consumer = start("consumer.js", emulator).await;
    let answer = get(3001, "/receive").await;
    assert_eq!(answer, "Receiving events from Event Hub");
    emulator.wait_for_receivers("eh1", 4).await;
    consumer
}
