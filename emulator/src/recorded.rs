//! An event as the hub holds it, for tests to look at.

use crate::partition_log::LoggedEvent;
use crate::service::{first_body, partition_key};
use bytes::Bytes;
use std::fmt;
use std::time::{Duration, SystemTime};

/// An event that a hub received. `Debug` shows the size of the body, not the body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedEvent {
    /// The partition it was stored in.
    pub partition: u32,
    /// Its number within the partition, from 0.
    pub sequence_number: i64,
    /// Its place within the partition; opaque.
    pub offset: String,
    /// When it was stored.
    pub enqueued_time: SystemTime,
    /// The key it was sent with.
    pub partition_key: Option<String>,
    /// The payload of its (first) data section; the encoded body if that is a value or a sequence.
    pub body: Bytes,
}

impl RecordedEvent {
    pub(crate) fn new(partition: u32, event: &LoggedEvent<'_>) -> Self {
        let since_epoch = Duration::from_millis(event.enqueued_time.unsigned_abs());
        Self {
            partition,
            sequence_number: event.sequence_number,
            offset: event.offset.to_string(),
            enqueued_time: SystemTime::UNIX_EPOCH + since_epoch,
            partition_key: partition_key(event.annotations).map(str::to_owned),
            body: Bytes::copy_from_slice(first_body(event.sections)),
        }
    }
}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("partition", &self.partition)
            .field("sequence_number", &self.sequence_number)
            .field("offset", &self.offset)
            .field("enqueued_time", &self.enqueued_time)
            .field("partition_key", &self.partition_key)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
