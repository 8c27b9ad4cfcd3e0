//! An AMQP value of any type: what is read or echoed rarely enough that a tree is good enough.

use super::decode::{DecodeError, Decoder, Result};
use super::encode;
use bytes::{BufMut, Bytes, BytesMut};

/// Any AMQP 1.0 value. Floats and decimals are kept as their bytes: the emulator only passes them on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Timestamp(i64),
    Uuid([u8; 16]),
    /// A fixed-width type without a variant of its own: its constructor and its bytes.
    Fixed(u8, Bytes),
    Binary(Bytes),
    String(String),
    Symbol(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// An array as it is encoded behind its size: the count, the constructor, the items.
    Array(Bytes),
    Described(Box<Value>, Box<Value>),
}

impl Value {
    pub(crate) fn symbol(text: &str) -> Self {
        Self::Symbol(text.to_owned())
    }

    pub(crate) fn string(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    /// A value described by a numeric code.
    pub(crate) fn described(code: u64, value: Self) -> Self {
        Self::Described(Box::new(Self::Ulong(code)), Box::new(value))
    }

    /// An array of strings.
    pub(crate) fn string_array<'a>(items: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut out = BytesMut::new();
        out.put_u32(encode::length(items.len()));
        out.put_u8(0xB1);
        for item in items {
            out.put_u32(encode::length(item.len()));
            out.put_slice(item.as_bytes());
        }
        Self::Array(out.freeze())
    }

    /// The text of a string or symbol.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The number of any integer type that fits a long.
    pub(crate) fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Ubyte(n) => Some(n.into()),
            Self::Ushort(n) => Some(n.into()),
            Self::Uint(n) => Some(n.into()),
            Self::Ulong(n) => n.try_into().ok(),
            Self::Byte(n) => Some(n.into()),
            Self::Short(n) => Some(n.into()),
            Self::Int(n) => Some(n.into()),
            Self::Long(n) => Some(n),
            _ => None,
        }
    }

    /// The entry of a map under a string or symbol key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        entries
            .iter()
            .find(|(k, _)| k.as_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// The list under a descriptor, as in a source or target.
    pub(crate) fn described_list(&self) -> Option<&[Self]> {
        let Self::Described(_, value) = self else {
            return None;
        };
        let Self::List(fields) = value.as_ref() else {
            return None;
        };
        Some(fields)
    }

    /// Whether this is the symbol `name`, or an array of symbols that holds it.
    pub(crate) fn has_symbol(&self, name: &str) -> bool {
        match self {
            Self::Symbol(symbol) => symbol == name,
            Self::Array(bytes) => array_has_symbol(bytes, name).unwrap_or(false),
            _ => false,
        }
    }

    /// Decodes a value that nests at most `depth` deep, and takes what it and all within count off `left`.
    pub(super) fn decode(
        decoder: &mut Decoder<'_>,
        depth: usize,
        left: &mut usize,
    ) -> Result<Self> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(DecodeError("values nest too deeply"));
        };
        *left = left
            .checked_sub(1)
            .ok_or(DecodeError("a value holds too many others"))?;
        let constructor = decoder.u8()?;
        Ok(match constructor {
            0x00 => {
                let descriptor = Self::decode(decoder, depth, left)?;
                Self::Described(
                    Box::new(descriptor),
                    Box::new(Self::decode(decoder, depth, left)?),
                )
            }
            0x40 => Self::Null,
            0x41 => Self::Bool(true),
            0x42 => Self::Bool(false),
            0x43 => Self::Uint(0),
            0x44 => Self::Ulong(0),
            0x45 => Self::List(Vec::new()),
            0x50 => Self::Ubyte(decoder.u8()?),
            0x51 => Self::Byte(i8::from_be_bytes(decoder.array()?)),
            0x52 => Self::Uint(decoder.u8()?.into()),
            0x53 => Self::Ulong(decoder.u8()?.into()),
            0x54 => Self::Int(i8::from_be_bytes(decoder.array()?).into()),
            0x55 => Self::Long(i8::from_be_bytes(decoder.array()?).into()),
            0x56 => Self::Bool(match decoder.u8()? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError("a boolean is neither 0 nor 1")),
            }),
            0x60 => Self::Ushort(u16::from_be_bytes(decoder.array()?)),
            0x61 => Self::Short(i16::from_be_bytes(decoder.array()?)),
            0x70 => Self::Uint(u32::from_be_bytes(decoder.array()?)),
            0x71 => Self::Int(i32::from_be_bytes(decoder.array()?)),
            0x72..=0x74 => Self::Fixed(constructor, Bytes::copy_from_slice(decoder.take(4)?)),
            0x80 => Self::Ulong(u64::from_be_bytes(decoder.array()?)),
            0x81 => Self::Long(i64::from_be_bytes(decoder.array()?)),
            0x82 | 0x84 => Self::Fixed(constructor, Bytes::copy_from_slice(decoder.take(8)?)),
            0x83 => Self::Timestamp(i64::from_be_bytes(decoder.array()?)),
            0x94 => Self::Fixed(constructor, Bytes::copy_from_slice(decoder.take(16)?)),
            0x98 => Self::Uuid(decoder.array()?),
            0xA0 | 0xB0 => Self::Binary(Bytes::copy_from_slice(variable(decoder, constructor)?)),
            0xA1 | 0xB1 => Self::String(utf8(variable(decoder, constructor)?)?),
            0xA3 | 0xB3 => Self::Symbol(utf8(variable(decoder, constructor)?)?),
            0xC0 | 0xD0 => {
                let mut items = decoder.items(constructor == 0xD0)?;
                // Its count is a claim: nested ones would each be granted all that is left.
                let mut list = Vec::new();
                for _ in 0..items.left {
                    list.push(Self::decode(&mut items.decoder, depth, left)?);
                }
                Self::List(list)
            }
            0xC1 | 0xD1 => {
                let mut items = decoder.items(constructor == 0xD1)?;
                if items.left % 2 == 1 {
                    return Err(DecodeError("a map needs a value for each key"));
                }
                let mut map = Vec::new();
                for _ in 0..items.left / 2 {
                    let key = Self::decode(&mut items.decoder, depth, left)?;
                    map.push((key, Self::decode(&mut items.decoder, depth, left)?));
                }
                Self::Map(map)
            }
            0xE0 | 0xF0 => Self::Array(array(decoder, constructor == 0xF0)?),
            _ => return Err(DecodeError("an unknown type")),
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Null => encode::null(out),
            Self::Bool(value) => encode::bool(out, *value),
            Self::Ubyte(n) => encode::u8(out, *n),
            Self::Ushort(n) => encode::u16(out, *n),
            Self::Uint(n) => encode::u32(out, *n),
            Self::Ulong(n) => encode::u64(out, *n),
            Self::Byte(n) => fixed(out, 0x51, &n.to_be_bytes()),
            Self::Short(n) => fixed(out, 0x61, &n.to_be_bytes()),
            Self::Int(n) => fixed(out, 0x71, &n.to_be_bytes()),
            Self::Long(n) => fixed(out, 0x81, &n.to_be_bytes()),
            Self::Timestamp(n) => fixed(out, 0x83, &n.to_be_bytes()),
            Self::Uuid(bytes) => fixed(out, 0x98, bytes),
            Self::Fixed(constructor, bytes) => fixed(out, *constructor, bytes),
            Self::Binary(bytes) => encode::binary(out, bytes),
            Self::String(text) => encode::string(out, text),
            Self::Symbol(text) => encode::symbol(out, text),
            Self::List(items) => encode::list(out, items.len(), |out| {
                for item in items {
                    item.encode(out);
                }
            }),
            Self::Map(entries) => encode::map(out, entries.len() * 2, |out| {
                for (key, value) in entries {
                    key.encode(out);
                    value.encode(out);
                }
            }),
            Self::Array(bytes) => {
                out.put_u8(0xF0);
                out.put_u32(encode::length(bytes.len()));
                out.put_slice(bytes);
            }
            Self::Described(descriptor, value) => {
                out.put_u8(0x00);
                descriptor.encode(out);
                value.encode(out);
            }
        }
    }
}

fn variable<'a>(decoder: &mut Decoder<'a>, constructor: u8) -> Result<&'a [u8]> {
    let size = decoder.size(constructor >> 4 == 0xB)?;
    decoder.take(size)
}

fn utf8(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError("a string is not UTF-8"))
}

fn fixed(out: &mut BytesMut, constructor: u8, bytes: &[u8]) {
    out.put_u8(constructor);
    out.put_slice(bytes);
}

/// An array's count, widened to four bytes, and its items.
fn array(decoder: &mut Decoder<'_>, wide: bool) -> Result<Bytes> {
    let items = decoder.items(wide)?;
    let rest = items.decoder.rest();
    let mut out = BytesMut::with_capacity(4 + rest.len());
    out.put_u32(encode::length(items.left));
    out.put_slice(rest);
    Ok(out.freeze())
}

fn array_has_symbol(bytes: &[u8], name: &str) -> Result<bool> {
    let mut decoder = Decoder::new(bytes);
    let count = decoder.size(true)?;
    let wide = match decoder.u8()? {
        0xA3 => false,
        0xB3 => true,
        _ => return Ok(false),
    };
    for _ in 0..count {
        let size = decoder.size(wide)?;
        if decoder.take(size)? == name.as_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::wire) fn any_value() -> impl Strategy<Value = Value> {
        let bytes = |n| proptest::collection::vec(any::<u8>(), n).prop_map(Bytes::from);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u8>().prop_map(Value::Ubyte),
            any::<u16>().prop_map(Value::Ushort),
            any::<u32>().prop_map(Value::Uint),
            any::<u64>().prop_map(Value::Ulong),
            any::<i8>().prop_map(Value::Byte),
            any::<i16>().prop_map(Value::Short),
            any::<i32>().prop_map(Value::Int),
            any::<i64>().prop_map(Value::Long),
            any::<i64>().prop_map(Value::Timestamp),
            any::<[u8; 16]>().prop_map(Value::Uuid),
            bytes(4).prop_map(|b| Value::Fixed(0x72, b)),
            bytes(8).prop_map(|b| Value::Fixed(0x82, b)),
            bytes(16).prop_map(|b| Value::Fixed(0x94, b)),
            proptest::collection::vec(any::<u8>(), 0..400).prop_map(|b| Value::Binary(b.into())),
            ".{0,300}".prop_map(Value::String),
            "[a-z]{0,20}".prop_map(Value::Symbol),
            proptest::collection::vec("[a-z]{0,9}", 0..5)
                .prop_map(|items| Value::string_array(items.iter().map(String::as_str))),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                proptest::collection::vec((inner.clone(), inner.clone()), 0..4)
                    .prop_map(Value::Map),
                (any::<u64>(), inner).prop_map(|(code, value)| Value::described(code, value)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was_encoded(value in any_value()) {
            let mut out = BytesMut::new();
            value.encode(&mut out);
            let mut decoder = Decoder::new(&out);
            prop_assert_eq!(decoder.value(), Ok(value));
            prop_assert!(decoder.is_empty());
            let mut decoder = Decoder::new(&out);
            prop_assert_eq!(decoder.skip(), Ok(()));
            prop_assert!(decoder.is_empty());
        }

        #[test]
        fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Decoder::new(&bytes).value();
            let _ = Decoder::new(&bytes).skip();
        }
    }

    #[test]
    fn a_symbol_is_found_alone_and_in_an_array() {
        assert!(Value::symbol("a").has_symbol("a"));
        let mut out = BytesMut::new();
        encode::array(&mut out, 2, |out| out.put_slice(b"\xA3\x01a\x02bc"));
        let value = Decoder::new(&out).value().unwrap();
        assert!(value.has_symbol("bc"));
        assert!(!value.has_symbol("b"));
    }
}
