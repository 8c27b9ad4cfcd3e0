//! The texts are the service's, word for word.

use super::*;

#[test]
fn the_tracking_suffix_ends_the_text_as_the_service_writes_it() {
    let scope = Scope::hub("ns", "eh1").partition(2, 4).group("$Default");
    let text = invalid_partition(4).tracked(&scope).text;
    let (said, tracking) = text.split_once(" TrackingId:").unwrap();
    assert!(said.ends_with("between 0 and 3."));
    let (id, rest) = tracking.split_once(", SystemTracker:").unwrap();
    let hex = id.strip_suffix("_G0_B0").unwrap();
    assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let (tracker, timestamp) = rest.split_once(", Timestamp:").unwrap();
    assert_eq!(tracker, "ns:eventhub:eh1~24575|$default");
    assert_eq!(timestamp.len(), "2026-01-31T12:00:00".len());
}

#[test]
fn times_are_printed_as_dotnet_does() {
    for (time, printed) in [
        (Duration::from_secs(1800), "00:30:00"),
        (Duration::from_millis(250), "00:00:00.2500000"),
        (Duration::from_millis(86_400_001), "1.00:00:00.0010000"),
        (
            Duration::from_millis(u32::MAX.into()),
            "49.17:02:47.2950000",
        ),
    ] {
        assert_eq!(time_span(time), printed);
    }
}

#[test]
fn tracking_ids_differ() {
    let scope = Scope::hub("ns", "eh1");
    let error = || invalid_signature().tracked(&scope);
    assert_ne!(error(), error());
}

#[test]
fn a_partition_is_tracked_by_the_upper_end_of_its_hash_range() {
    let hub = Scope::hub("ns", "h");
    for (id, count, shown) in [
        (3, 32, "ns:eventhub:h~4095"),
        (18, 32, "ns:eventhub:h~19455"),
        (31, 32, "ns:eventhub:h~32766"),
        (0, 1024, "ns:eventhub:h~31"),
    ] {
        assert_eq!(hub.partition(id, count).to_string(), shown);
    }
    assert_eq!(hub.to_string(), "ns:eventhub:h~32766");
}

#[test]
fn texts_are_verbatim() {
    for (error, condition, text) in [
        (
            beyond_the_end("sequence number", 7, -1),
            "com.microsoft:argument-error",
            "The supplied sequence number '7' is invalid. The last sequence number in the system is '-1'",
        ),
        (
            invalid_partition(4),
            "com.microsoft:argument-out-of-range",
            "The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and 3.",
        ),
        (
            message_too_large(5, 1_048_577, 1_048_576),
            "amqp:link:message-size-exceeded",
            "The received message (delivery-id:5, size:1048577 bytes) exceeds the limit (1048576 bytes) currently allowed on the link.",
        ),
        (
            unauthorized("Listen", "sb://localhost/eh1"),
            "amqp:unauthorized-access",
            "Unauthorized access. 'Listen' claim(s) are required to perform this operation. Resource: 'sb://localhost/eh1'.",
        ),
        (
            expired_token(1_684_713_510),
            "com.microsoft:auth-failed",
            "ExpiredToken: The token is expired. Expiration time: '2023-05-21 23:58:30Z'",
        ),
    ] {
        assert_eq!((error.condition, error.text.as_str()), (condition, text));
    }
}

#[test]
fn a_throttled_entity_is_named_in_the_text_and_in_its_tracker() {
    let scope = Scope::hub("Ns1", "eh1").partition(0, 4);
    let ServiceError { condition, text } = server_busy(&scope, 50002, 4);
    assert_eq!(condition, "com.microsoft:server-busy");
    let (said, rest) = text.split_once(",LUT:").unwrap();
    assert_eq!(
        said,
        "The request was terminated because the entity is being throttled. Error code : 50002. Please wait 4 seconds and try again. To know more visit https://aka.ms/sbResourceMgrExceptionsS:N:NS1:EVENTHUB:EH1~8191,CL:2040,CC:2050,ACC:85870,LUR:IncomingBytes_ns1_409654-1"
    );
    assert!(rest.contains(".0000000Z,RC:210 TrackingId:"), "{rest}");
    assert!(rest.contains(", SystemTracker:Ns1:eventhub:eh1~8191, Timestamp:"));
}

#[test]
fn missing_entities_are_named() {
    let hub = hub_not_found("ns", "nope").text;
    assert!(hub.starts_with(
        "The messaging entity 'sb://ns.servicebus.windows.net/nope' could not be found."
    ));
    let group = group_not_found(&Scope::hub("ns", "eh1"), "nope").text;
    assert!(
        group.starts_with("The messaging entity 'ns:eventhub:eh1~32766|nope' could not be found.")
    );
}
