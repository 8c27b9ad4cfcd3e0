//! Batches: events that travel in one transfer, and are stored together.

use std::fmt;
use std::sync::Arc;

use crate::encoding;
use crate::error::{Error, ErrorKind, SendError};
use crate::event::EventData;
use crate::partition::Target;

/// The most that one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Encoded bytes, the envelope included.
    pub bytes: usize,
    /// Events.
    pub events: usize,
}

impl BatchLimits {
    /// The limits of a Standard namespace: 1 MiB, and as many events as fit.
    pub const STANDARD: Self = Self {
        bytes: 1024 * 1024,
        events: usize::MAX,
    };

    /// The narrower of two, field by field.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            events: self.events.min(other.events),
        }
    }
}

/// Events for one target that are sent in one transfer.
///
/// It knows its exact encoded size before it is sent. A clone shares the events.
///
/// # Examples
/// ```
/// use eventhubs_flow::{BatchLimits, EventBatch, EventData, Target};
///
/// let mut batch = EventBatch::new(Target::Any, BatchLimits { bytes: 64, events: 10 });
/// assert!(batch.try_add(EventData::new("fits")).is_ok());
/// let refused = batch.try_add(EventData::new(vec![0; 100])).unwrap_err();
/// assert_eq!(refused.event.body().len(), 100);
/// assert_eq!(batch.len(), 1);
/// ```
#[derive(Clone, PartialEq)]
pub struct EventBatch {
    target: Target,
    limits: BatchLimits,
    // Shared: whoever sends a batch may keep one to hand its events back.
    events: Arc<Vec<EventData>>,
    encoded_size: usize,
}

impl EventBatch {
    /// An empty batch for a target; the limits are those of
    /// [`TransportProducer::limits`](crate::transport::TransportProducer::limits).
    #[must_use]
    pub fn new(target: Target, limits: BatchLimits) -> Self {
        Self {
            encoded_size: encoding::envelope_size(target.key()),
            target,
            limits,
            events: Arc::default(),
        }
    }

    /// A batch of events whose sizes are known to add up to `events_size`.
    pub(crate) fn from_measured(
        target: Target,
        limits: BatchLimits,
        events: Vec<EventData>,
        events_size: usize,
    ) -> Self {
        Self {
            encoded_size: encoding::envelope_size(target.key()) + events_size,
            target,
            limits,
            events: Arc::new(events),
        }
    }

    /// Adds an event, or gives it back.
    ///
    /// An event without a target takes the batch's key. An event with a key may
    /// join a batch for a partition: its sender has mapped the key.
    ///
    /// # Errors
    /// - [`ErrorKind::TooLarge`] if the event does not fit any more;
    /// - [`ErrorKind::InvalidOptions`] if its target contradicts the batch's.
    pub fn try_add(&mut self, event: EventData) -> Result<(), SendError> {
        let event = match (&self.target, event.target()) {
            (Target::Key(key), Target::Any) => event.with_target(key.clone()),
            (Target::Partition(_), Target::Any | Target::Key(_)) => event,
            (target, wanted) if target == wanted => event,
            (target, wanted) => {
                let error = Error::new(
                    ErrorKind::InvalidOptions,
                    format!("an event for {wanted:?} cannot join a batch for {target:?}"),
                );
                return Err(SendError::new(event, error));
            }
        };
        let size = self.encoded_size + event.encoded_size();
        if size > self.limits.bytes || self.events.len() >= self.limits.events {
            let error = Error::too_large(size, self.limits.bytes);
            return Err(SendError::new(event, error));
        }
        self.encoded_size = size;
        Arc::make_mut(&mut self.events).push(event);
        Ok(())
    }

    /// Where the batch goes.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[EventData] {
        &self.events
    }

    /// How many events the batch holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether the batch holds no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The bytes that the batch takes as one AMQP message, exactly.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        self.encoded_size
    }

    /// Appends the batch as one AMQP message: [`encoded_size`](Self::encoded_size)
    /// bytes, to send with message-format `0x80013700`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_size);
        encoding::batch(out, self.target.key(), &self.events);
    }

    /// The events, taken out of the batch, which is left empty; copied if a clone
    /// of it is left.
    pub(crate) fn take_events(&mut self) -> Vec<EventData> {
        self.encoded_size = encoding::envelope_size(self.target.key());
        Arc::unwrap_or_clone(std::mem::take(&mut self.events))
    }

    /// The events, unless a clone of the batch has them, too.
    pub(crate) fn into_unshared_events(self) -> Vec<EventData> {
        Arc::try_unwrap(self.events).unwrap_or_default()
    }

    /// The events, taken out; copied if a clone of the batch is left.
    #[must_use]
    pub fn into_events(self) -> Vec<EventData> {
        Arc::unwrap_or_clone(self.events)
    }
}

impl fmt::Debug for EventBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBatch")
            .field("target", &self.target)
            .field("events", &self.events.len())
            .field("encoded_size", &self.encoded_size)
            .finish_non_exhaustive()
    }
}
