//! Our events as the SDK's messages, and back.

use azure_core_amqp::message::{
    AmqpAnnotationKey, AmqpAnnotations, AmqpApplicationProperties, AmqpMessageBody,
    AmqpMessageProperties,
};
use azure_core_amqp::{AmqpMessage, AmqpSymbol, AmqpValue};
use bytes::Bytes;

use super::values::{from_sdk, id_from_sdk, id_to_sdk, time_from_sdk, time_to_sdk, to_sdk};
use crate::batch::EventBatch;
use crate::encoding::PARTITION_KEY_ANNOTATION;
use crate::error::{Error, ErrorKind};
use crate::event::{EventData, MessageProperties, ReceivedEvent};
use crate::partition::{PartitionId, PartitionKey, Target};
use crate::value::Timestamp;

/// The descriptor of a section takes three bytes.
const DESCRIPTOR: usize = 3;

/// Refuses a batch that the SDK would change: it puts the annotations of the first
/// event on the whole of it.
pub(super) fn check_keys(batch: &EventBatch) -> Result<(), Error> {
    let keyed = |event: &EventData| event.target().key().is_some();
    let mut events = batch.events().iter();
    match events.next().is_some_and(keyed) && !events.all(keyed) {
        true => Err(Error::invalid_options(
            "the SDK would give an event without a partition key that of the first event: send them apart",
        )),
        false => Ok(()),
    }
}

/// An event; the key of the batch is left to the SDK.
pub(super) fn message(event: &EventData, target: &Target) -> AmqpMessage {
    let mut message = AmqpMessage {
        body: AmqpMessageBody::Binary(vec![event.body().to_vec()]),
        ..AmqpMessage::default()
    };
    if let (Some(key), Target::Partition(_)) = (event.target().key(), target) {
        let mut annotations = AmqpAnnotations::new();
        let name = AmqpSymbol(PARTITION_KEY_ANNOTATION.to_owned());
        annotations.insert(name, key.as_str());
        message.message_annotations = Some(annotations);
    }
    if !event.properties().is_empty() {
        let mut properties = AmqpApplicationProperties::new();
        for (name, value) in event.properties() {
            properties.insert(name.clone(), to_sdk(value));
        }
        message.application_properties = Some(properties);
    }
    if event.message_properties() != &MessageProperties::default() {
        message.properties = Some(properties_to_sdk(event.message_properties()));
    }
    message
}

fn properties_to_sdk(ours: &MessageProperties) -> AmqpMessageProperties {
    let symbol = |text: &Option<String>| text.clone().map(AmqpSymbol);
    AmqpMessageProperties {
        message_id: ours.message_id.as_ref().map(id_to_sdk),
        user_id: ours.user_id.as_ref().map(|id| id.to_vec()),
        to: ours.to.clone(),
        subject: ours.subject.clone(),
        reply_to: ours.reply_to.clone(),
        correlation_id: ours.correlation_id.as_ref().map(id_to_sdk),
        content_type: symbol(&ours.content_type),
        content_encoding: symbol(&ours.content_encoding),
        absolute_expiry_time: ours.absolute_expiry_time.map(time_to_sdk),
        creation_time: ours.creation_time.map(time_to_sdk),
        group_id: ours.group_id.clone(),
        group_sequence: ours.group_sequence,
        reply_to_group_id: ours.reply_to_group_id.clone(),
    }
}

/// An event out of a message from `partition`.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it lacks what the service puts on every event.
pub(super) fn decode(
    message: &AmqpMessage,
    partition: PartitionId,
) -> Result<ReceivedEvent, Error> {
    let annotations = message.message_annotations.as_ref();
    let annotation = |name: &str| {
        let named = |key: &AmqpAnnotationKey| matches!(key, AmqpAnnotationKey::Symbol(symbol) if symbol.0 == name);
        let mut pairs = annotations?.0.iter();
        pairs.find(|(key, _)| named(key)).map(|(_, value)| value)
    };
    let missing = |name: &str| {
        let message = format!("an event of partition {partition} came without {name}");
        Error::new(ErrorKind::Protocol, message)
    };
    let Some(AmqpValue::Long(sequence_number)) = annotation("x-opt-sequence-number") else {
        return Err(missing("x-opt-sequence-number"));
    };
    let Some(AmqpValue::String(offset)) = annotation("x-opt-offset") else {
        return Err(missing("x-opt-offset"));
    };
    let Some(AmqpValue::TimeStamp(enqueued)) = annotation("x-opt-enqueued-time") else {
        return Err(missing("x-opt-enqueued-time"));
    };
    let mut event = EventData::new(body(message));
    if let Some(AmqpValue::String(key)) = annotation(PARTITION_KEY_ANNOTATION)
        && let Ok(key) = PartitionKey::new(key.as_str())
    {
        event = event.with_target(key);
    }
    if let Some(properties) = &message.properties {
        event = event.with_message_properties(properties_from_sdk(properties.clone()));
    }
    if let Some(properties) = &message.application_properties {
        for (name, value) in properties.0.clone() {
            event = event.with_property(name, from_sdk(value));
        }
    }
    let enqueued: Timestamp = time_from_sdk(enqueued);
    Ok(ReceivedEvent::new(
        event,
        partition,
        *sequence_number,
        offset.as_str(),
        enqueued.into(),
    ))
}

/// The bytes of Data sections, a string or a binary; other values as encoded.
fn body(message: &AmqpMessage) -> Bytes {
    match &message.body {
        AmqpMessageBody::Binary(sections) => match &sections[..] {
            [one] => one.clone().into(),
            many => many.concat().into(),
        },
        AmqpMessageBody::Value(AmqpValue::String(text)) => text.clone().into(),
        AmqpMessageBody::Value(AmqpValue::Binary(bytes)) => bytes.clone().into(),
        AmqpMessageBody::Value(AmqpValue::Null) | AmqpMessageBody::Empty => Bytes::new(),
        other => {
            let alone = AmqpMessage {
                body: other.clone(),
                ..AmqpMessage::default()
            };
            let encoded = AmqpMessage::serialize(&alone).unwrap_or_default();
            let encoded = Bytes::from(encoded);
            encoded.slice(DESCRIPTOR.min(encoded.len())..)
        }
    }
}

fn properties_from_sdk(theirs: AmqpMessageProperties) -> MessageProperties {
    let text = |symbol: Option<AmqpSymbol>| symbol.map(|AmqpSymbol(text)| text);
    MessageProperties {
        message_id: theirs.message_id.map(id_from_sdk),
        user_id: theirs.user_id.map(Into::into),
        to: theirs.to,
        subject: theirs.subject,
        reply_to: theirs.reply_to,
        correlation_id: theirs.correlation_id.map(id_from_sdk),
        content_type: text(theirs.content_type),
        content_encoding: text(theirs.content_encoding),
        absolute_expiry_time: theirs.absolute_expiry_time.as_ref().map(time_from_sdk),
        creation_time: theirs.creation_time.as_ref().map(time_from_sdk),
        group_id: theirs.group_id,
        group_sequence: theirs.group_sequence,
        reply_to_group_id: theirs.reply_to_group_id,
    }
}
