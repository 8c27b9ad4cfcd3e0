//! The values that properties and annotations hold: AMQP's primitive types.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A value of a property: every simple AMQP 1.0 type. `Debug` shows its type and,
/// of bytes and text, the length, never the value.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// No value.
    Null,
    /// `boolean`
    Bool(bool),
    /// `ubyte`
    U8(u8),
    /// `ushort`
    U16(u16),
    /// `uint`
    U32(u32),
    /// `ulong`
    U64(u64),
    /// `byte`
    I8(i8),
    /// `short`
    I16(i16),
    /// `int`
    I32(i32),
    /// `long`
    I64(i64),
    /// `float`
    F32(f32),
    /// `double`
    F64(f64),
    /// `decimal32`, as its four bytes
    Decimal32([u8; 4]),
    /// `decimal64`, as its eight bytes
    Decimal64([u8; 8]),
    /// `decimal128`, as its sixteen bytes
    Decimal128([u8; 16]),
    /// `char`
    Char(char),
    /// `timestamp`
    Timestamp(Timestamp),
    /// `uuid`, as its sixteen bytes
    Uuid([u8; 16]),
    /// `binary`
    Binary(Bytes),
    /// `string`
    String(String),
    /// `symbol`: ASCII
    Symbol(String),
}

/// A time as AMQP holds it: whole milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time that lies this many milliseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

impl From<Timestamp> for SystemTime {
    /// Times beyond what the platform can hold become 1970-01-01.
    fn from(Timestamp(millis): Timestamp) -> Self {
        let distance = Duration::from_millis(millis.unsigned_abs());
        let time = if millis < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

/// The id of a message, or of the message that it answers. `Debug` shows its type
/// and, of bytes and text, the length, never the id.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageId {
    /// `ulong`
    U64(u64),
    /// `uuid`, as its sixteen bytes
    Uuid([u8; 16]),
    /// `binary`
    Binary(Bytes),
    /// `string`
    String(String),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool",
            Self::U8(_) => "U8",
            Self::U16(_) => "U16",
            Self::U32(_) => "U32",
            Self::U64(_) => "U64",
            Self::I8(_) => "I8",
            Self::I16(_) => "I16",
            Self::I32(_) => "I32",
            Self::I64(_) => "I64",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
            Self::Decimal32(_) => "Decimal32",
            Self::Decimal64(_) => "Decimal64",
            Self::Decimal128(_) => "Decimal128",
            Self::Char(_) => "Char",
            Self::Timestamp(_) => "Timestamp",
            Self::Uuid(_) => "Uuid",
            Self::Binary(bytes) => return sized(f, "Binary", bytes.len()),
            Self::String(text) => return sized(f, "String", text.len()),
            Self::Symbol(text) => return sized(f, "Symbol", text.len()),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(_) => f.write_str("U64"),
            Self::Uuid(_) => f.write_str("Uuid"),
            Self::Binary(bytes) => sized(f, "Binary", bytes.len()),
            Self::String(text) => sized(f, "String", text.len()),
        }
    }
}

fn sized(f: &mut fmt::Formatter<'_>, name: &str, bytes: usize) -> fmt::Result {
    write!(f, "{name}({bytes} bytes)")
}

macro_rules! from {
    ($target:ident { $($source:ty => $variant:ident),+ $(,)? }) => {$(
        impl From<$source> for $target {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

from!(Value {
    bool => Bool,
    u8 => U8,
    u16 => U16,
    u32 => U32,
    u64 => U64,
    i8 => I8,
    i16 => I16,
    i32 => I32,
    i64 => I64,
    f32 => F32,
    f64 => F64,
    char => Char,
    Timestamp => Timestamp,
    SystemTime => Timestamp,
    Bytes => Binary,
    Vec<u8> => Binary,
    String => String,
    &str => String,
});

from!(MessageId {
    u64 => U64,
    [u8; 16] => Uuid,
    Bytes => Binary,
    String => String,
    &str => String,
});
