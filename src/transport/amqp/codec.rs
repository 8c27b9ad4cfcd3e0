//! Our events as AMQP messages, and back.

use bytes::Bytes;
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{
    self as amqp, AmqpSequence, AmqpValue, Batch, Body, Data, Message, MessageAnnotations,
};
use fe2o3_amqp::types::primitives::{Binary, OrderedMap, Symbol, Value as Amqp};
use serde_amqp::lazy::LazyValue;

use crate::batch::EventBatch;
use crate::encoding;
use crate::error::{Error, ErrorKind};
use crate::event::{EventData, MessageProperties, ReceivedEvent};
use crate::partition::{PartitionId, PartitionKey};
use crate::value::{MessageId, Timestamp, Value};

/// The message-format of a batch: every Data section is a message of its own.
const BATCH_FORMAT: u32 = 0x8001_3700;

/// A message as it arrives: what stands in an AMQP value is left as its bytes.
pub(super) type Incoming = Message<Body<LazyValue>>;

/// A batch, each event encoded by hand: the AMQP stack takes no ready message,
/// but copies the contents of Data sections without looking at them.
pub(super) fn encode(batch: &EventBatch) -> Sendable<Batch<Data>> {
    let section = |event: &EventData| {
        let mut message = Vec::with_capacity(encoding::message_size(event));
        encoding::message(&mut message, event);
        Data(Binary::from(message))
    };
    let annotations = batch.target().key().map(|key| {
        let mut annotations = OrderedMap::with_capacity(1);
        let name = OwnedKey::Symbol(Symbol::from(encoding::PARTITION_KEY_ANNOTATION));
        annotations.insert(name, Amqp::String(key.as_str().to_owned()));
        MessageAnnotations(annotations)
    });
    Sendable {
        message: Message {
            header: None,
            delivery_annotations: None,
            message_annotations: annotations,
            properties: None,
            application_properties: None,
            body: batch.events().iter().map(section).collect(),
            footer: None,
        },
        message_format: BATCH_FORMAT,
        settled: Some(false),
    }
}

/// An event out of a delivery from `partition`.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it lacks what the service puts on every event.
pub(super) fn decode(message: Incoming, partition: PartitionId) -> Result<ReceivedEvent, Error> {
    let (mut sequence_number, mut offset, mut enqueued, mut key) = (None, None, None, None);
    // Each is looked at once: to look them up would hash each name anew.
    let annotations = message.message_annotations.unwrap_or_default().0;
    for (name, value) in annotations.into_inner() {
        let OwnedKey::Symbol(name) = name else {
            continue;
        };
        match (name.as_str(), value) {
            ("x-opt-sequence-number", Amqp::Long(value)) => sequence_number = Some(value),
            ("x-opt-offset", Amqp::String(value)) => offset = Some(value),
            ("x-opt-enqueued-time", Amqp::Timestamp(value)) => enqueued = Some(value),
            (encoding::PARTITION_KEY_ANNOTATION, Amqp::String(value)) => key = Some(value),
            _ => {}
        }
    }
    let missing = |name: &str| {
        let message = format!("an event of partition {partition} came without {name}");
        Error::new(ErrorKind::Protocol, message)
    };
    let sequence_number = sequence_number.ok_or_else(|| missing("x-opt-sequence-number"))?;
    let offset = offset.ok_or_else(|| missing("x-opt-offset"))?;
    let enqueued = enqueued.ok_or_else(|| missing("x-opt-enqueued-time"))?;
    let enqueued_time = Timestamp::from_millis(enqueued.milliseconds()).into();

    let mut event = EventData::new(body(message.body));
    if let Some(key) = key
        && let Ok(key) = PartitionKey::new(key)
    {
        event = event.with_target(key);
    }
    if let Some(properties) = message.properties {
        event = event.with_message_properties(message_properties(properties));
    }
    if let Some(properties) = message.application_properties {
        for (name, content) in properties.0.into_inner() {
            event = event.with_property(name, value(content.into()));
        }
    }
    Ok(ReceivedEvent::new(
        event,
        partition,
        sequence_number,
        offset,
        enqueued_time,
    ))
}

/// The bytes of Data sections, a string or a binary; other values as encoded.
fn body(body: Body<LazyValue>) -> Bytes {
    match body {
        Body::Data(sections) => {
            let mut sections = sections.into_inner();
            match sections.len() {
                1 => sections.swap_remove(0).0.into_vec().into(),
                _ => sections
                    .iter()
                    .flat_map(|data| data.0.iter().copied())
                    .collect(),
            }
        }
        Body::Value(AmqpValue(value)) => contents(value.into_bytes()),
        Body::Sequence(sections) => {
            let encoded = |AmqpSequence(items)| serde_amqp::to_vec(&items).unwrap_or_default();
            sections.into_iter().flat_map(encoded).collect()
        }
        Body::Empty => Bytes::new(),
    }
}

fn contents(encoded: Bytes) -> Bytes {
    let header = match encoded.first() {
        Some(0xA0 | 0xA1) => 2,
        Some(0xB0 | 0xB1) => 5,
        Some(0x40) => 1,
        _ => 0,
    };
    encoded.slice(header.min(encoded.len())..)
}

fn message_properties(properties: amqp::Properties) -> MessageProperties {
    let time = |time: fe2o3_amqp::types::primitives::Timestamp| {
        Timestamp::from_millis(time.milliseconds())
    };
    MessageProperties {
        message_id: properties.message_id.map(message_id),
        user_id: properties.user_id.map(|id| id.into_vec().into()),
        to: properties.to,
        subject: properties.subject,
        reply_to: properties.reply_to,
        correlation_id: properties.correlation_id.map(message_id),
        content_type: properties.content_type.map(Symbol::into_inner),
        content_encoding: properties.content_encoding.map(Symbol::into_inner),
        absolute_expiry_time: properties.absolute_expiry_time.map(time),
        creation_time: properties.creation_time.map(time),
        group_id: properties.group_id,
        group_sequence: properties.group_sequence,
        reply_to_group_id: properties.reply_to_group_id,
    }
}

fn message_id(id: amqp::MessageId) -> MessageId {
    match id {
        amqp::MessageId::Ulong(id) => MessageId::U64(id),
        amqp::MessageId::Uuid(id) => MessageId::Uuid(id.into_inner()),
        amqp::MessageId::Binary(id) => MessageId::Binary(id.into_vec().into()),
        amqp::MessageId::String(id) => MessageId::String(id),
    }
}

fn value(value: Amqp) -> Value {
    match value {
        Amqp::Bool(is) => Value::Bool(is),
        Amqp::Ubyte(number) => Value::U8(number),
        Amqp::Ushort(number) => Value::U16(number),
        Amqp::Uint(number) => Value::U32(number),
        Amqp::Ulong(number) => Value::U64(number),
        Amqp::Byte(number) => Value::I8(number),
        Amqp::Short(number) => Value::I16(number),
        Amqp::Int(number) => Value::I32(number),
        Amqp::Long(number) => Value::I64(number),
        Amqp::Float(number) => Value::F32(number.into_inner()),
        Amqp::Double(number) => Value::F64(number.into_inner()),
        Amqp::Decimal32(number) => Value::Decimal32(number.into_inner()),
        Amqp::Decimal64(number) => Value::Decimal64(number.into_inner()),
        Amqp::Decimal128(number) => Value::Decimal128(number.into_inner()),
        Amqp::Char(char) => Value::Char(char),
        Amqp::Timestamp(time) => Value::Timestamp(Timestamp::from_millis(time.milliseconds())),
        Amqp::Uuid(uuid) => Value::Uuid(uuid.into_inner()),
        Amqp::Binary(bytes) => Value::Binary(bytes.into_vec().into()),
        Amqp::String(text) => Value::String(text),
        Amqp::Symbol(symbol) => Value::Symbol(symbol.into_inner()),
        // .NET describes some simple types, such as `com.microsoft:uri`.
        Amqp::Described(described) => self::value(described.value),
        // Lists, maps and arrays may not stand here.
        _ => Value::Null,
    }
}
