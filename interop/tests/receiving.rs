//! What is received is what was sent, in every SDK.

use std::time::UNIX_EPOCH;

use eventhubs_emulator::Emulator;
use eventhubs_interop::{Access, Sdk, for_every_sdk, for_sdks, run, run_with};
use serde_json::{Value, json};

for_every_sdk!(events_are_received_from_the_start_with_all_they_carry);
for_sdks!([javascript: Javascript, python: Python] events_pass_both_ways_over_a_secure_websocket);

async fn events_are_received_from_the_start_with_all_they_carry(sdk: Sdk) {
    if let Some((emulator, reports)) = run(sdk, "receive").await {
        assert_received(sdk, &emulator, &reports);
    }
}

async fn events_pass_both_ways_over_a_secure_websocket(sdk: Sdk) {
    if let Some((emulator, reports)) = run_with(sdk, "receive", Access::over_websocket).await {
        assert_received(sdk, &emulator, &reports);
    }
}

fn assert_received(sdk: Sdk, emulator: &Emulator, reports: &[Value]) {
    let events = emulator.received("eh1");
    assert_eq!((reports.len(), events.len()), (3, 3));
    for (n, (report, event)) in reports.iter().zip(&events).enumerate() {
        assert_eq!(report["body"], ["first", "second", "third"][n]);
        assert_eq!(report["sequence_number"], n);
        assert_eq!(report["offset"], event.offset);
        let enqueued = event.enqueued_time.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(report["enqueued"], enqueued.as_millis() as u64);
    }
    // azeventhubs has no way to set application properties.
    if sdk != Sdk::Azeventhubs {
        let properties = json!({ "text": "a", "number": 7, "flag": true });
        assert_eq!(reports[0]["properties"], properties);
    }
    assert_eq!(reports[0]["message_id"], "m1");
    assert_eq!(reports[0]["correlation_id"], "c1");
    assert_eq!(reports[0]["content_type"], "text/x");
}
