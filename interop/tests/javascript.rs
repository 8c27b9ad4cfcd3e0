//! Microsoft's JavaScript SDK against the emulator, with nothing but a connection string.

use eventhubs_emulator::Emulator;
use eventhubs_interop::Sdk;
use serde_json::{Value, json};

/// Runs a scenario against a fresh emulator; `None` where the SDK is missing.
async fn run(scenario: &str) -> Option<(Emulator, Vec<Value>)> {
    let sdk = Sdk::javascript()?;
    let emulator = Emulator::start().await.unwrap();
    let connection_string = emulator.connection_string_for("eh1");
    let reports = sdk.run(scenario, &connection_string).await;
    Some((emulator, reports))
}

/// Asserts that an error is what the SDK makes of a link that was stolen or refused.
fn assert_disconnected(error: &Value, text: &str) {
    assert_eq!(error["name"], "MessagingError");
    assert_eq!(error["code"], "ReceiverDisconnectedError");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(text), "{message}");
}

#[tokio::test]
async fn hub_and_partition_properties_are_read() {
    let Some((emulator, reports)) = run("properties").await else {
        return;
    };
    let [hub, empty, filled] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(hub["name"], "eh1");
    assert_eq!(hub["partitionIds"], json!(["0", "1", "2", "3"]));
    assert!(hub["createdOn"].as_str().unwrap().starts_with("20"));
    assert_eq!(empty["eventHubName"], "eh1");
    assert_eq!(empty["partitionId"], "0");
    assert_eq!(empty["isEmpty"], true);
    assert_eq!(empty["lastEnqueuedSequenceNumber"], -1);
    assert_eq!(empty["lastEnqueuedOffset"], "-1");
    assert_eq!(filled["isEmpty"], false);
    assert_eq!(filled["beginningSequenceNumber"], 0);
    assert_eq!(filled["lastEnqueuedSequenceNumber"], 1);
    let last = &emulator.received("eh1")[1];
    assert_eq!(filled["lastEnqueuedOffset"], last.offset);
}

#[tokio::test]
async fn a_batch_arrives_whole_and_in_order_at_its_partition() {
    let Some((emulator, reports)) = run("batch").await else {
        return;
    };
    assert_eq!(
        reports,
        [json!({ "count": 100, "maxSizeInBytes": 1_048_576 })]
    );
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 100);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event.partition, 1);
        assert_eq!(event.sequence_number, n as i64);
        assert_eq!(event.body, format!(r#""event {n}""#));
        assert_eq!(event.partition_key, None);
    }
}

#[tokio::test]
async fn a_single_event_arrives() {
    let Some((emulator, _)) = run("single").await else {
        return;
    };
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, "alone");
}

#[tokio::test]
async fn keyed_events_arrive_with_their_key_and_one_key_at_one_partition() {
    let Some((emulator, _)) = run("keyed").await else {
        return;
    };
    let events = emulator.received("eh1");
    assert_eq!(events.len(), 5);
    for event in &events {
        let key = event.partition_key.as_deref().unwrap();
        assert_eq!(event.body, key);
        // What the SDK's own hash gives for four partitions.
        let partition = match key {
            "device1" | "日本語" => 1,
            "device3" => 0,
            "device4" => 2,
            _ => panic!("{key}"),
        };
        assert_eq!(event.partition, partition, "{key}");
    }
}

#[tokio::test]
async fn events_of_many_frames_pass_both_ways() {
    let Some((emulator, reports)) = run("large").await else {
        return;
    };
    assert_eq!(reports, vec![json!({ "intact": true }); 4]);
    assert_eq!(emulator.event_count("eh1"), 4);
}

#[tokio::test]
async fn events_are_received_from_the_start_with_all_they_carry() {
    let Some((emulator, reports)) = run("receive").await else {
        return;
    };
    let events = emulator.received("eh1");
    assert_eq!(reports.len(), 3);
    for (n, (report, event)) in reports.iter().zip(&events).enumerate() {
        assert_eq!(report["sequenceNumber"], n);
        assert_eq!(report["offset"], event.offset);
        let enqueued = event.enqueued_time.duration_since(std::time::UNIX_EPOCH);
        assert_eq!(report["enqueuedTime"], enqueued.unwrap().as_millis() as u64);
    }
    assert_eq!(reports[0]["body"], json!({ "text": "first" }));
    assert_eq!(
        reports[0]["properties"],
        json!({ "text": "a", "number": 7, "flag": true })
    );
    assert_eq!(reports[0]["messageId"], "m1");
    assert_eq!(reports[0]["correlationId"], "c1");
    assert_eq!(reports[0]["contentType"], "text/x");
    assert_eq!(reports[1]["body"], "second");
    assert_eq!(reports[2]["body"], "third");
}

#[tokio::test]
async fn an_equal_and_a_higher_epoch_displace_the_reader_with_the_services_text() {
    let Some((_emulator, reports)) = run("theft").await else {
        return;
    };
    let [equal, equal_reads, higher, higher_reads] = &reports[..] else {
        panic!("{reports:?}");
    };
    for (report, level) in [(equal, 2), (higher, 3)] {
        let error = &report["displaced"];
        assert_eq!(error["code"], "ReceiverDisconnectedError");
        let message = error["message"].as_str().unwrap();
        let told = format!("with higher epoch of '{level}' is created hence current receiver");
        assert!(message.starts_with("New receiver '"), "{message}");
        assert!(message.contains(&told), "{message}");
        assert!(message.contains("with epoch '2' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used. TrackingId:"), "{message}");
    }
    for report in [equal_reads, higher_reads] {
        assert_eq!(report["thiefReads"], "one");
    }
}

#[tokio::test]
async fn a_lower_and_a_missing_epoch_are_refused_with_the_services_texts() {
    let Some((_emulator, reports)) = run("refusal").await else {
        return;
    };
    let [lower, missing, holder] = &reports[..] else {
        panic!("{reports:?}");
    };
    let lower = &lower["refused"];
    assert_eq!(lower["code"], "ReceiverDisconnectedError");
    let message = lower["message"].as_str().unwrap();
    assert!(
        message.contains("with a higher epoch '2' already exists."),
        "{message}"
    );
    assert!(message.contains("with epoch 1 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected. TrackingId:"), "{message}");
    assert_disconnected(
        &missing["refused"],
        "At least one receiver for the endpoint is created with epoch of '2', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected. TrackingId:",
    );
    assert_eq!(holder["holderStillReads"], "two");
}

#[tokio::test]
async fn a_wrong_key_is_unauthorized() {
    let Some((_emulator, reports)) = run("wrongKey").await else {
        return;
    };
    let error = &reports[0]["refused"];
    assert_eq!(error["code"], "UnauthorizedError");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("InvalidSignature: "), "{message}");
}

#[tokio::test]
async fn an_unknown_hub_is_not_found() {
    let Some((emulator, reports)) = run("unknownHub").await else {
        return;
    };
    let error = &reports[0]["refused"];
    assert_eq!(error["code"], "MessagingEntityNotFoundError");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("The messaging entity "), "{message}");
    assert!(message.contains("/nope' could not be found."), "{message}");
    assert_eq!(emulator.event_count("eh1"), 0);
}
