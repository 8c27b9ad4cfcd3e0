//! Our values as the SDK's, and back.

use std::time::SystemTime;

use azure_core::Uuid;
use azure_core_amqp::message::AmqpMessageId;
use azure_core_amqp::{AmqpSimpleValue as Simple, AmqpSymbol, AmqpTimestamp};

use crate::value::{MessageId, Timestamp, Value};

pub(super) fn to_sdk(value: &Value) -> Simple {
    match value {
        Value::Null => Simple::Null,
        Value::Bool(is) => Simple::Boolean(*is),
        Value::U8(number) => Simple::UByte(*number),
        Value::U16(number) => Simple::UShort(*number),
        Value::U32(number) => Simple::UInt(*number),
        Value::U64(number) => Simple::ULong(*number),
        Value::I8(number) => Simple::Byte(*number),
        Value::I16(number) => Simple::Short(*number),
        Value::I32(number) => Simple::Int(*number),
        Value::I64(number) => Simple::Long(*number),
        Value::F32(number) => Simple::Float(*number),
        Value::F64(number) => Simple::Double(*number),
        Value::Decimal32(bytes) => Simple::Decimal32(*bytes),
        Value::Decimal64(bytes) => Simple::Decimal64(*bytes),
        Value::Decimal128(bytes) => Simple::Decimal128(*bytes),
        Value::Char(char) => Simple::Char(*char),
        Value::Timestamp(time) => Simple::TimeStamp(time_to_sdk(*time)),
        Value::Uuid(bytes) => Simple::Uuid(Uuid::from_bytes(*bytes)),
        Value::Binary(bytes) => Simple::Binary(bytes.to_vec()),
        Value::String(text) => Simple::String(text.clone()),
        Value::Symbol(text) => Simple::Symbol(AmqpSymbol(text.clone())),
    }
}

pub(super) fn from_sdk(value: Simple) -> Value {
    match value {
        Simple::Null => Value::Null,
        Simple::Boolean(is) => Value::Bool(is),
        Simple::UByte(number) => Value::U8(number),
        Simple::UShort(number) => Value::U16(number),
        Simple::UInt(number) => Value::U32(number),
        Simple::ULong(number) => Value::U64(number),
        Simple::Byte(number) => Value::I8(number),
        Simple::Short(number) => Value::I16(number),
        Simple::Int(number) => Value::I32(number),
        Simple::Long(number) => Value::I64(number),
        Simple::Float(number) => Value::F32(number),
        Simple::Double(number) => Value::F64(number),
        Simple::Decimal32(bytes) => Value::Decimal32(bytes),
        Simple::Decimal64(bytes) => Value::Decimal64(bytes),
        Simple::Decimal128(bytes) => Value::Decimal128(bytes),
        Simple::Char(char) => Value::Char(char),
        Simple::TimeStamp(time) => Value::Timestamp(time_from_sdk(&time)),
        Simple::Uuid(uuid) => Value::Uuid(uuid.into_bytes()),
        Simple::Binary(bytes) => Value::Binary(bytes.into()),
        Simple::String(text) => Value::String(text),
        Simple::Symbol(AmqpSymbol(text)) => Value::Symbol(text),
        // .NET describes some simple types, such as `com.microsoft:uri`.
        Simple::Described(described) => match described.value {
            azure_core_amqp::AmqpValue::String(text) => Value::String(text),
            azure_core_amqp::AmqpValue::Long(number) => Value::I64(number),
            _ => Value::Null,
        },
    }
}

pub(super) fn id_to_sdk(id: &MessageId) -> AmqpMessageId {
    match id {
        MessageId::U64(id) => AmqpMessageId::Ulong(*id),
        MessageId::Uuid(bytes) => AmqpMessageId::Uuid(Uuid::from_bytes(*bytes)),
        MessageId::Binary(bytes) => AmqpMessageId::Binary(bytes.to_vec()),
        MessageId::String(text) => AmqpMessageId::String(text.clone()),
    }
}

pub(super) fn id_from_sdk(id: AmqpMessageId) -> MessageId {
    match id {
        AmqpMessageId::Ulong(id) => MessageId::U64(id),
        AmqpMessageId::Uuid(uuid) => MessageId::Uuid(uuid.into_bytes()),
        AmqpMessageId::Binary(bytes) => MessageId::Binary(bytes.into()),
        AmqpMessageId::String(text) => MessageId::String(text),
    }
}

pub(super) fn time_to_sdk(time: Timestamp) -> AmqpTimestamp {
    AmqpTimestamp(Some(SystemTime::from(time)))
}

pub(super) fn time_from_sdk(time: &AmqpTimestamp) -> Timestamp {
    time.0.unwrap_or(SystemTime::UNIX_EPOCH).into()
}
