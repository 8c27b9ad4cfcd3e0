//! The tutorial's two Express apps, unchanged but for connection string and hub name, against the
//! emulator.

use std::path::Path;
use std::sync::LazyLock;

use eventhubs_emulator::Emulator;
use eventhubs_interop::{App, Sdk, get};
use tokio::sync::Mutex;

/// The apps listen on ports 3000 and 3001: one test at a time.
static PORTS: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Starts an app of the tutorial and waits until it listens.
async fn start(sdk: &Sdk, name: &str, emulator: &Emulator) -> App {
    let tutorial = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/tutorial");
    let source = std::fs::read_to_string(tutorial.join(name)).unwrap();
    let source = source
        .replace("<< CONNECTION STRING >>", &emulator.connection_string())
        .replace("<< EVENT HUB NAME >>", "eh1");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&copy, source).unwrap();
    let mut app = App::start(sdk.command(copy));
    let ready = app.line().await;
    assert!(ready.starts_with("Server running at "), "{ready}");
    app
}

#[tokio::test]
async fn events_sent_by_the_tutorials_producer_are_in_the_hub() {
    let Some(javascript) = Sdk::javascript() else {
        return;
    };
    let _ports = PORTS.lock().await;
    let emulator = Emulator::start().await.unwrap();
    let _producer = start(javascript, "app.js", &emulator).await;
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
    let Some(javascript) = Sdk::javascript() else {
        return;
    };
    let _ports = PORTS.lock().await;
    let emulator = Emulator::start().await.unwrap();
    let _producer = start(javascript, "app.js", &emulator).await;
    let mut consumer = receiving(javascript, &emulator).await;
    get(3000, "/send").await;
    assert_eq!(consumer.line().await, "Received event: First event");
    assert_eq!(consumer.line().await, "Received event: Second event");
}

#[tokio::test]
async fn the_tutorials_consumer_prints_what_another_sdk_sends() {
    let (Some(javascript), Some(python)) = (Sdk::javascript(), Sdk::python()) else {
        return;
    };
    let _ports = PORTS.lock().await;
    let emulator = Emulator::start().await.unwrap();
    let mut consumer = receiving(javascript, &emulator).await;
    let hub = emulator.connection_string_for("eh1");
    python.run("single", &hub).await;
    assert_eq!(consumer.line().await, "Received event: alone");
}

#[tokio::test]
async fn the_tutorials_consumer_meets_the_tutorials_error_where_an_epoch_holds_the_hub() {
    let (Some(javascript), Some(python)) = (Sdk::javascript(), Sdk::python()) else {
        return;
    };
    let _ports = PORTS.lock().await;
    let emulator = Emulator::start().await.unwrap();
    let hub = emulator.connection_string_for("eh1");
    let _holder = App::start(python.scenario("hold", &hub));
    emulator.wait_for_receivers("eh1", 4).await;
    let mut consumer = start(javascript, "consumer.js", &emulator).await;
    get(3001, "/receive").await;
    let error = consumer.error_line().await;
    assert!(error.starts_with("Error: "), "{error}");
    let told = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";
    assert!(error.contains(told), "{error}");
}

/// The tutorial's consumer, attached to all four partitions.
async fn receiving(sdk: &Sdk, emulator: &Emulator) -> App {
    let consumer = start(sdk, "consumer.js", emulator).await;
    let answer = get(3001, "/receive").await;
    assert_eq!(answer, "Receiving events from Event Hub");
    emulator.wait_for_receivers("eh1", 4).await;
    consumer
}
