//! Events: what is sent, and what comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::encoding;
use crate::partition::{PartitionId, PartitionKey, Target};
use crate::value::{MessageId, Timestamp, Value};

/// Application properties: what a program attaches to an event, by name.
pub type Properties = BTreeMap<String, Value>;

/// An event to send.
///
/// A clone shares the body. `Debug` shows sizes, never contents.
///
/// # Examples
/// ```
/// use eventhubs_flow::{EventData, PartitionKey};
///
/// # fn main() -> Result<(), eventhubs_flow::Error> {
/// let event = EventData::new("21.5 °C")
///     .with_target(PartitionKey::new("device1")?)
///     .with_property("unit", "celsius");
/// assert_eq!(event.body(), "21.5 °C".as_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Default)]
// Of a cache line's size, and aligned to one: a batch that is filled while 1000 others are
// touches one line for each of its events, not two.
#[repr(align(64))]
pub struct EventData {
    body: Bytes,
    target: Target,
    // Boxed: most events have none, and an event is moved often.
    extra: Option<Box<Extra>>,
}

#[derive(Clone, PartialEq, Default)]
struct Extra {
    message: MessageProperties,
    application: Properties,
    deadline: Option<Duration>,
}

static NO_MESSAGE_PROPERTIES: MessageProperties = MessageProperties::EMPTY;
static NO_PROPERTIES: Properties = BTreeMap::new();

/// The properties that AMQP itself defines for a message (section 3.2.4). `Debug`
/// shows which are set, not to what.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MessageProperties {
    /// The id of this message.
    pub message_id: Option<MessageId>,
    /// The identity of the user who made it.
    pub user_id: Option<Bytes>,
    /// The node that the message is destined for.
    pub to: Option<String>,
    /// A subject line.
    pub subject: Option<String>,
    /// The node to send replies to.
    pub reply_to: Option<String>,
    /// The id of the message that this one answers.
    pub correlation_id: Option<MessageId>,
    /// The MIME type of the body: ASCII.
    pub content_type: Option<String>,
    /// The encoding of the body, such as `gzip`: ASCII.
    pub content_encoding: Option<String>,
    /// When the message expires.
    pub absolute_expiry_time: Option<Timestamp>,
    /// When the message was made.
    pub creation_time: Option<Timestamp>,
    /// The group that the message belongs to.
    pub group_id: Option<String>,
    /// The message's place in its group.
    pub group_sequence: Option<u32>,
    /// The group that replies belong to.
    pub reply_to_group_id: Option<String>,
}

impl MessageProperties {
    const EMPTY: Self = Self {
        message_id: None,
        user_id: None,
        to: None,
        subject: None,
        reply_to: None,
        correlation_id: None,
        content_type: None,
        content_encoding: None,
        absolute_expiry_time: None,
        creation_time: None,
        group_id: None,
        group_sequence: None,
        reply_to_group_id: None,
    };
}

impl fmt::Debug for MessageProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [
            ("message_id", self.message_id.is_some()),
            ("user_id", self.user_id.is_some()),
            ("to", self.to.is_some()),
            ("subject", self.subject.is_some()),
            ("reply_to", self.reply_to.is_some()),
            ("correlation_id", self.correlation_id.is_some()),
            ("content_type", self.content_type.is_some()),
            ("content_encoding", self.content_encoding.is_some()),
            ("absolute_expiry_time", self.absolute_expiry_time.is_some()),
            ("creation_time", self.creation_time.is_some()),
            ("group_id", self.group_id.is_some()),
            ("group_sequence", self.group_sequence.is_some()),
            ("reply_to_group_id", self.reply_to_group_id.is_some()),
        ];
        let set = set.iter().filter(|(_, is_set)| *is_set);
        f.write_str("MessageProperties ")?;
        f.debug_set().entries(set.map(|(name, _)| name)).finish()
    }
}

impl EventData {
    /// An event with this body, for any partition.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            target: Target::Any,
            extra: None,
        }
    }

    /// Sends the event to a partition, or to the one that a key maps to.
    ///
    /// Defaults to [`Target::Any`].
    #[must_use]
    pub fn with_target(mut self, target: impl Into<Target>) -> Self {
        self.target = target.into();
        self
    }

    /// Attaches a property, in place of an earlier one of that name.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra_mut()
            .application
            .insert(name.into(), value.into());
        self
    }

    /// Sets the properties that AMQP itself defines.
    #[must_use]
    pub fn with_message_properties(mut self, properties: MessageProperties) -> Self {
        self.extra_mut().message = properties;
        self
    }

    /// How long the event may wait in a buffer for its transfer, from its
    /// acceptance on. It stays here: the service is not told.
    ///
    /// Defaults to what
    /// [`BufferedProducerOptions`](crate::producer::buffered::BufferedProducerOptions::with_deadline)
    /// says.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.extra_mut().deadline = Some(deadline);
        self
    }

    /// Sets the id of the message.
    #[must_use]
    pub fn with_message_id(mut self, id: impl Into<MessageId>) -> Self {
        self.extra_mut().message.message_id = Some(id.into());
        self
    }

    /// Sets the id of the message that this one answers.
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<MessageId>) -> Self {
        self.extra_mut().message.correlation_id = Some(id.into());
        self
    }

    /// Sets the MIME type of the body: ASCII.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.extra_mut().message.content_type = Some(content_type.into());
        self
    }

    /// The body.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Where the event goes.
    #[must_use]
    #[inline]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The application properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        let extra = self.extra.as_ref();
        extra.map_or(&NO_PROPERTIES, |extra| &extra.application)
    }

    /// Whether the event may have properties of any kind: most have none, and are
    /// measured without a look at each.
    #[inline]
    pub(crate) fn has_properties(&self) -> bool {
        self.extra.is_some()
    }

    /// The properties that AMQP itself defines.
    #[must_use]
    pub fn message_properties(&self) -> &MessageProperties {
        let extra = self.extra.as_ref();
        extra.map_or(&NO_MESSAGE_PROPERTIES, |extra| &extra.message)
    }

    /// How long the event may wait in a buffer, if it says so itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.extra.as_ref().and_then(|extra| extra.deadline)
    }

    /// The bytes that the event takes in a batch, exactly: the one measure that
    /// bounds, batches and limiters go by.
    #[must_use]
    #[inline]
    pub fn encoded_size(&self) -> usize {
        encoding::size_in_batch(self)
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl fmt::Debug for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventData")
            .field("body_bytes", &self.body.len())
            .field("target", &self.target)
            .field("properties", &self.properties().len())
            .finish_non_exhaustive()
    }
}

/// An event read from a partition.
///
/// A clone shares the body. `Debug` shows sizes, never contents.
#[derive(Clone, PartialEq)]
pub struct ReceivedEvent {
    event: EventData,
    partition: PartitionId,
    sequence_number: i64,
    offset: String,
    enqueued_time: SystemTime,
    generation: u64,
}

impl ReceivedEvent {
    /// What a transport makes of a delivery.
    ///
    /// The event's target is the key that it was sent with, or [`Target::Any`].
    #[must_use]
    pub fn new(
        event: EventData,
        partition: PartitionId,
        sequence_number: i64,
        offset: impl Into<String>,
        enqueued_time: SystemTime,
    ) -> Self {
        Self {
            event,
            partition,
            sequence_number,
            offset: offset.into(),
            enqueued_time,
            generation: 0,
        }
    }

    pub(crate) fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The body: the bytes of its Data sections, or of a string or binary
    /// value; any other AMQP value as its encoded bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.event.body()
    }

    /// The application properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        self.event.properties()
    }

    /// The properties that AMQP itself defines.
    #[must_use]
    pub fn message_properties(&self) -> &MessageProperties {
        self.event.message_properties()
    }

    /// The key that the event was sent with.
    #[must_use]
    pub fn partition_key(&self) -> Option<&PartitionKey> {
        self.event.target().key()
    }

    /// The partition that holds the event.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The event's number in its partition: rises by one with each event.
    #[must_use]
    pub fn sequence_number(&self) -> i64 {
        self.sequence_number
    }

    /// The event's offset in its partition: opaque, to hand back to the service.
    #[must_use]
    pub fn offset(&self) -> &str {
        &self.offset
    }

    /// When the service stored the event.
    #[must_use]
    pub fn enqueued_time(&self) -> SystemTime {
        self.enqueued_time
    }

    /// The generation of ownership that read the event: later owners have
    /// higher ones. A fencing token for side effects; 0 where nobody owns.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The bytes that the event would take in a batch, exactly: what bounds on
    /// bytes count.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        self.event.encoded_size()
    }

    /// What was sent, to send it on: body, properties, and the key as target.
    #[must_use]
    pub fn into_event(self) -> EventData {
        self.event
    }
}

impl fmt::Debug for ReceivedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedEvent")
            .field("partition", &self.partition.number())
            .field("sequence_number", &self.sequence_number)
            .field("offset", &self.offset)
            .field("generation", &self.generation)
            .field("body_bytes", &self.event.body().len())
            .finish_non_exhaustive()
    }
}
