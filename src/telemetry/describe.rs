//! What recorders are told of each metric: its unit, and what it means.

use metrics::Unit;

use super::*;

/// Tells the recorder units and meanings of a producer's metrics.
pub(crate) fn describe_producer() {
    use metrics::describe_histogram as histogram;
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    counter!(SENT_MESSAGES, Unit::Count, "Events in attempts to send");
    histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "What an attempt to send, or a checkpoint, took"
    );
    gauge!(
        BUFFER_EVENTS,
        Unit::Count,
        "Room taken in the buffer, in events"
    );
    gauge!(
        BUFFER_BYTES,
        Unit::Bytes,
        "Room taken in the buffer, in bytes"
    );
    gauge!(
        BUFFER_MAX_EVENTS,
        Unit::Count,
        "The bound of the buffer, in events"
    );
    gauge!(
        BUFFER_MAX_BYTES,
        Unit::Bytes,
        "The bound of the buffer, in bytes"
    );
    gauge!(
        BUFFER_OLDEST_AGE,
        Unit::Seconds,
        "Age of the oldest batch in the buffer"
    );
    gauge!(BUFFER_WAITING, Unit::Count, "Callers who wait for room");
    gauge!(BUFFER_HALTED, Unit::Count, "Partitions that are halted");
    gauge!(
        BUFFER_PAUSED,
        Unit::Count,
        "Partitions that wait at the throttle gate"
    );
    histogram!(BUFFER_WAIT, Unit::Seconds, "A caller's wait for room");
    counter!(BATCHES, Unit::Count, "Batches that went to be sent");
    histogram!(BATCH_EVENTS, Unit::Count, "Events in a batch");
    histogram!(BATCH_BYTES, Unit::Bytes, "Encoded bytes of a batch");
    counter!(
        RETRIES,
        Unit::Count,
        "Attempts to be made again after an error"
    );
    counter!(
        THROTTLED,
        Unit::Count,
        "Attempts that the service refused as busy"
    );
    histogram!(
        THROTTLE_WAIT,
        Unit::Seconds,
        "A batch's wait at the throttle gate"
    );
    counter!(OUTCOMES, Unit::Count, "Events by what became of them");
}

/// Tells the recorder units and meanings of a limiter's metrics.
pub(crate) fn describe_limiter() {
    use metrics::describe_histogram as histogram;
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    // Their names end with their units, which exporters would append.
    gauge!(RATE_EVENTS, "Events per second that may pass");
    gauge!(RATE_BYTES, "Bytes per second that may pass");
    gauge!(TOKENS_EVENTS, Unit::Count, "Events that the bucket holds");
    gauge!(TOKENS_BYTES, Unit::Bytes, "Bytes that the bucket holds");
    histogram!(RATE_WAIT, Unit::Seconds, "A wait for tokens");
    counter!(
        RATE_THROTTLED,
        Unit::Count,
        "Refusals that the limiter was told of"
    );
}

/// Tells the recorder units and meanings of a consumer's metrics.
pub(crate) fn describe_consumer() {
    use metrics::describe_histogram as histogram;
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    counter!(CONSUMED_MESSAGES, Unit::Count, "Events received");
    histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "What an attempt to send, or a checkpoint, took"
    );
    gauge!(LAG_EVENTS, Unit::Count, "Events after the last one yielded");
    gauge!(LAG, Unit::Seconds, "Age of the events being yielded");
    gauge!(CREDIT, Unit::Count, "Events that may be under way");
    gauge!(
        PREFETCHED_EVENTS,
        Unit::Count,
        "Events fetched and not yielded"
    );
    gauge!(
        PREFETCHED_BYTES,
        Unit::Bytes,
        "Encoded bytes fetched and not yielded"
    );
    gauge!(GENERATION, Unit::Count, "The generation that owns it");
    gauge!(
        UNACKNOWLEDGED,
        Unit::Count,
        "Events yielded, from the first not acknowledged on"
    );
    gauge!(CHECKPOINT_AGE, Unit::Seconds, "Age of the last checkpoint");
    counter!(THEFTS, Unit::Count, "Takeovers by another receiver");
    counter!(REFUSALS, Unit::Count, "Refusals for another receiver");
    counter!(
        INTERRUPTIONS,
        Unit::Count,
        "Other faults of opening and receiving"
    );
}

/// Tells the recorder units and meanings of a processor's metrics.
pub(crate) fn describe_processor() {
    use metrics::describe_histogram as histogram;
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    gauge!(OWNED_PARTITIONS, Unit::Count, "Partitions owned");
    gauge!(
        UNOWNED_PARTITIONS,
        Unit::Count,
        "Partitions of the hub without an owner"
    );
    counter!(CLAIMS, Unit::Count, "Partitions claimed");
    counter!(LOST_RACES, Unit::Count, "Claims that others were faster at");
    counter!(LOSSES, Unit::Count, "Partitions lost");
    counter!(LATE_RENEWALS, Unit::Count, "Renewals that came late");
    histogram!(
        UNOWNED_TIME,
        Unit::Seconds,
        "How long claimed partitions were without an owner"
    );
    counter!(STORE_ERRORS, Unit::Count, "Calls of the store that failed");
}

/// Tells the recorder units and meanings of the metrics of handlers.
pub(crate) fn describe_processing() {
    use metrics::describe_histogram as histogram;
    use metrics::{describe_counter as counter, describe_gauge as gauge};
    histogram!(
        PROCESS_DURATION,
        Unit::Seconds,
        "What a handler took for one event"
    );
    counter!(
        PROCESS_SLOW,
        Unit::Count,
        "Handlers that were reported as slow"
    );
    gauge!(PROCESS_RUNNING, Unit::Count, "Handlers that run");
    gauge!(
        PROCESS_WAITING,
        Unit::Count,
        "Events that wait for their handler"
    );
}
