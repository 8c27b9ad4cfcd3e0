//! The tutorial's two Express apps, unchanged but for connection string and hub name.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use eventhubs_emulator::Emulator;
use eventhubs_interop::{App, Sdk, get};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) const HUB: &str = "eh1";

/// The error that the tutorial asks to explain.
pub(crate) const ERROR: &str = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";

/// The apps' ports, 3000 and 3001, for one test at a time.
pub(crate) async fn ports() -> MutexGuard<'static, ()> {
    static PORTS: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
    PORTS.lock().await
}

/// Starts an app of the tutorial and waits until it listens.
pub(crate) async fn start(name: &str, emulator: &Emulator) -> App {
    let tutorial = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/tutorial");
    let source = std::fs::read_to_string(tutorial.join(name)).unwrap();
    let source = source
        .replace("<< CONNECTION STRING >>", &emulator.connection_string())
        .replace("<< EVENT HUB NAME >>", HUB);
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&copy, source).unwrap();
    let mut app = App::start(Sdk::Javascript.script(copy));
    let ready = app.line().await;
    assert!(ready.starts_with("Server running at "), "{ready}");
    app
}

/// The tutorial's consumer, attached to all four partitions.
pub(crate) async fn receiving(emulator: &Emulator) -> App {
    let consumer = start("consumer.js", emulator).await;
    let answer = get(3001, "/receive").await;
    assert_eq!(answer, "Receiving events from Event Hub");
    wait_for_receivers(emulator, 4).await;
    consumer
}

/// Waits until the hub has so many receivers, in all groups.
pub(crate) async fn wait_for_receivers(emulator: &Emulator, count: usize) {
    let waiting = emulator.wait_for_receivers(HUB, count);
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("{:?}", emulator.receivers(HUB)));
}
