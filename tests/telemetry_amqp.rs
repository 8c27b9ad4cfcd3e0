//! What a buffered producer tells over the wire.
#![cfg(feature = "amqp")]

#[path = "support/metrics.rs"]
mod readings;

use std::time::Duration;

use eventhubs_emulator::Emulator;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::{EventData, EventHub, PartitionId, telemetry};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;

#[tokio::test]
async fn metrics_name_the_hub_and_the_partition_that_took_the_events() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let emulator = Emulator::start().await.expect("an emulator");
    let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await;
    let hub = hub.expect("connected");
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await.expect("open");
    for _ in 0..20 {
        let event = EventData::new("event").with_target(PartitionId::new(1));
        producer.enqueue(event).await.expect("room");
    }
    let report = producer.close(Duration::from_secs(60)).await;
    assert_eq!((report.delivered, emulator.received("eh1").len()), (20, 20));

    let seen = Readings::take(&recorder.snapshotter());
    let there = [
        (telemetry::DESTINATION_NAME, "eh1"),
        (telemetry::DESTINATION_PARTITION_ID, "1"),
    ];
    assert_eq!(seen.counter(telemetry::SENT_MESSAGES, &there), 20);
    let durations = seen.histogram(telemetry::OPERATION_DURATION, &there);
    assert!(durations.iter().all(|seconds| *seconds > 0.0));
    assert!(!durations.is_empty());
    let delivered = [there[0], (telemetry::OUTCOME, "delivered")];
    assert_eq!(seen.counter(telemetry::OUTCOMES, &delivered), 20);
}
