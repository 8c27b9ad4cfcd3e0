//! Our events as azeventhubs's, and back.

use azeventhubs::{EventData as Theirs, ReceivedEventData};
use azeventhubs_types::messaging::annotations::AnnotationKey;
use azeventhubs_types::messaging::{self as amqp, AmqpValue, Body};
use azeventhubs_types::primitives::{SimpleValue, Symbol, Value as Amqp};
use bytes::Bytes;

use crate::batch::EventBatch;
use crate::encoding::PARTITION_KEY_ANNOTATION;
use crate::error::{Error, ErrorKind};
use crate::event::{EventData, MessageProperties, ReceivedEvent};
use crate::partition::{PartitionId, PartitionKey, Target};
use crate::value::{MessageId, Timestamp, Value};

/// The events of a batch.
///
/// # Errors
/// [`ErrorKind::InvalidOptions`] if azeventhubs would lose a part of one.
pub(super) fn events(batch: &EventBatch) -> Result<Vec<Theirs>, Error> {
    let keyed = |event: &EventData| event.target().key().is_some();
    if matches!(batch.target(), Target::Partition(_)) && batch.events().iter().any(keyed) {
        return Err(Error::invalid_options(
            "azeventhubs sends no partition key with a batch for a partition: send it to its key, or without one",
        ));
    }
    batch.events().iter().map(event).collect()
}

fn event(ours: &EventData) -> Result<Theirs, Error> {
    let lost = || {
        Error::invalid_options(
            "azeventhubs sends a body, a content type, and a message and a correlation id of text, and no other property",
        )
    };
    let properties = ours.message_properties();
    let mut event = Theirs::new(ours.body().to_vec());
    match &properties.message_id {
        Some(MessageId::String(id)) => event.set_message_id(id.as_str()).map_err(|_| lost())?,
        Some(_) => return Err(lost()),
        None => {}
    }
    match &properties.correlation_id {
        Some(MessageId::String(id)) => event.set_correlation_id(id.clone()),
        Some(_) => return Err(lost()),
        None => {}
    }
    if let Some(content_type) = &properties.content_type {
        event.set_content_type(content_type.clone());
    }
    let carried = MessageProperties {
        message_id: properties.message_id.clone(),
        correlation_id: properties.correlation_id.clone(),
        content_type: properties.content_type.clone(),
        ..MessageProperties::default()
    };
    match ours.properties().is_empty() && *properties == carried {
        true => Ok(event),
        false => Err(lost()),
    }
}

/// An event out of a delivery from `partition`.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it lacks what the service puts on every event.
pub(super) fn decode(
    event: ReceivedEventData,
    partition: PartitionId,
) -> Result<ReceivedEvent, Error> {
    let message = event.into_raw_amqp_message();
    let annotations = message.message_annotations.unwrap_or_default().0;
    let annotation = |name: &str| annotations.get(&name as &dyn AnnotationKey);
    let missing = |name: &str| {
        let message = format!("an event of partition {partition} came without {name}");
        Error::new(ErrorKind::Protocol, message)
    };
    let Some(Amqp::Long(sequence_number)) = annotation("x-opt-sequence-number") else {
        return Err(missing("x-opt-sequence-number"));
    };
    let Some(Amqp::String(offset)) = annotation("x-opt-offset") else {
        return Err(missing("x-opt-offset"));
    };
    let Some(Amqp::Timestamp(enqueued)) = annotation("x-opt-enqueued-time") else {
        return Err(missing("x-opt-enqueued-time"));
    };
    let enqueued_time = Timestamp::from_millis(enqueued.milliseconds()).into();

    let mut event = EventData::new(body(message.body)?);
    if let Some(Amqp::String(key)) = annotation(PARTITION_KEY_ANNOTATION)
        && let Ok(key) = PartitionKey::new(key.as_str())
    {
        event = event.with_target(key);
    }
    if let Some(properties) = message.properties {
        event = event.with_message_properties(message_properties(properties));
    }
    if let Some(properties) = message.application_properties {
        for (name, content) in properties.0.into_inner() {
            event = event.with_property(name, value(content));
        }
    }
    Ok(ReceivedEvent::new(
        event,
        partition,
        *sequence_number,
        offset.as_str(),
        enqueued_time,
    ))
}

/// The bytes of Data sections, a string or a binary.
fn body(body: Body<Amqp>) -> Result<Bytes, Error> {
    Ok(match body {
        Body::Data(sections) => {
            let sections = sections.into_inner();
            let sections = sections.into_iter().map(|data| data.0.into_vec());
            sections.collect::<Vec<_>>().concat().into()
        }
        Body::Value(AmqpValue(Amqp::String(text))) => text.into(),
        Body::Value(AmqpValue(Amqp::Binary(bytes))) => bytes.into_vec().into(),
        Body::Value(AmqpValue(Amqp::Null)) | Body::Empty => Bytes::new(),
        Body::Value(AmqpValue(value)) => encoded(&value)?,
        Body::Sequence(sections) => {
            let mut all = Vec::new();
            for section in sections.into_inner() {
                all.extend_from_slice(&encoded(&Amqp::List(section.0))?);
            }
            all.into()
        }
    })
}

fn encoded(value: &Amqp) -> Result<Bytes, Error> {
    let encoded = azeventhubs_serde::to_vec(value).map_err(|error| {
        let message = "the body of an event cannot be told by its bytes";
        Error::new(ErrorKind::Protocol, message).with_source(error)
    })?;
    Ok(encoded.into())
}

fn message_properties(properties: amqp::Properties) -> MessageProperties {
    let time = |time: azeventhubs_types::primitives::Timestamp| {
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

fn value(value: SimpleValue) -> Value {
    match value {
        SimpleValue::Null => Value::Null,
        SimpleValue::Bool(is) => Value::Bool(is),
        SimpleValue::Ubyte(number) => Value::U8(number),
        SimpleValue::Ushort(number) => Value::U16(number),
        SimpleValue::Uint(number) => Value::U32(number),
        SimpleValue::Ulong(number) => Value::U64(number),
        SimpleValue::Byte(number) => Value::I8(number),
        SimpleValue::Short(number) => Value::I16(number),
        SimpleValue::Int(number) => Value::I32(number),
        SimpleValue::Long(number) => Value::I64(number),
        SimpleValue::Float(number) => Value::F32(number.into_inner()),
        SimpleValue::Double(number) => Value::F64(number.into_inner()),
        SimpleValue::Decimal32(number) => Value::Decimal32(number.into_inner()),
        SimpleValue::Decimal64(number) => Value::Decimal64(number.into_inner()),
        SimpleValue::Decimal128(number) => Value::Decimal128(number.into_inner()),
        SimpleValue::Char(char) => Value::Char(char),
        SimpleValue::Timestamp(time) => {
            Value::Timestamp(Timestamp::from_millis(time.milliseconds()))
        }
        SimpleValue::Uuid(uuid) => Value::Uuid(uuid.into_inner()),
        SimpleValue::Binary(bytes) => Value::Binary(bytes.into_vec().into()),
        SimpleValue::String(text) => Value::String(text),
        SimpleValue::Symbol(symbol) => Value::Symbol(symbol.into_inner()),
    }
}
