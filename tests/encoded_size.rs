//! A batch's size is what `fe2o3-amqp` encodes, byte for byte.
#![cfg(feature = "amqp")]

use eventhubs_flow::{
    BatchLimits, EventBatch, EventData, MessageId, MessageProperties, PartitionKey, Target,
    Timestamp, Value,
};
use fe2o3_amqp_types::messaging::message::__private::Serializable;
use fe2o3_amqp_types::messaging::{
    self as amqp, ApplicationProperties, Data, Message, MessageAnnotations,
};
use fe2o3_amqp_types::primitives::{
    Binary, Dec32, Dec64, Dec128, OrderedMap, SimpleValue, Symbol, Uuid,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Lengths around the edges where encodings grow from one byte to four.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..40, 200usize..300]
}

fn text() -> impl Strategy<Value = String> {
    length()
        .prop_flat_map(|len| vec(proptest::char::range('a', 'z'), len))
        .prop_map(String::from_iter)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    length().prop_flat_map(|len| vec(any::<u8>(), len))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::U8),
        any::<u16>().prop_map(Value::U16),
        prop_oneof![0u32..300, any::<u32>()].prop_map(Value::U32),
        prop_oneof![0u64..300, any::<u64>()].prop_map(Value::U64),
        any::<i8>().prop_map(Value::I8),
        any::<i16>().prop_map(Value::I16),
        prop_oneof![-200i32..200, any::<i32>()].prop_map(Value::I32),
        prop_oneof![-200i64..200, any::<i64>()].prop_map(Value::I64),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        any::<[u8; 4]>().prop_map(Value::Decimal32),
        any::<[u8; 8]>().prop_map(Value::Decimal64),
        any::<[u8; 16]>().prop_map(Value::Decimal128),
        any::<char>().prop_map(Value::Char),
        any::<i64>().prop_map(|millis| Value::Timestamp(Timestamp::from_millis(millis))),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        bytes().prop_map(|bytes| Value::Binary(bytes.into())),
        text().prop_map(Value::String),
        text().prop_map(Value::Symbol),
    ]
}

fn message_id() -> impl Strategy<Value = MessageId> {
    prop_oneof![
        prop_oneof![0u64..300, any::<u64>()].prop_map(MessageId::U64),
        any::<[u8; 16]>().prop_map(MessageId::Uuid),
        bytes().prop_map(|bytes| MessageId::Binary(bytes.into())),
        text().prop_map(MessageId::String),
    ]
}

fn message_properties() -> impl Strategy<Value = MessageProperties> {
    let time = || option::of(any::<i64>().prop_map(Timestamp::from_millis));
    let texts = || option::of(text());
    let ids = (option::of(message_id()), option::of(message_id()));
    let front = (
        option::of(bytes()),
        texts(),
        texts(),
        texts(),
        texts(),
        texts(),
    );
    let back = (time(), time(), texts(), option::of(any::<u32>()), texts());
    (ids, front, back).prop_map(|((message_id, correlation_id), front, back)| {
        let (user_id, to, subject, reply_to, content_type, content_encoding) = front;
        let (absolute_expiry_time, creation_time, group_id, group_sequence, reply_to_group_id) =
            back;
        MessageProperties {
            message_id,
            user_id: user_id.map(Into::into),
            to,
            subject,
            reply_to,
            correlation_id,
            content_type,
            content_encoding,
            absolute_expiry_time,
            creation_time,
            group_id,
            group_sequence,
            reply_to_group_id,
        }
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Any),
        vec(proptest::char::range('a', 'z'), 1..128).prop_map(|key| PartitionKey::new(
            String::from_iter(key)
        )
        .expect("short")
        .into()),
    ]
}

fn event() -> impl Strategy<Value = EventData> {
    let properties = btree_map(text(), value(), 0..6);
    let message = option::of(message_properties());
    (bytes(), properties, message).prop_map(|(body, properties, message)| {
        let mut event = EventData::new(body);
        for (name, value) in properties {
            event = event.with_property(name, value);
        }
        match message {
            Some(message) => event.with_message_properties(message),
            None => event,
        }
    })
}

fn theirs(value: &Value) -> SimpleValue {
    match value.clone() {
        Value::Null => SimpleValue::Null,
        Value::Bool(value) => SimpleValue::Bool(value),
        Value::U8(value) => SimpleValue::Ubyte(value),
        Value::U16(value) => SimpleValue::Ushort(value),
        Value::U32(value) => SimpleValue::Uint(value),
        Value::U64(value) => SimpleValue::Ulong(value),
        Value::I8(value) => SimpleValue::Byte(value),
        Value::I16(value) => SimpleValue::Short(value),
        Value::I32(value) => SimpleValue::Int(value),
        Value::I64(value) => SimpleValue::Long(value),
        Value::F32(value) => SimpleValue::Float(value.into()),
        Value::F64(value) => SimpleValue::Double(value.into()),
        Value::Decimal32(value) => SimpleValue::Decimal32(Dec32::from(value)),
        Value::Decimal64(value) => SimpleValue::Decimal64(Dec64::from(value)),
        Value::Decimal128(value) => SimpleValue::Decimal128(Dec128::from(value)),
        Value::Char(value) => SimpleValue::Char(value),
        Value::Timestamp(value) => SimpleValue::Timestamp(value.as_millis().into()),
        Value::Uuid(value) => SimpleValue::Uuid(Uuid::from(value)),
        Value::Binary(value) => SimpleValue::Binary(Binary::from(value.to_vec())),
        Value::String(value) => SimpleValue::String(value),
        Value::Symbol(value) => SimpleValue::Symbol(Symbol(value)),
        other => panic!("{other:?} has no counterpart"),
    }
}

fn their_id(id: &MessageId) -> amqp::MessageId {
    match id.clone() {
        MessageId::U64(id) => amqp::MessageId::Ulong(id),
        MessageId::Uuid(id) => amqp::MessageId::Uuid(Uuid::from(id)),
        MessageId::Binary(id) => amqp::MessageId::Binary(Binary::from(id.to_vec())),
        MessageId::String(id) => amqp::MessageId::String(id),
        other => panic!("{other:?} has no counterpart"),
    }
}

fn their_properties(ours: &MessageProperties) -> Option<amqp::Properties> {
    let symbol = |text: &Option<String>| text.clone().map(Symbol);
    let time = |time: Option<Timestamp>| time.map(|time| time.as_millis().into());
    (*ours != MessageProperties::default()).then(|| amqp::Properties {
        message_id: ours.message_id.as_ref().map(their_id),
        user_id: ours.user_id.as_ref().map(|id| Binary::from(id.to_vec())),
        to: ours.to.clone(),
        subject: ours.subject.clone(),
        reply_to: ours.reply_to.clone(),
        correlation_id: ours.correlation_id.as_ref().map(their_id),
        content_type: symbol(&ours.content_type),
        content_encoding: symbol(&ours.content_encoding),
        absolute_expiry_time: time(ours.absolute_expiry_time),
        creation_time: time(ours.creation_time),
        group_id: ours.group_id.clone(),
        group_sequence: ours.group_sequence,
        reply_to_group_id: ours.reply_to_group_id.clone(),
    })
}

fn their_annotations(target: &Target) -> Option<MessageAnnotations> {
    let key = target.key()?;
    let mut annotations = amqp::Annotations::new();
    annotations.insert(
        Symbol::from("x-opt-partition-key").into(),
        key.as_str().into(),
    );
    Some(MessageAnnotations(annotations))
}

fn their_event(ours: &EventData) -> Vec<u8> {
    let properties = ours.properties();
    let application_properties = (!properties.is_empty()).then(|| {
        let mut map = OrderedMap::new();
        for (name, value) in properties {
            map.insert(name.clone(), theirs(value));
        }
        ApplicationProperties(map)
    });
    let message = Message {
        header: None,
        delivery_annotations: None,
        message_annotations: their_annotations(ours.target()),
        properties: their_properties(ours.message_properties()),
        application_properties,
        body: Data(Binary::from(ours.body().to_vec())),
        footer: None,
    };
    serde_amqp::to_vec(&Serializable(message)).expect("encodes")
}

fn their_batch(ours: &EventBatch) -> Vec<u8> {
    let events = ours.events().iter();
    let data: Vec<Data> = events
        .map(|event| Data(Binary::from(their_event(event))))
        .collect();
    let message = Message {
        header: None,
        delivery_annotations: None,
        message_annotations: their_annotations(ours.target()),
        properties: None,
        application_properties: None,
        body: amqp::Batch::from(data),
        footer: None,
    };
    serde_amqp::to_vec(&Serializable(message)).expect("encodes")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_as_large_as_what_fe2o3_encodes_and_has_the_same_bytes(
        target in target(),
        events in vec(event(), 1..5),
    ) {
        let mut batch = EventBatch::new(target, BatchLimits::STANDARD);
        for event in events {
            let before = batch.encoded_size();
            let size = event.encoded_size();
            batch.try_add(event).expect("fits");
            if batch.target().key().is_none() {
                prop_assert_eq!(batch.encoded_size(), before + size);
            }
        }
        let mut ours = Vec::new();
        batch.encode(&mut ours);
        prop_assert_eq!(ours.len(), batch.encoded_size());
        prop_assert_eq!(ours, their_batch(&batch));
    }
}
