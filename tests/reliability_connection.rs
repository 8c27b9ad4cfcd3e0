//! The reliability bar, as far as connections go: each fault by its row, struck and survived.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::time::Duration;

use amqp_support::{HUB, batch, events, partition};
use eventhubs_emulator::{Emulator, Fault};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{ErrorKind, EventHub, EventHubOptions};
use tokio::time::timeout;

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

async fn connect_with(emulator: &Emulator, options: EventHubOptions) -> EventHub {
    let connection_string = emulator.connection_string_for(HUB);
    let hub = EventHub::connect_with(&connection_string, options).await;
    hub.unwrap()
}

#[tokio::test]
async fn row_23_credentials_that_are_refused_fail_every_call_at_once_and_without_a_storm() {
    let emulator = Emulator::start().await.unwrap();
    // A random part of ages: no second attempt within this test.
    let ages = Duration::from_secs(u32::MAX.into());
    let options = EventHubOptions::default().with_reconnect_backoff(ages, ages);
    let hub = connect_with(&emulator, options).await;
    let refused = emulator
        .faults()
        .inject(Fault::refuse_tokens(401, "InvalidSignature"));
    emulator.suspend().await;
    emulator.resume().await.unwrap();

    let producer = hub.producer();
    for _ in 0..20 {
        let sent = producer.send_batch(batch(partition(0), events(["a"])));
        let sent = timeout(PROMPT, sent).await.expect("told at once");
        let error = sent.unwrap_err().error;
        assert_eq!(error.kind(), &ErrorKind::Unauthorized, "{error}");
        assert!(error.to_string().contains("InvalidSignature"), "{error}");
    }
    assert_eq!(refused.struck(), 1, "asked once");
}

#[tokio::test]
async fn row_24_a_service_that_comes_back_is_found_again() {
    let emulator = Emulator::start().await.unwrap();
    let soon = Duration::from_millis(20);
    let options = EventHubOptions::default().with_reconnect_backoff(soon, soon);
    let hub = connect_with(&emulator, options).await;
    let producer = hub.producer();
    emulator.suspend().await;
    let sent = producer.send_batch(batch(partition(0), events(["lost"])));
    let error = timeout(PROMPT, sent).await.unwrap().unwrap_err().error;
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    assert!(error.is_retryable());
    emulator.resume().await.unwrap();
    let sent = producer.send_batch(batch(partition(0), events(["kept"])));
    timeout(PROMPT, sent).await.unwrap().unwrap();
    assert_eq!(emulator.event_count(HUB), 1);
    assert_eq!(hub.recoveries(), 1);
}
