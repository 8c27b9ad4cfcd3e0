//! The reliability bar, as far as sending goes: each fault by its row, struck and survived.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::time::Duration;

use amqp_support::{HUB, batch, events, partition, start};
use eventhubs_emulator::{Fault, When};
use eventhubs_flow::ErrorKind;
use eventhubs_flow::transport::TransportProducer;
use tokio::time::timeout;

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn row_2_a_connection_lost_before_the_acknowledgement_is_told_at_once() {
    let (emulator, hub) = start().await;
    let producer = hub.producer();
    let lost = emulator
        .faults()
        .inject(Fault::drop_connection(When::AfterStoring).times(1));
    let sent = timeout(
        PROMPT,
        producer.send_batch(batch(partition(0), events(["a"]))),
    )
    .await;
    let error = sent.expect("told at once").unwrap_err().error;
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    assert!(error.is_fate_unknown());
    assert_eq!(lost.struck(), 1);
    assert_eq!(emulator.event_count(HUB), 1, "it was stored");
}
