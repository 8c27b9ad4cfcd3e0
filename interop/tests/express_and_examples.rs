//! The tutorial's two Express apps and the library's examples `send` and `receive`, over one
//! emulator: each reads what the other sends, and each learns of the other what the service says.

#[path = "support/tutorial.rs"]
mod tutorial;

use eventhubs_emulator::Emulator;
use eventhubs_interop::{App, Sdk, emulator, example, get};
use tutorial::{ERROR, HUB, ports, receiving, start, wait_for_receivers};

const SENT: &str = "Events sent to Event Hub";
const RECEIVING: &str = "Receiving events from Event Hub";

/// An example that runs at an emulator's hub.
struct Example {
    app: App,
    port: u16,
}

impl Example {
    async fn start(name: &str, emulator: &Emulator) -> Self {
        Self::in_group("$Default", name, emulator).await
    }

    async fn in_group(group: &str, name: &str, emulator: &Emulator) -> Self {
        let mut command = example(name).await;
        command
            .env("EVENTHUB_CONNECTION_STRING", emulator.connection_string())
            .env("EVENTHUB_NAME", HUB)
            .env("EVENTHUB_CONSUMER_GROUP", group);
        let mut app = App::start(command);
        let port = loop {
            let line = app.line().await;
            if let Some(port) = line.strip_prefix("Server running at http://localhost:") {
                break port.trim_end_matches('/').parse().expect("a port");
            }
        };
        Self { app, port }
    }

    /// Our reader, once the hub has `receivers`, its own four among them.
    async fn receiving(group: &str, emulator: &Emulator, receivers: usize) -> Self {
        let receive = Self::in_group(group, "receive", emulator).await;
        assert_eq!(get(receive.port, "/receive").await, RECEIVING);
        wait_for_receivers(emulator, receivers).await;
        receive
    }
}

/// The next events that a reader prints, in the order of the alphabet: partitions have none.
async fn received(reader: &mut App, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let line = reader.line().await;
        events.extend(line.strip_prefix("Received event: ").map(str::to_owned));
    }
    events.sort();
    events
}

#[tokio::test]
async fn our_reader_prints_what_the_tutorials_producer_sends() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let _producer = start("app.js", &emulator).await;
    let mut receive = Example::receiving("$Default", &emulator, 4).await;
    assert_eq!(get(3000, "/send").await, SENT);
    let read = received(&mut receive.app, 2).await;
    assert_eq!(read, ["First event", "Second event"]);
}

#[tokio::test]
async fn the_tutorials_consumer_prints_what_our_producer_sends() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let mut consumer = receiving(&emulator).await;
    let send = Example::start("send", &emulator).await;
    assert_eq!(get(send.port, "/send").await, SENT);
    let read = received(&mut consumer, 2).await;
    assert_eq!(read, ["First event", "Second event"]);
}

#[tokio::test]
async fn side_by_side_in_two_consumer_groups_each_reads_what_both_producers_send() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let mut consumer = receiving(&emulator).await;
    let mut receive = Example::receiving("cg1", &emulator, 8).await;
    let _producer = start("app.js", &emulator).await;
    let send = Example::start("send", &emulator).await;

    assert_eq!(get(3000, "/send").await, SENT);
    assert_eq!(get(send.port, "/send").await, SENT);
    let sent = ["First event", "First event", "Second event", "Second event"];
    assert_eq!(received(&mut consumer, 4).await, sent);
    assert_eq!(received(&mut receive.app, 4).await, sent);
    assert_eq!(emulator.receivers(HUB).len(), 8, "nobody was displaced");
}

#[tokio::test]
async fn our_reader_displaces_the_tutorials_consumer_which_then_meets_the_tutorials_error() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let mut consumer = receiving(&emulator).await;
    let mut receive = Example::start("receive", &emulator).await;
    assert_eq!(get(receive.port, "/receive").await, RECEIVING);

    let told = consumer.error_line().await;
    assert!(told.starts_with("Error: "), "{told}");
    assert!(told.contains("New receiver '"), "{told}");
    assert!(
        told.contains("' is created hence current receiver '"),
        "{told}"
    );
    // It asks again, and others of its partitions may be taken in the meantime.
    loop {
        let error = consumer.error_line().await;
        if error.contains(ERROR) {
            break;
        }
        assert!(error.contains("New receiver '"), "{error}");
    }

    let send = Example::start("send", &emulator).await;
    assert_eq!(get(send.port, "/send").await, SENT);
    let read = received(&mut receive.app, 2).await;
    assert_eq!(read, ["First event", "Second event"]);
}

#[tokio::test]
async fn the_tutorials_consumer_is_refused_where_our_reader_reads_and_ours_reads_on() {
    if !Sdk::Javascript.is_installed() {
        return;
    }
    let _ports = ports().await;
    let emulator = emulator().start().await.unwrap();
    let mut receive = Example::receiving("$Default", &emulator, 4).await;
    let mut consumer = start("consumer.js", &emulator).await;
    assert_eq!(get(3001, "/receive").await, RECEIVING);
    let error = consumer.error_line().await;
    assert!(error.starts_with("Error: "), "{error}");
    assert!(error.contains(ERROR), "{error}");

    let _producer = start("app.js", &emulator).await;
    assert_eq!(get(3000, "/send").await, SENT);
    let read = received(&mut receive.app, 2).await;
    assert_eq!(read, ["First event", "Second event"]);
}
