//! What each SDK makes of a refusal: the table in `README.md`, which the tests hold the SDKs to.

use std::fmt::Write;

use serde_json::Value;

use crate::Sdk;
use Sdk::{Azeventhubs, Javascript, Official, Python};

/// How long anything may take that is not tried again, in seconds, on a busy machine.
const AT_ONCE: f64 = 10.0;

/// One refusal, and what became of it in an SDK.
struct Row {
    case: &'static str,
    sdk: Sdk,
    /// The error's type; `None`: the SDK reported none.
    kind: Option<&'static str>,
    /// How the error's message begins.
    message: &'static str,
    /// Whether the text of the service is in the message.
    told: bool,
    /// Whether the SDK tried again, as its back-off tells.
    retried: bool,
    /// Seconds, as once measured.
    seconds: f64,
}

/// What the service says in each case.
const TEXTS: &[(&str, &str)] = &[
    (
        THEFT_EQUAL,
        "with higher epoch of '2' is created hence current receiver",
    ),
    (
        THEFT_HIGHER,
        "with higher epoch of '3' is created hence current receiver",
    ),
    (
        LOWER,
        "with epoch 1 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.",
    ),
    (
        NON_EPOCH,
        "At least one receiver for the endpoint is created with epoch of '2', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.",
    ),
    (
        SIXTH,
        "Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5. List of connected receivers - ",
    ),
    (SEND_BAD, BAD_PARTITION),
    (READ_BAD, BAD_PARTITION),
    (ASK_NOPE, NOT_FOUND),
    (SEND_NOPE, NOT_FOUND),
    (ASK_KEY, INVALID),
    (SEND_KEY, INVALID),
    (ASK_EXPIRED, EXPIRED),
    (SEND_EXPIRED, EXPIRED),
    (
        OVERSIZE,
        "exceeds the limit (1048576 bytes) currently allowed on the link.",
    ),
    (
        THROTTLED,
        "The request was terminated because the entity is being throttled. Error code : 50002. Please wait 4 seconds and try again.",
    ),
];
const BAD_PARTITION: &str = "The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and 3.";
const NOT_FOUND: &str =
    "The messaging entity 'sb://emulatorNs1.servicebus.windows.net/nope' could not be found.";
const INVALID: &str = "InvalidSignature: The token has an invalid signature.";
const EXPIRED: &str = "ExpiredToken: ";

/// A reader of epoch 2, another of epoch 2 comes.
pub const THEFT_EQUAL: &str = "theft by an equal epoch";
/// A reader of epoch 2, another of epoch 3 comes.
pub const THEFT_HIGHER: &str = "theft by a higher epoch";
/// A reader of epoch 2 is there, one of epoch 1 is refused.
pub const LOWER: &str = "a lower epoch";
/// A reader of epoch 2 is there, one without is refused.
pub const NON_EPOCH: &str = "no epoch, where one reads";
/// Five readers without an epoch are there.
pub const SIXTH: &str = "a sixth reader";
/// A send to partition 9 of 4.
pub const SEND_BAD: &str = "a send to a bad partition";
/// A read from partition 9 of 4.
pub const READ_BAD: &str = "a read from a bad partition";
/// The properties of a hub that is not there.
pub const ASK_NOPE: &str = "properties of an unknown hub";
/// A send to a hub that is not there.
pub const SEND_NOPE: &str = "a send to an unknown hub";
/// The properties, with a wrong key.
pub const ASK_KEY: &str = "properties with a wrong key";
/// A send, with a wrong key.
pub const SEND_KEY: &str = "a send with a wrong key";
/// The properties, with a token of old.
pub const ASK_EXPIRED: &str = "properties with an expired token";
/// A send, with a token of old.
pub const SEND_EXPIRED: &str = "a send with an expired token";
/// A send of 1.2 MB.
pub const OVERSIZE: &str = "an event over the size limit";
/// A second batch of 1000 events within a second, where one throughput unit takes 1000.
pub const THROTTLED: &str = "a throttled batch";

macro_rules! rows {
    ($($case:ident { $($sdk:ident $kind:tt $message:literal $told:ident $retried:ident $seconds:literal;)+ })+) => {
        &[$($(Row {
            case: $case,
            sdk: $sdk,
            kind: rows!(@kind $kind),
            message: $message,
            told: rows!(@told $told),
            retried: rows!(@retried $retried),
            seconds: $seconds,
        }),+),+]
    };
    (@kind -) => { None };
    (@kind $kind:literal) => { Some($kind) };
    (@told told) => { true };
    (@told hidden) => { false };
    (@retried retried) => { true };
    (@retried once) => { false };
}

const ROWS: &[Row] = rows! {
    THROTTLED {
        Javascript - "" hidden retried 1.2;
        Python "EventDataSendError" "The request was terminated because the entity is being throttled." told once 0.1;
        Official - "" hidden retried 1.9;
        Azeventhubs - "" hidden once 1.7;
    }
    OVERSIZE {
        Javascript "MessageTooLargeError" "The received message (delivery-id:" told once 0.2;
        Python "EventDataSendError" "The received message (delivery-id:" told once 0.8;
        Official "AmqpError" "AMQP Error: AMQP Error: AMQP Described Error: condition: LinkPayloadSizeExceeded" told once 0.2;
        Azeventhubs - "" hidden once 1.7;
    }
    THEFT_EQUAL {
        Javascript "ReceiverDisconnectedError" "New receiver '" told once 0.1;
        Python "ConnectionLostError" "New receiver '" told once 0.1;
        Official "ConsumerDisconnected" "Consumer disconnected by broker (partition stolen): " told once 0.1;
        Azeventhubs - "" hidden retried 10.0;
    }
    THEFT_HIGHER {
        Javascript "ReceiverDisconnectedError" "New receiver '" told once 0.1;
        Python "ConnectionLostError" "New receiver '" told once 0.1;
        Official "ConsumerDisconnected" "Consumer disconnected by broker (partition stolen): " told once 0.1;
        Azeventhubs - "" hidden retried 10.0;
    }
    LOWER {
        Javascript "ReceiverDisconnectedError" "Receiver '" told once 0.1;
        Python "ConnectionLostError" "Receiver '" told once 1.6;
        Official "ConsumerDisconnected" "Consumer disconnected by broker (partition stolen): " told once 0.2;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: LinkError(Stolen)" told retried 11.8;
    }
    NON_EPOCH {
        Javascript "ReceiverDisconnectedError" "At least one receiver" told once 0.1;
        Python "ConnectionLostError" "At least one receiver" told once 1.5;
        Official "ConsumerDisconnected" "Consumer disconnected by broker (partition stolen): " told once 0.1;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: LinkError(Stolen)" told retried 11.7;
    }
    SIXTH {
        Javascript "QuotaExceededError" "Exceeded the maximum number" told once 0.1;
        Python "ConnectionLostError" "Exceeded the maximum number" told once 1.5;
        Official "AmqpError" "AMQP Error: AMQP Error: AMQP Described Error: condition: ResourceLimitExceeded" told once 0.1;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: AmqpError(ResourceLimitExceeded)" told retried 11.8;
    }
    SEND_BAD {
        Javascript "ArgumentOutOfRangeError" "The specified partition is invalid" told once 0.3;
        Python "ConnectError" "Invalid partition 9 for the event hub eh1" hidden once 0.9;
        Official "AmqpError" "AMQP Error: AMQP Error: AMQP Described Error: condition: ArgumentOutOfRangeError" told once 0.2;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: Custom(Symbol(\"com.microsoft:argument-out-of-range\"))" told retried 11.7;
    }
    READ_BAD {
        Javascript "ArgumentOutOfRangeError" "The specified partition is invalid" told once 0.1;
        Python "ValueError" "Wrong partition id:9. The eventhub has partitions: " hidden once 0.5;
        Official "AmqpError" "AMQP Error: AMQP Error: AMQP Described Error: condition: ArgumentOutOfRangeError" told once 0.2;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: Custom(Symbol(\"com.microsoft:argument-out-of-range\"))" told retried 11.7;
    }
    ASK_NOPE {
        Javascript "MessagingEntityNotFoundError" "The messaging entity '" told once 0.2;
        Python "ConnectError" "Management connection failed. Status code: 404" hidden retried 3.1;
        Official "AmqpError" "AMQP Error: AMQP Error: Management API returned status code: 404" told once 0.2;
        Azeventhubs "Io" "Decoding Message failed" hidden retried 11.6;
    }
    SEND_NOPE {
        Javascript "MessagingEntityNotFoundError" "The messaging entity '" told once 0.1;
        Python "ConnectError" "Management connection failed. Status code: 404" hidden retried 6.3;
        Official "AmqpError" "AMQP Error: AMQP Error: AMQP Described Error: condition: NotFound" told once 0.2;
        Azeventhubs "Io" "Remote peer closed with error Error { condition: AmqpError(NotFound)" told retried 11.9;
    }
    ASK_KEY {
        Javascript "AggregateError" "" hidden retried 1.6;
        Python "AuthenticationError" "CBS Token authentication failed." hidden retried 3.1;
        Official "AmqpError" "AMQP Error: AMQP Error: Azure Core Error: Error authorizing management path" hidden once 0.2;
        Azeventhubs "Io" "Decoding Message failed" hidden retried 11.6;
    }
    SEND_KEY {
        Javascript "AggregateError" "" hidden retried 7.6;
        Python "AuthenticationError" "CBS Token authentication failed." hidden retried 6.3;
        Official "AmqpError" "AMQP Error: AMQP Error: Management API returned status code: 401" told once 0.1;
        Azeventhubs "Other" "StatusError {code: StatusCode(401)" told retried 11.7;
    }
    ASK_EXPIRED {
        Javascript "AggregateError" "" hidden retried 1.7;
        Python "AuthenticationError" "CBS Token authentication failed." hidden retried 3.1;
        Official "AmqpError" "AMQP Error: AMQP Error: Azure Core Error: Error authorizing management path" hidden once 0.1;
        Azeventhubs "Io" "Decoding Message failed" hidden retried 11.6;
    }
    SEND_EXPIRED {
        Javascript "AggregateError" "" hidden retried 7.7;
        Python "AuthenticationError" "CBS Token authentication failed." hidden retried 6.3;
        Official "AmqpError" "AMQP Error: AMQP Error: Azure Core Error: pre-formed SharedAccessSignature has expired" hidden once 0.1;
        Azeventhubs "Other" "StatusError {code: StatusCode(401)" told retried 11.7;
    }
};

/// Asserts that a report is what the table says of the case and the SDK.
///
/// # Panics
///
/// If it is not, or the table says nothing.
pub fn assert_expected(case: &str, sdk: Sdk, report: &Value) {
    let row = ROWS.iter().find(|row| row.case == case && row.sdk == sdk);
    let row = row.unwrap_or_else(|| panic!("{case}, {sdk:?}: not in the table"));
    let message = report["message"].as_str().unwrap_or_default();
    let text = TEXTS.iter().find(|(of, _)| *of == case);
    let (_, text) = text.expect("each case has a text");
    let seconds = report["seconds"].as_f64().expect("a time in each report");
    let place = format!("{case}, {sdk:?}: {report}");
    assert_eq!(report["type"].as_str(), row.kind, "{place}");
    assert!(message.starts_with(row.message), "{place}");
    assert_eq!(message.contains(text), row.told, "{place}");
    if row.retried {
        assert!(seconds > row.seconds / 2.0, "{place}");
    } else {
        assert!(seconds < AT_ONCE, "{place}");
    }
}

/// The table in Markdown, as `README.md` shows it.
#[must_use]
pub fn table() -> String {
    let mut table = String::from(
        "| what | SDK | error | its message begins | has the service's text | tried again | seconds |\n|---|---|---|---|---|---|---|\n",
    );
    for row in ROWS {
        let yes = |is| if is { "yes" } else { "no" };
        let (kind, message, told) = match row.kind {
            Some(kind) => (format!("`{kind}`"), row.message, yes(row.told)),
            None => ("none".to_owned(), "", ""),
        };
        let message = match message {
            "" => String::new(),
            message => format!("`{}`", message.trim_end()),
        };
        let (case, sdk, again, seconds) = (row.case, row.sdk.name(), yes(row.retried), row.seconds);
        writeln!(
            table,
            "| {case} | {sdk} | {kind} | {message} | {told} | {again} | {seconds} |"
        )
        .expect("a string takes all");
    }
    table
}
