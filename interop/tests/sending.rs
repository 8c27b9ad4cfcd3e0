//! What is sent arrives, from every SDK.

use eventhubs_interop::{Sdk, for_every_sdk, run};
use serde_json::json;

for_every_sdk!(
    hub_and_partition_properties_are_read,
    a_batch_arrives_whole_and_in_order_at_its_partition,
    a_single_event_arrives,
    keyed_events_arrive_with_their_key_and_one_key_at_one_partition,
    events_of_many_frames_pass_both_ways,
);

async fn hub_and_partition_properties_are_read(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "properties").await else {
        return;
    };
    let last = emulator.received("eh1")[1].offset.clone();
    assert!(reports[0]["created"].as_u64() > Some(1_700_000_000));
    assert_eq!(reports[0]["hub"], "eh1");
    assert_eq!(reports[0]["partitions"], json!(["0", "1", "2", "3"]));
    assert_eq!(
        reports[1..],
        [
            json!({ "hub": "eh1", "partition": "0", "empty": true, "beginning": 0, "last": -1, "offset": "-1" }),
            json!({ "hub": "eh1", "partition": "0", "empty": false, "beginning": 0, "last": 1, "offset": last }),
        ]
    );
}

async fn a_batch_arrives_whole_and_in_order_at_its_partition(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "batch").await else {
        return;
    };
    assert_eq!(reports[0]["count"], 100);
    if sdk != Sdk::Official {
        assert_eq!(reports[0]["max_size"], 1_048_576);
    }
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 100);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event.partition, 1);
        assert_eq!(event.sequence_number, n as i64);
        assert_eq!(event.body, format!("event {n}"));
        assert_eq!(event.partition_key, None);
    }
}

async fn a_single_event_arrives(sdk: Sdk) {
    let Some((emulator, _)) = run(sdk, "single").await else {
        return;
    };
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, "alone");
}

async fn keyed_events_arrive_with_their_key_and_one_key_at_one_partition(sdk: Sdk) {
    let Some((emulator, _)) = run(sdk, "keyed").await else {
        return;
    };
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 5);
    for event in &events {
        let key = event.partition_key.as_deref().unwrap();
        assert_eq!(event.body, key);
        // What the .NET and JavaScript SDKs' hash gives for four partitions.
        let partition = match key {
            "device1" | "日本語" => 1,
            "device3" => 0,
            "device4" => 2,
            _ => panic!("{key}"),
        };
        assert_eq!(event.partition, partition, "{key}");
    }
}

async fn events_of_many_frames_pass_both_ways(sdk: Sdk) {
    let Some((emulator, reports)) = run(sdk, "large").await else {
        return;
    };
    assert_eq!(reports, vec![json!({ "intact": true }); 4]);
    assert_eq!(emulator.event_count("eh1"), 4);
}
