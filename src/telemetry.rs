//! What can be seen from outside: every metric, span and event by name.
//!
//! Metrics go to the recorder of the [`metrics`] facade, which a program installs
//! (any exporter of that ecosystem); spans and events go to its `tracing`
//! subscriber. Without either, the `snapshot()` of
//! [`BufferedProducer`](crate::producer::buffered::BufferedProducer::snapshot),
//! [`RateLimiter`](crate::producer::rate_limited::RateLimiter::snapshot),
//! [`ThrottleGate`](crate::producer::ThrottleGate::snapshot),
//! [`EpochSafeConsumer`](crate::consumer::epoch_safe::ConsumerHandle::snapshot) and
//! [`EventProcessor`](crate::consumer::processor::EventProcessor::snapshot) tells
//! the same.
//!
//! The example `monitoring` shows both on a live page; `examples/monitoring` in the
//! repository holds alert rules for Prometheus and a dashboard for Grafana.
//!
//! **Install the recorder first**: a producer and a limiter look up their metrics
//! when they are made, so that a batch costs a few atomic operations.
//!
//! No label, field or message holds an event's body, property or key, or a
//! credential. Nothing is told per event: only per batch, per wait, once a second
//! while a buffer holds something, or per handler of a received event.
//!
//! # Metrics
//! Two are those of the OpenTelemetry semantic conventions for messaging. They
//! are told by a buffered producer, once for each attempt; a wait for the rate
//! limit below it is part of the attempt.
//!
//! | name | kind, unit | what | labels |
//! |---|---|---|---|
//! | [`SENT_MESSAGES`] | counter, {message} | events in attempts | hub, partition, operation, error |
//! | [`OPERATION_DURATION`] | histogram, s | what an attempt took | hub, partition, operation, operation type, error |
//!
//! Those of a buffered producer have the labels hub and name, and:
//!
//! | name | kind, unit | what | labels |
//! |---|---|---|---|
//! | [`BUFFER_EVENTS`] | gauge, {event} | room taken: events without an outcome, and reserved room | |
//! | [`BUFFER_BYTES`] | gauge, By | the same in bytes, 128 for each event included | |
//! | [`BUFFER_MAX_EVENTS`] | gauge, {event} | the bound of the events | |
//! | [`BUFFER_MAX_BYTES`] | gauge, By | the bound of the bytes | |
//! | [`BUFFER_OLDEST_AGE`] | gauge, s | how long the oldest batch without an outcome has had events | |
//! | [`BUFFER_WAITING`] | gauge, {caller} | who waits for room | |
//! | [`BUFFER_HALTED`] | gauge, {partition} | partitions that are halted | |
//! | [`BUFFER_PAUSED`] | gauge, {partition} | partitions that wait at the throttle gate | |
//! | [`BUFFER_WAIT`] | histogram, s | a caller's wait for room, however it ended | |
//! | [`BATCHES`] | counter, {batch} | batches that went to be sent | what closed them |
//! | [`BATCH_EVENTS`] | histogram, {event} | events in one | |
//! | [`BATCH_BYTES`] | histogram, By | encoded bytes of one | |
//! | [`RETRIES`] | counter, {attempt} | attempts to be made again after an error | |
//! | [`THROTTLED`] | counter, {attempt} | attempts that the service refused as busy | |
//! | [`THROTTLE_WAIT`] | histogram, s | a batch's wait at the throttle gate | |
//! | [`OUTCOMES`] | counter, {event} | events by what became of them | outcome |
//!
//! The gauges are set once a second while there is something to tell, and when a
//! producer closes or goes. The other ones move as it happens.
//!
//! Those of a rate limiter have the label name:
//!
//! | name | kind, unit | what |
//! |---|---|---|
//! | [`RATE_EVENTS`] | gauge, {event}/s | the limit in force |
//! | [`RATE_BYTES`] | gauge, By/s | the limit in force |
//! | [`TOKENS_EVENTS`] | gauge, {event} | what the bucket holds |
//! | [`TOKENS_BYTES`] | gauge, By | what the bucket holds |
//! | [`RATE_WAIT`] | histogram, s | a wait for tokens, the turn included, however it ended |
//! | [`RATE_THROTTLED`] | counter, {refusal} | refusals that the limiter was told of |
//!
//! Its gauges are set when a batch passes a
//! [`RateLimitedProducer`](crate::producer::rate_limited::RateLimitedProducer),
//! when an [`acquire`](crate::producer::rate_limited::RateLimiter::acquire) has
//! waited, at a refusal and at a change of the limit.
//!
//! Those of an epoch-safe consumer have the labels hub, consumer group and
//! partition:
//!
//! | name | kind, unit | what | more labels |
//! |---|---|---|---|
//! | [`CONSUMED_MESSAGES`] | counter, {message} | events received; of OpenTelemetry, as is the next | operation |
//! | [`OPERATION_DURATION`] | histogram, s | what writing a checkpoint took | operation, operation type, error |
//! | [`LAG_EVENTS`] | gauge, {event} | events in the hub after the last one yielded | |
//! | [`LAG`] | gauge, s | how long ago the events being yielded were stored | |
//! | [`CREDIT`] | gauge, {event} | events that may be under way | |
//! | [`PREFETCHED_EVENTS`] | gauge, {event} | events fetched and not yielded | |
//! | [`PREFETCHED_BYTES`] | gauge, By | their encoded bytes | |
//! | [`GENERATION`] | gauge | the generation that owns the partition, 0 for none | |
//! | [`UNACKNOWLEDGED`] | gauge, {event} | events yielded, from the first not acknowledged on | |
//! | [`CHECKPOINT_AGE`] | gauge, s | how long ago the last checkpoint was stored | |
//! | [`THEFTS`] | counter, {theft} | how often another receiver took the partition | |
//! | [`REFUSALS`] | counter, {refusal} | how often another receiver stood in the way | |
//! | [`INTERRUPTIONS`] | counter, {fault} | other faults of opening and receiving | error |
//!
//! The gauges are set when events come, when a partition is opened or fails, and
//! twice in each liveness time-out.
//!
//! Those of an event processor have the labels hub and consumer group, and:
//!
//! | name | kind, unit | what | labels |
//! |---|---|---|---|
//! | [`OWNED_PARTITIONS`] | gauge, {partition} | partitions that this process owns | |
//! | [`UNOWNED_PARTITIONS`] | gauge, {partition} | partitions of the hub without an owner that is heard of, after a cycle | |
//! | [`CLAIMS`] | counter, {claim} | partitions claimed | from whom |
//! | [`LOST_RACES`] | counter, {claim} | claims that others were faster at | |
//! | [`LOSSES`] | counter, {loss} | partitions that others took or that could not be renewed in time | by what |
//! | [`LATE_RENEWALS`] | counter, {renewal} | renewals more than a third of the expiry after the one before | |
//! | [`UNOWNED_TIME`] | histogram, s | how long a partition that was claimed had been without an owner | |
//! | [`STORE_ERRORS`] | counter, {call} | calls of the store that failed | operation, error |
//!
//! The gauges are set in each cycle, and when a partition goes.
//!
//! Those of
//! [`process_concurrently`](crate::consumer::EventStream::process_concurrently)
//! have the label system. The first is of the semantic conventions, too:
//!
//! | name | kind, unit | what | labels |
//! |---|---|---|---|
//! | [`PROCESS_DURATION`] | histogram, s | what a handler took; not told of an aborted one | partition, operation, error |
//! | [`PROCESS_SLOW`] | counter, {event} | handlers that were reported as slow | partition, operation |
//! | [`PROCESS_RUNNING`] | gauge, {event} | handlers that run | |
//! | [`PROCESS_WAITING`] | gauge, {event} | events that wait for their key's turn or a free place | |
//!
//! Its gauges move as it happens, and are sums over all such streams. Durations are
//! told when the stream is polled: only then is known whether the event was fenced.
//!
//! # Labels
//! | label | what |
//! |---|---|
//! | [`SYSTEM`] | always [`EVENT_HUBS`]; on all that have a hub, and on handlers |
//! | [`DESTINATION_NAME`] | the hub |
//! | [`DESTINATION_PARTITION_ID`] | the partition, a decimal number |
//! | [`CONSUMER_GROUP_NAME`] | the consumer group |
//! | [`OPERATION_NAME`] | `send`, `receive`, `checkpoint` or `process`; of a processor's store `list`, `claim`, `renew` or `release` |
//! | [`OPERATION_TYPE`] | `send` or `settle` |
//! | [`ERROR_TYPE`] | the [`ErrorKind`], such as `timeout`; absent where an attempt was accepted; of handlers `handler_failed`, `panicked` or `fenced`, absent where the event was acknowledged |
//! | [`NAME`] | the name of the producer or the limiter, `default` unless it was given one |
//! | [`CLOSED_BY`] | `full`, `linger`, `pressure`, `flush` or `close` |
//! | [`CLAIMED_FROM`] | `unowned`, `expired` or `stolen` |
//! | [`LOST_BY`] | `stolen` or `lapsed` |
//! | [`OUTCOME`] | `delivered`, `rejected`, `failed`, `expired`, `unknown`, `dropped` or `returned` |
//!
//! # Spans and events
//! An attempt is a `send` span (debug, of kind client) with [`SYSTEM`],
//! [`DESTINATION_NAME`], [`DESTINATION_PARTITION_ID`], [`OPERATION_NAME`],
//! `messaging.batch.message_count`, and [`ERROR_TYPE`] once it has failed; what
//! the transport tells is inside. A handler runs in a `process` span (debug, of kind
//! consumer) with the same but the hub and the count, `sequence_number` and
//! `generation`; [`ERROR_TYPE`] there is `handler_failed` or `panicked`. Events: debug for a batch, info when a producer
//! is opened or closed, warn for events that are lost, a halt, a slow handler, and
//! a rate that falls.

mod describe;

use std::sync::Arc;

use metrics::{Histogram, Label};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::shield::shielded;

pub(crate) use describe::*;

/// Events in attempts to send.
pub const SENT_MESSAGES: &str = "messaging.client.sent.messages";
/// What an attempt to send took, in seconds.
pub const OPERATION_DURATION: &str = "messaging.client.operation.duration";
/// Events received.
pub const CONSUMED_MESSAGES: &str = "messaging.client.consumed.messages";
/// Events in the hub after the last one that was yielded.
pub const LAG_EVENTS: &str = "eventhubs_flow.consumer.lag_events";
/// How long ago the events that are being yielded were stored, in seconds.
pub const LAG: &str = "eventhubs_flow.consumer.lag";
/// Events that may be under way.
pub const CREDIT: &str = "eventhubs_flow.consumer.credit";
/// Events that were fetched and not yielded.
pub const PREFETCHED_EVENTS: &str = "eventhubs_flow.consumer.prefetched_events";
/// Encoded bytes that were fetched and not yielded.
pub const PREFETCHED_BYTES: &str = "eventhubs_flow.consumer.prefetched_bytes";
/// The generation that owns a partition.
pub const GENERATION: &str = "eventhubs_flow.consumer.generation";
/// Events that were yielded, from the first that is not acknowledged on.
pub const UNACKNOWLEDGED: &str = "eventhubs_flow.consumer.unacknowledged";
/// How long ago the last checkpoint was stored, in seconds.
pub const CHECKPOINT_AGE: &str = "eventhubs_flow.consumer.checkpoint_age";
/// How often another receiver took a partition.
pub const THEFTS: &str = "eventhubs_flow.consumer.thefts";
/// How often another receiver stood in the way.
pub const REFUSALS: &str = "eventhubs_flow.consumer.refusals";
/// Other faults of opening and receiving.
pub const INTERRUPTIONS: &str = "eventhubs_flow.consumer.interruptions";
/// Partitions that a process owns.
pub const OWNED_PARTITIONS: &str = "eventhubs_flow.processor.owned_partitions";
/// Partitions of a hub without an owner that is heard of.
pub const UNOWNED_PARTITIONS: &str = "eventhubs_flow.processor.unowned_partitions";
/// Partitions claimed.
pub const CLAIMS: &str = "eventhubs_flow.processor.claims";
/// Claims that others were faster at.
pub const LOST_RACES: &str = "eventhubs_flow.processor.lost_races";
/// Partitions that others took or that could not be renewed in time.
pub const LOSSES: &str = "eventhubs_flow.processor.losses";
/// Renewals that came late.
pub const LATE_RENEWALS: &str = "eventhubs_flow.processor.late_renewals";
/// How long partitions were without an owner, in seconds.
pub const UNOWNED_TIME: &str = "eventhubs_flow.processor.unowned";
/// Calls of a processor's store that failed.
pub const STORE_ERRORS: &str = "eventhubs_flow.processor.store_errors";
/// Room taken in a buffer, in events.
pub const BUFFER_EVENTS: &str = "eventhubs_flow.buffer.events";
/// Room taken in a buffer, in bytes.
pub const BUFFER_BYTES: &str = "eventhubs_flow.buffer.bytes";
/// The bound of the room in a buffer, in events.
pub const BUFFER_MAX_EVENTS: &str = "eventhubs_flow.buffer.max_events";
/// The bound of the room in a buffer, in bytes.
pub const BUFFER_MAX_BYTES: &str = "eventhubs_flow.buffer.max_bytes";
/// How long the oldest batch in a buffer has had events, in seconds.
pub const BUFFER_OLDEST_AGE: &str = "eventhubs_flow.buffer.oldest_age";
/// Callers who wait for room in a buffer.
pub const BUFFER_WAITING: &str = "eventhubs_flow.buffer.waiting";
/// Partitions of a buffer that are halted.
pub const BUFFER_HALTED: &str = "eventhubs_flow.buffer.halted_partitions";
/// Partitions of a buffer that wait at the throttle gate.
pub const BUFFER_PAUSED: &str = "eventhubs_flow.buffer.paused_partitions";
/// How long a caller waited for room, in seconds.
pub const BUFFER_WAIT: &str = "eventhubs_flow.buffer.wait";
/// Batches that went to be sent.
pub const BATCHES: &str = "eventhubs_flow.batches";
/// Events in a batch.
pub const BATCH_EVENTS: &str = "eventhubs_flow.batch.events";
/// Encoded bytes of a batch.
pub const BATCH_BYTES: &str = "eventhubs_flow.batch.bytes";
/// Attempts to be made again after an error.
pub const RETRIES: &str = "eventhubs_flow.retries";
/// Attempts that the service refused as busy.
pub const THROTTLED: &str = "eventhubs_flow.throttled";
/// How long a batch waited at the throttle gate, in seconds.
pub const THROTTLE_WAIT: &str = "eventhubs_flow.throttle.wait";
/// Events by what became of them.
pub const OUTCOMES: &str = "eventhubs_flow.outcomes";
/// The events per second that a limiter lets pass.
pub const RATE_EVENTS: &str = "eventhubs_flow.rate_limit.events_per_second";
/// The bytes per second that a limiter lets pass.
pub const RATE_BYTES: &str = "eventhubs_flow.rate_limit.bytes_per_second";
/// What a limiter's bucket of events holds.
pub const TOKENS_EVENTS: &str = "eventhubs_flow.rate_limit.event_tokens";
/// What a limiter's bucket of bytes holds.
pub const TOKENS_BYTES: &str = "eventhubs_flow.rate_limit.byte_tokens";
/// How long someone waited for tokens, in seconds.
pub const RATE_WAIT: &str = "eventhubs_flow.rate_limit.wait";
/// Refusals that a limiter was told of.
pub const RATE_THROTTLED: &str = "eventhubs_flow.rate_limit.throttled";
/// What a handler took for one event, in seconds.
pub const PROCESS_DURATION: &str = "messaging.process.duration";
/// Handlers that run.
pub const PROCESS_RUNNING: &str = "eventhubs_flow.process.running";
/// Events that wait for their handler.
pub const PROCESS_WAITING: &str = "eventhubs_flow.process.waiting";
/// Handlers that were reported as slow.
pub const PROCESS_SLOW: &str = "eventhubs_flow.process.slow";

/// The label with the messaging system.
pub const SYSTEM: &str = "messaging.system";
/// The value of [`SYSTEM`].
pub const EVENT_HUBS: &str = "eventhubs";
/// The label with the hub.
pub const DESTINATION_NAME: &str = "messaging.destination.name";
/// The label with the partition.
pub const DESTINATION_PARTITION_ID: &str = "messaging.destination.partition.id";
/// The label with the consumer group.
pub const CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
/// The label with what was done.
pub const OPERATION_NAME: &str = "messaging.operation.name";
/// The label with the kind of what was done.
pub const OPERATION_TYPE: &str = "messaging.operation.type";
/// The label with the class of an error.
pub const ERROR_TYPE: &str = "error.type";
/// The label with the name of a producer or a limiter.
pub const NAME: &str = "eventhubs_flow.name";
/// The label with what closed a batch.
pub const CLOSED_BY: &str = "eventhubs_flow.closed_by";
/// The label with whom a partition was claimed from.
pub const CLAIMED_FROM: &str = "eventhubs_flow.claimed_from";
/// The label with how a partition was lost.
pub const LOST_BY: &str = "eventhubs_flow.lost_by";
/// The label with what became of events.
pub const OUTCOME: &str = "eventhubs_flow.outcome";

/// The value of [`OPERATION_NAME`] and [`OPERATION_TYPE`].
pub(crate) const SEND: &str = "send";
/// The value of [`OPERATION_NAME`] of a handler.
pub(crate) const PROCESS: &str = "process";
/// The value of [`ERROR_TYPE`] where a handler returned an error.
pub(crate) const HANDLER_FAILED: &str = "handler_failed";
/// The value of [`ERROR_TYPE`] where a handler panicked.
pub(crate) const HANDLER_PANICKED: &str = "panicked";

/// Values of [`OPERATION_NAME`].
pub(crate) const RECEIVE: &str = "receive";
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// A value of [`OPERATION_TYPE`].
pub(crate) const SETTLE: &str = "settle";

/// The labels of all that is about a hub.
pub(crate) fn hub_labels(hub: &Arc<str>) -> Vec<Label> {
    vec![
        Label::new(SYSTEM, EVENT_HUBS),
        Label::new(DESTINATION_NAME, Arc::clone(hub)),
    ]
}

/// Labels and one more.
pub(crate) fn with(labels: &[Label], label: &'static str, value: &'static str) -> Vec<Label> {
    let more = [Label::new(label, value)];
    labels.iter().cloned().chain(more).collect()
}

/// The value of [`ERROR_TYPE`].
pub(crate) fn error_type(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Throttled { .. } => "throttled",
        ErrorKind::Disconnected => "disconnected",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Untrusted => "untrusted",
        ErrorKind::NotFound => "not_found",
        ErrorKind::TooLarge { .. } => "too_large",
        ErrorKind::InvalidPartition => "invalid_partition",
        ErrorKind::InvalidPosition => "invalid_position",
        ErrorKind::InvalidOptions => "invalid_options",
        ErrorKind::InvalidConnectionString => "invalid_connection_string",
        ErrorKind::OwnershipRefused(_) => "ownership_refused",
        ErrorKind::OwnershipLost(_) => "ownership_lost",
        ErrorKind::Fenced => "fenced",
        ErrorKind::StoreUnavailable => "store_unavailable",
        ErrorKind::CorruptCheckpoint => "corrupt_checkpoint",
        ErrorKind::BufferFull => "buffer_full",
        ErrorKind::CostExceedsBurst { .. } => "cost_exceeds_burst",
        ErrorKind::NotAcknowledged => "not_acknowledged",
        ErrorKind::Rejected { .. } => "rejected",
        ErrorKind::QuotaExceeded => "quota_exceeded",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Panicked => "panicked",
        ErrorKind::Closed => "closed",
    }
}

/// Measures a wait; tells it when dropped, so that one that is given up counts.
pub(crate) struct Stopwatch<'a> {
    since: Instant,
    histogram: &'a Histogram,
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn start(histogram: &'a Histogram) -> Self {
        let since = Instant::now();
        Self { since, histogram }
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        // A recorder is not ours: what it does wrong ends with the call.
        shielded(|| self.histogram.record(self.since.elapsed()));
    }
}
