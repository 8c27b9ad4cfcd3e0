//! How an event looks on the wire: AMQP 1.0, written by hand.
//!
//! One writer serves twice. Run over a [`Counter`] it measures, run over a
//! buffer it writes, so the size that bounds, batches and limiters go by is the
//! size that is sent. The encodings are those that `fe2o3-amqp` chooses (a test
//! compares the two).

use bytes::Bytes;

use crate::event::{EventData, MessageProperties, Properties};
use crate::partition::PartitionKey;
use crate::value::{MessageId, Timestamp, Value};

const DESCRIBED: u8 = 0x00;
const SMALL_ULONG: u8 = 0x53;
const MESSAGE_ANNOTATIONS: u8 = 0x72;
const PROPERTIES: u8 = 0x73;
const APPLICATION_PROPERTIES: u8 = 0x74;
const DATA: u8 = 0x75;
const NULL: u8 = 0x40;
pub(crate) const PARTITION_KEY_ANNOTATION: &str = "x-opt-partition-key";

/// Where encoded bytes go.
pub(crate) trait Output {
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts the bytes and drops them.
#[derive(Default)]
struct Counter(usize);

impl Output for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

fn measure(write: impl FnOnce(&mut dyn Output)) -> usize {
    let mut counter = Counter::default();
    write(&mut counter);
    counter.0
}

/// The bytes that an event takes in a batch: a Data section around its message.
#[inline]
pub(crate) fn size_in_batch(event: &EventData) -> usize {
    let message = message_size(event);
    data_header_size(message) + message
}

/// The bytes of a batch before its first event.
pub(crate) fn envelope_size(key: Option<&PartitionKey>) -> usize {
    measure(|out| envelope(out, key))
}

/// The bytes of an event as a message of its own.
#[inline]
pub(crate) fn message_size(event: &EventData) -> usize {
    let len = event.body().len();
    // Nearly every event: it is measured each time it is accepted.
    if !event.has_properties() && event.target().key().is_none() {
        return data_header_size(len) + len;
    }
    measure(|out| head(out, event)) + len
}

/// Writes what stands before the events of a batch.
pub(crate) fn envelope(out: &mut dyn Output, key: Option<&PartitionKey>) {
    if let Some(key) = key {
        section(out, MESSAGE_ANNOTATIONS);
        compound(out, [0xC1, 0xD1], 2, &|out| {
            symbol(out, PARTITION_KEY_ANNOTATION);
            string(out, key.as_str());
        });
    }
}

/// Writes a batch as one AMQP message: a Data section per event.
pub(crate) fn batch(out: &mut dyn Output, key: Option<&PartitionKey>, events: &[EventData]) {
    envelope(out, key);
    for event in events {
        data_header(out, message_size(event));
        message(out, event);
    }
}

/// Writes an event as an AMQP message.
pub(crate) fn message(out: &mut dyn Output, event: &EventData) {
    head(out, event);
    out.put(event.body());
}

/// Writes everything of a message up to the bytes of its body.
fn head(out: &mut dyn Output, event: &EventData) {
    envelope(out, event.target().key());
    if event.has_properties() {
        properties(out, event.message_properties());
        application_properties(out, event.properties());
    }
    data_header(out, event.body().len());
}

fn application_properties(out: &mut dyn Output, application: &Properties) {
    if application.is_empty() {
        return;
    }
    section(out, APPLICATION_PROPERTIES);
    compound(out, [0xC1, 0xD1], 2 * application.len(), &|out| {
        for (name, content) in application {
            string(out, name);
            value(out, content);
        }
    });
}

/// Writes the Properties section, unless no field of it is set.
fn properties(out: &mut dyn Output, message: &MessageProperties) {
    let fields = [
        Field::id(&message.message_id),
        Field::binary(&message.user_id),
        Field::string(&message.to),
        Field::string(&message.subject),
        Field::string(&message.reply_to),
        Field::id(&message.correlation_id),
        Field::symbol(&message.content_type),
        Field::symbol(&message.content_encoding),
        Field::timestamp(message.absolute_expiry_time),
        Field::timestamp(message.creation_time),
        Field::string(&message.group_id),
        message.group_sequence.map_or(Field::Null, Field::Uint),
        Field::string(&message.reply_to_group_id),
    ];
    // Nulls at the end are left out.
    let Some(last) = fields
        .iter()
        .rposition(|field| !matches!(field, Field::Null))
    else {
        return;
    };
    let fields = &fields[..=last];
    let write = |out: &mut dyn Output| fields.iter().for_each(|field| field.put(out));
    section(out, PROPERTIES);
    compound(out, [0xC0, 0xD0], fields.len(), &write);
}

/// A field of the Properties section.
enum Field<'a> {
    Null,
    Id(&'a MessageId),
    Binary(&'a [u8]),
    String(&'a str),
    Symbol(&'a str),
    Timestamp(Timestamp),
    Uint(u32),
}

impl<'a> Field<'a> {
    fn id(id: &'a Option<MessageId>) -> Self {
        id.as_ref().map_or(Self::Null, Self::Id)
    }

    fn binary(bytes: &'a Option<Bytes>) -> Self {
        bytes.as_deref().map_or(Self::Null, Self::Binary)
    }

    fn string(text: &'a Option<String>) -> Self {
        text.as_deref().map_or(Self::Null, Self::String)
    }

    fn symbol(text: &'a Option<String>) -> Self {
        text.as_deref().map_or(Self::Null, Self::Symbol)
    }

    fn timestamp(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Null, Self::Timestamp)
    }

    fn put(&self, out: &mut dyn Output) {
        match self {
            Self::Null => out.put(&[NULL]),
            Self::Id(MessageId::U64(id)) => ulong(out, *id),
            Self::Id(MessageId::Uuid(id)) => fixed(out, 0x98, id),
            Self::Id(MessageId::Binary(id)) => binary(out, id),
            Self::Id(MessageId::String(id)) => string(out, id),
            Self::Binary(bytes) => binary(out, bytes),
            Self::String(text) => string(out, text),
            Self::Symbol(text) => symbol(out, text),
            Self::Timestamp(time) => fixed(out, 0x83, &time.as_millis().to_be_bytes()),
            Self::Uint(number) => uint(out, *number),
        }
    }
}

fn value(out: &mut dyn Output, value: &Value) {
    match value {
        Value::Null => out.put(&[NULL]),
        Value::Bool(true) => out.put(&[0x41]),
        Value::Bool(false) => out.put(&[0x42]),
        Value::U8(number) => out.put(&[0x50, *number]),
        Value::U16(number) => fixed(out, 0x60, &number.to_be_bytes()),
        Value::U32(number) => uint(out, *number),
        Value::U64(number) => ulong(out, *number),
        Value::I8(number) => fixed(out, 0x51, &number.to_be_bytes()),
        Value::I16(number) => fixed(out, 0x61, &number.to_be_bytes()),
        Value::I32(number) => match i8::try_from(*number) {
            Ok(small) => fixed(out, 0x54, &small.to_be_bytes()),
            Err(_) => fixed(out, 0x71, &number.to_be_bytes()),
        },
        Value::I64(number) => match i8::try_from(*number) {
            Ok(small) => fixed(out, 0x55, &small.to_be_bytes()),
            Err(_) => fixed(out, 0x81, &number.to_be_bytes()),
        },
        Value::F32(number) => fixed(out, 0x72, &number.to_be_bytes()),
        Value::F64(number) => fixed(out, 0x82, &number.to_be_bytes()),
        Value::Decimal32(bytes) => fixed(out, 0x74, bytes),
        Value::Decimal64(bytes) => fixed(out, 0x84, bytes),
        Value::Decimal128(bytes) => fixed(out, 0x94, bytes),
        Value::Char(char) => fixed(out, 0x73, &u32::from(*char).to_be_bytes()),
        Value::Timestamp(time) => fixed(out, 0x83, &time.as_millis().to_be_bytes()),
        Value::Uuid(uuid) => fixed(out, 0x98, uuid),
        Value::Binary(bytes) => binary(out, bytes),
        Value::String(text) => string(out, text),
        Value::Symbol(text) => symbol(out, text),
    }
}

fn section(out: &mut dyn Output, descriptor: u8) {
    out.put(&[DESCRIBED, SMALL_ULONG, descriptor]);
}

/// Writes what stands before the bytes of a Data section.
pub(crate) fn data_header(out: &mut dyn Output, len: usize) {
    section(out, DATA);
    length(out, [0xA0, 0xB0], len);
}

/// What [`data_header`] writes.
#[inline]
fn data_header_size(len: usize) -> usize {
    if len < usize::from(u8::MAX) { 5 } else { 8 }
}

fn uint(out: &mut dyn Output, number: u32) {
    match u8::try_from(number) {
        Ok(0) => out.put(&[0x43]),
        Ok(small) => out.put(&[0x52, small]),
        Err(_) => fixed(out, 0x70, &number.to_be_bytes()),
    }
}

fn ulong(out: &mut dyn Output, number: u64) {
    match u8::try_from(number) {
        Ok(0) => out.put(&[0x44]),
        Ok(small) => out.put(&[SMALL_ULONG, small]),
        Err(_) => fixed(out, 0x80, &number.to_be_bytes()),
    }
}

fn fixed(out: &mut dyn Output, code: u8, bytes: &[u8]) {
    out.put(&[code]);
    out.put(bytes);
}

fn binary(out: &mut dyn Output, bytes: &[u8]) {
    length(out, [0xA0, 0xB0], bytes.len());
    out.put(bytes);
}

fn string(out: &mut dyn Output, text: &str) {
    length(out, [0xA1, 0xB1], text.len());
    out.put(text.as_bytes());
}

fn symbol(out: &mut dyn Output, text: &str) {
    length(out, [0xA3, 0xB3], text.len());
    out.put(text.as_bytes());
}

/// Writes the code and the length of a variable-width value: a byte up to 254,
/// as `fe2o3-amqp` has it.
fn length(out: &mut dyn Output, [short, long]: [u8; 2], len: usize) {
    match u8::try_from(len) {
        Ok(len) if len < u8::MAX => out.put(&[short, len]),
        _ => fixed(out, long, &as_u32(len).to_be_bytes()),
    }
}

/// Writes a list or a map: its code, its length, its count, its items.
fn compound(
    out: &mut dyn Output,
    [short, long]: [u8; 2],
    count: usize,
    items: &dyn Fn(&mut dyn Output),
) {
    let mut counter = Counter::default();
    items(&mut counter);
    // The length includes the count, of one byte or of four.
    match (u8::try_from(counter.0 + 1), u8::try_from(count)) {
        (Ok(len), Ok(count)) => out.put(&[short, len, count]),
        _ => {
            fixed(out, long, &as_u32(counter.0 + 4).to_be_bytes());
            out.put(&as_u32(count).to_be_bytes());
        }
    }
    items(out);
}

fn as_u32(len: usize) -> u32 {
    u32::try_from(len).expect("an event of 4 GiB is refused long before")
}
