//! A batch is as large as it says, and reads on the wire as `fe2o3-amqp` writes
//! it: two independent encoders check each other.

use bytes::Bytes;
use eventhubs_flow::{
    BatchLimits, EventBatch, EventData, MessageId, MessageProperties, PartitionId, PartitionKey,
    Properties, Target, Timestamp, Value,
};
use fe2o3_amqp_types::messaging::annotations::OwnedKey;
use fe2o3_amqp_types::messaging::message::__private::Serializable;
use fe2o3_amqp_types::messaging::{
    self as amqp, ApplicationProperties, Batch, Data, Message, MessageAnnotations, SerializableBody,
};
use fe2o3_amqp_types::primitives::{
    Binary, Dec32, Dec64, Dec128, OrderedMap, SimpleValue, Symbol, Uuid,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const NO_LIMITS: BatchLimits = BatchLimits {
    bytes: usize::MAX,
    events: usize::MAX,
};

/// Lengths around the edge between short and long encodings.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0..20_usize, 230..280_usize]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", length().prop_map(|length| "x".repeat(length))]
}

fn ascii() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        length().prop_map(|length| "x".repeat(length))
    ]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    (any::<u8>(), length()).prop_map(|(byte, length)| vec![byte; length].into())
}

/// Numbers around the edges of the short encodings.
fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        any::<i32>().prop_map(i64::from),
        -130..130_i64
    ]
}

fn unsigned() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), any::<u32>().prop_map(u64::from), 0..260_u64]
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    signed().prop_map(Timestamp::from_millis)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::U8),
        any::<u16>().prop_map(Value::U16),
        unsigned().prop_map(|number| Value::U32(number as u32)),
        unsigned().prop_map(Value::U64),
        any::<i8>().prop_map(Value::I8),
        any::<i16>().prop_map(Value::I16),
        signed().prop_map(|number| Value::I32(number as i32)),
        signed().prop_map(Value::I64),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        any::<[u8; 4]>().prop_map(Value::Decimal32),
        any::<[u8; 8]>().prop_map(Value::Decimal64),
        any::<[u8; 16]>().prop_map(Value::Decimal128),
        any::<char>().prop_map(Value::Char),
        timestamp().prop_map(Value::Timestamp),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        bytes().prop_map(Value::Binary),
        text().prop_map(Value::String),
        ascii().prop_map(Value::Symbol),
    ]
}

fn message_id() -> impl Strategy<Value = MessageId> {
    prop_oneof![
        unsigned().prop_map(MessageId::U64),
        any::<[u8; 16]>().prop_map(MessageId::Uuid),
        bytes().prop_map(MessageId::Binary),
        text().prop_map(MessageId::String),
    ]
}

fn set<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.3, strategy)
}

fn message_properties() -> impl Strategy<Value = MessageProperties> {
    let names = (
        set(text()),
        set(text()),
        set(text()),
        set(text()),
        set(text()),
    );
    let ids = (set(message_id()), set(message_id()), set(bytes()));
    let content = (set(ascii()), set(ascii()));
    let rest = (set(timestamp()), set(timestamp()), set(unsigned()));
    (names, ids, content, rest).prop_map(|(names, ids, content, rest)| MessageProperties {
        message_id: ids.0,
        user_id: ids.2,
        to: names.0,
        subject: names.1,
        reply_to: names.2,
        correlation_id: ids.1,
        content_type: content.0,
        content_encoding: content.1,
        absolute_expiry_time: rest.0,
        creation_time: rest.1,
        group_id: names.3,
        group_sequence: rest.2.map(|number| number as u32),
        reply_to_group_id: names.4,
    })
}

fn properties() -> impl Strategy<Value = Properties> {
    prop_oneof![
        3 => btree_map(text(), value(), 0..6),
        // Around the edge of the short encoding of maps.
        1 => (120..135_u32).prop_map(|count| (0..count)
            .map(|number| (number.to_string(), Value::Null))
            .collect()),
    ]
}

fn event() -> impl Strategy<Value = EventData> {
    let body = prop_oneof![3 => bytes(), 1 => (1000..70_000_usize).prop_map(|n| vec![1; n].into())];
    (body, message_properties(), properties()).prop_map(|(body, message, properties)| {
        let event = EventData::new(body).with_message_properties(message);
        properties.into_iter().fold(event, |event, (name, value)| {
            event.with_property(name, value)
        })
    })
}

fn target() -> impl Strategy<Value = Target> {
    let key = "\\PC{0,128}".prop_map(|key| PartitionKey::new(key).unwrap());
    prop_oneof![
        Just(Target::Any),
        any::<u32>().prop_map(|id| Target::Partition(PartitionId::new(id))),
        key.prop_map(Target::Key),
    ]
}

fn their_value(value: &Value) -> SimpleValue {
    match value.clone() {
        Value::Null => SimpleValue::Null,
        Value::Bool(is) => SimpleValue::Bool(is),
        Value::U8(number) => SimpleValue::Ubyte(number),
        Value::U16(number) => SimpleValue::Ushort(number),
        Value::U32(number) => SimpleValue::Uint(number),
        Value::U64(number) => SimpleValue::Ulong(number),
        Value::I8(number) => SimpleValue::Byte(number),
        Value::I16(number) => SimpleValue::Short(number),
        Value::I32(number) => SimpleValue::Int(number),
        Value::I64(number) => SimpleValue::Long(number),
        Value::F32(number) => SimpleValue::Float(number.into()),
        Value::F64(number) => SimpleValue::Double(number.into()),
        Value::Decimal32(bytes) => SimpleValue::Decimal32(Dec32::from(bytes)),
        Value::Decimal64(bytes) => SimpleValue::Decimal64(Dec64::from(bytes)),
        Value::Decimal128(bytes) => SimpleValue::Decimal128(Dec128::from(bytes)),
        Value::Char(char) => SimpleValue::Char(char),
        Value::Timestamp(time) => SimpleValue::Timestamp(time.as_millis().into()),
        Value::Uuid(uuid) => SimpleValue::Uuid(Uuid::from(uuid)),
        Value::Binary(bytes) => SimpleValue::Binary(Binary::from(bytes.to_vec())),
        Value::String(text) => SimpleValue::String(text),
        Value::Symbol(text) => SimpleValue::Symbol(Symbol::from(text)),
        other => unreachable!("not generated: {other:?}"),
    }
}

fn their_id(id: &MessageId) -> amqp::MessageId {
    match id.clone() {
        MessageId::U64(id) => amqp::MessageId::Ulong(id),
        MessageId::Uuid(id) => amqp::MessageId::Uuid(Uuid::from(id)),
        MessageId::Binary(id) => amqp::MessageId::Binary(Binary::from(id.to_vec())),
        MessageId::String(id) => amqp::MessageId::String(id),
        other => unreachable!("not generated: {other:?}"),
    }
}

fn their_properties(properties: &MessageProperties) -> Option<amqp::Properties> {
    let own = properties.clone();
    (own != MessageProperties::default()).then(|| amqp::Properties {
        message_id: own.message_id.as_ref().map(their_id),
        user_id: own.user_id.map(|id| Binary::from(id.to_vec())),
        to: own.to,
        subject: own.subject,
        reply_to: own.reply_to,
        correlation_id: own.correlation_id.as_ref().map(their_id),
        content_type: own.content_type.map(Symbol::from),
        content_encoding: own.content_encoding.map(Symbol::from),
        absolute_expiry_time: own.absolute_expiry_time.map(|time| time.as_millis().into()),
        creation_time: own.creation_time.map(|time| time.as_millis().into()),
        group_id: own.group_id,
        group_sequence: own.group_sequence,
        reply_to_group_id: own.reply_to_group_id,
    })
}

fn their_key(target: &Target) -> Option<MessageAnnotations> {
    let key = target.key()?;
    let mut annotations = OrderedMap::new();
    let name = OwnedKey::Symbol(Symbol::from("x-opt-partition-key"));
    annotations.insert(name, serde_amqp::Value::String(key.as_str().to_owned()));
    Some(MessageAnnotations(annotations))
}

fn their_bytes<B: SerializableBody>(message: Message<B>) -> Vec<u8> {
    serde_amqp::to_vec(&Serializable(message)).unwrap()
}

fn their_event(event: &EventData) -> Data {
    let properties = event.properties();
    let application = (!properties.is_empty()).then(|| {
        let mut map = OrderedMap::new();
        for (name, value) in properties {
            map.insert(name.clone(), their_value(value));
        }
        ApplicationProperties(map)
    });
    Data(Binary::from(their_bytes(Message {
        header: None,
        delivery_annotations: None,
        message_annotations: their_key(event.target()),
        properties: their_properties(event.message_properties()),
        application_properties: application,
        body: Data(Binary::from(event.body().to_vec())),
        footer: None,
    })))
}

fn their_batch(batch: &EventBatch) -> Vec<u8> {
    their_bytes(Message {
        header: None,
        delivery_annotations: None,
        message_annotations: their_key(batch.target()),
        properties: None,
        application_properties: None,
        body: batch
            .events()
            .iter()
            .map(their_event)
            .collect::<Batch<Data>>(),
        footer: None,
    })
}

fn encoded(batch: &EventBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    batch.encode(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_batch_is_encoded_byte_for_byte_as_fe2o3_encodes_it_and_as_large_as_it_says(
        target in target(),
        events in vec(event(), 1..5),
    ) {
        let mut batch = EventBatch::new(target, NO_LIMITS);
        for event in events {
            batch.try_add(event).unwrap();
        }
        let (ours, theirs) = (encoded(&batch), their_batch(&batch));
        prop_assert_eq!(batch.encoded_size(), theirs.len());
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn a_batch_grows_by_the_size_that_an_event_says(target in target(), event in event()) {
        let mut batch = EventBatch::new(target.clone(), NO_LIMITS);
        let empty = batch.encoded_size();
        // The key that the batch would stamp on it counts, too.
        let event = event.with_target(target);
        let size = event.encoded_size();
        batch.try_add(event).unwrap();
        prop_assert_eq!(batch.encoded_size(), empty + size);
    }
}

#[test]
fn sizes_are_exact_on_both_sides_of_every_edge_of_the_body() {
    // The event's Data section grows at 256 bytes, and the batch's around it
    // at the bodies that make its message 256 bytes.
    for length in (0..600).chain(65_500..65_570) {
        let mut batch = EventBatch::new(Target::Any, NO_LIMITS);
        batch.try_add(EventData::new(vec![0; length])).unwrap();
        let theirs = their_batch(&batch);
        assert_eq!(batch.encoded_size(), theirs.len(), "{length}");
        assert_eq!(encoded(&batch), theirs, "{length}");
    }
}
