//! A cursor over encoded AMQP types that cannot be led astray by its input.
//!
//! Every size and count is checked against the bytes that are there before anything is allocated, and nesting is
//! followed to [`MAX_DEPTH`] only. Skipping a value costs a look at its size, never a walk through it.

use super::value::Value;

/// How deep lists, maps, arrays and described values may nest.
pub(crate) const MAX_DEPTH: usize = 64;
/// How many values a tree may hold: a value of one byte takes forty as a tree, or three times that.
pub(crate) const MAX_VALUES: usize = 4096;

/// The input is not AMQP 1.0, or goes beyond a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecodeError(pub(crate) &'static str);

pub(crate) type Result<T> = std::result::Result<T, DecodeError>;

const TRUNCATED: DecodeError = DecodeError("the encoding ends too early");

/// The part of some bytes that is still to be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

/// A list's fields, or a map's keys and values, each to be taken in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'a> {
    pub(crate) decoder: Decoder<'a>,
    pub(crate) left: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    /// A size or count of one byte (`wide` false) or four.
    pub(crate) fn size(&mut self, wide: bool) -> Result<usize> {
        if wide {
            Ok(u32::from_be_bytes(self.array()?) as usize)
        } else {
            Ok(self.u8()? as usize)
        }
    }

    /// The descriptor of a described type as its numeric code; a symbol it does not know is an error.
    pub(crate) fn descriptor(&mut self) -> Result<u64> {
        if self.u8()? != 0x00 {
            return Err(DecodeError("a described type was expected"));
        }
        match self.u8()? {
            0x53 => Ok(u64::from(self.u8()?)),
            0x80 => Ok(u64::from_be_bytes(self.array()?)),
            0x44 => Ok(0),
            _ => Err(DecodeError("a numeric descriptor was expected")),
        }
    }

    /// Enters a list: its fields, with the cursor moved behind it.
    pub(crate) fn list(&mut self) -> Result<Items<'a>> {
        match self.u8()? {
            0x45 => Ok(Items {
                decoder: Decoder::new(&[]),
                left: 0,
            }),
            0xC0 => self.items(false),
            0xD0 => self.items(true),
            _ => Err(DecodeError("a list was expected")),
        }
    }

    /// Enters a map: keys and values in turn, an even number of items.
    pub(crate) fn map(&mut self) -> Result<Items<'a>> {
        let items = match self.u8()? {
            0xC1 => self.items(false)?,
            0xD1 => self.items(true)?,
            _ => return Err(DecodeError("a map was expected")),
        };
        if items.left % 2 == 1 {
            Err(DecodeError("a map needs a value for each key"))
        } else {
            Ok(items)
        }
    }

    /// The items of a list or map whose constructor was read.
    pub(crate) fn items(&mut self, wide: bool) -> Result<Items<'a>> {
        let size = self.size(wide)?;
        let mut decoder = Decoder::new(self.take(size)?);
        let left = decoder.size(wide)?;
        // An item takes one byte at least, so this bounds what a count can make anyone allocate.
        if left > decoder.rest.len() {
            return Err(DecodeError("a count exceeds the bytes present"));
        }
        Ok(Items { decoder, left })
    }

    /// The payload of a binary value.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8]> {
        let wide = match self.u8()? {
            0xA0 => false,
            0xB0 => true,
            _ => return Err(DecodeError("a binary was expected")),
        };
        let size = self.size(wide)?;
        self.take(size)
    }

    /// A string or symbol, whichever stands there; `None` for anything else, which is skipped.
    pub(crate) fn text(&mut self) -> Result<Option<&'a str>> {
        let wide = match self.rest.first() {
            Some(0xA1 | 0xA3) => false,
            Some(0xB1 | 0xB3) => true,
            _ => return self.skip().map(|()| None),
        };
        self.u8()?;
        let size = self.size(wide)?;
        std::str::from_utf8(self.take(size)?)
            .map(Some)
            .map_err(|_| DecodeError("a string is not UTF-8"))
    }

    /// Moves behind the next value without looking into it.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut constructor = self.u8()?;
        let mut depth = 0;
        // A described value is its descriptor followed by the value proper; only descriptors can nest here.
        while constructor == 0x00 {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(DecodeError("values nest too deeply"));
            }
            let descriptor = self.u8()?;
            if descriptor == 0x00 {
                return Err(DecodeError("a descriptor cannot be described"));
            }
            self.skip_body(descriptor)?;
            constructor = self.u8()?;
        }
        self.skip_body(constructor)
    }

    fn skip_body(&mut self, constructor: u8) -> Result<()> {
        let size = match constructor >> 4 {
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xA | 0xC | 0xE => self.size(false)?,
            0xB | 0xD | 0xF => self.size(true)?,
            _ => return Err(DecodeError("an unknown type")),
        };
        self.take(size).map(|_| ())
    }

    /// Decodes the next value whole.
    pub(crate) fn value(&mut self) -> Result<Value> {
        Value::decode(self, MAX_DEPTH, &mut { MAX_VALUES })
    }
}

impl<'a> Items<'a> {
    /// The decoder at the next item that is there and not null.
    fn next(&mut self) -> Result<Option<&mut Decoder<'a>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if self.decoder.rest.first() == Some(&0x40) {
            self.decoder.u8()?;
            return Ok(None);
        }
        Ok(Some(&mut self.decoder))
    }

    pub(crate) fn u8(&mut self) -> Result<Option<u8>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        match decoder.u8()? {
            0x50 => decoder.u8().map(Some),
            _ => Err(DecodeError("a ubyte was expected")),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<Option<u16>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        match decoder.u8()? {
            0x60 => Ok(Some(u16::from_be_bytes(decoder.array()?))),
            _ => Err(DecodeError("a ushort was expected")),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<Option<u32>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        match decoder.u8()? {
            0x43 => Ok(Some(0)),
            0x52 => Ok(Some(u32::from(decoder.u8()?))),
            0x70 => Ok(Some(u32::from_be_bytes(decoder.array()?))),
            _ => Err(DecodeError("a uint was expected")),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<Option<u64>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        match decoder.u8()? {
            0x44 => Ok(Some(0)),
            0x53 => Ok(Some(u64::from(decoder.u8()?))),
            0x80 => Ok(Some(u64::from_be_bytes(decoder.array()?))),
            _ => Err(DecodeError("a ulong was expected")),
        }
    }

    pub(crate) fn bool(&mut self) -> Result<Option<bool>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        match decoder.u8()? {
            0x41 => Ok(Some(true)),
            0x42 => Ok(Some(false)),
            0x56 => match decoder.u8()? {
                0 => Ok(Some(false)),
                1 => Ok(Some(true)),
                _ => Err(DecodeError("a boolean is neither 0 nor 1")),
            },
            _ => Err(DecodeError("a boolean was expected")),
        }
    }

    /// A string or symbol.
    pub(crate) fn text(&mut self) -> Result<Option<&'a str>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        decoder
            .text()?
            .ok_or(DecodeError("a string was expected"))
            .map(Some)
    }

    pub(crate) fn binary(&mut self) -> Result<Option<&'a [u8]>> {
        let Some(decoder) = self.next()? else {
            return Ok(None);
        };
        decoder.binary().map(Some)
    }

    /// Passes over an item that nobody reads.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.next()? {
            Some(decoder) => decoder.skip(),
            None => Ok(()),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value> {
        let Some(decoder) = self.next()? else {
            return Ok(Value::Null);
        };
        decoder.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_four_gigabytes_is_an_error() {
        for constructor in [0xB0, 0xB1, 0xB3, 0xD0, 0xD1, 0xF0] {
            let bytes = [constructor, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0x40];
            assert_eq!(
                Decoder::new(&bytes).value(),
                Err(TRUNCATED),
                "{constructor:#x}"
            );
            assert_eq!(
                Decoder::new(&bytes).skip(),
                Err(TRUNCATED),
                "{constructor:#x}"
            );
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_present_is_an_error() {
        for constructor in [0xD0, 0xD1, 0xF0] {
            let bytes = [constructor, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFE, 0x40, 0x40];
            assert!(Decoder::new(&bytes).value().is_err(), "{constructor:#x}");
        }
    }

    #[test]
    fn four_thousand_nested_lists_are_an_error_and_no_stack_overflow() {
        let mut bytes = vec![0x45];
        for _ in 0..4000 {
            let size = u32::try_from(bytes.len() + 4).unwrap();
            let mut outer = vec![0xD0];
            outer.extend(size.to_be_bytes());
            outer.extend(1u32.to_be_bytes());
            outer.append(&mut bytes);
            bytes = outer;
        }
        assert_eq!(
            Decoder::new(&bytes).value(),
            Err(DecodeError("values nest too deeply"))
        );
        assert_eq!(
            Decoder::new(&bytes).skip(),
            Ok(()),
            "a skip looks at the outer size only"
        );
    }

    fn list(items: &[u8], count: usize) -> Vec<u8> {
        let mut bytes = vec![0xD0];
        bytes.extend(u32::try_from(items.len() + 4).unwrap().to_be_bytes());
        bytes.extend(u32::try_from(count).unwrap().to_be_bytes());
        bytes.extend(items);
        bytes
    }

    #[test]
    fn a_tree_of_too_many_values_is_an_error() {
        let most = MAX_VALUES - 1; // the list is one, too
        assert!(Decoder::new(&list(&vec![0x40; most], most)).value().is_ok());
        let inner = list(&vec![0x40; most], most);
        for bytes in [
            list(&vec![0x40; MAX_VALUES], MAX_VALUES),
            list(&inner, 1),
            list(&[inner.clone(), inner].concat(), 2),
        ] {
            assert_eq!(
                Decoder::new(&bytes).value(),
                Err(DecodeError("a value holds too many others"))
            );
        }
    }

    #[test]
    fn descriptors_of_descriptors_are_an_error_and_no_stack_overflow() {
        let bytes = vec![0x00; 100_000];
        assert!(Decoder::new(&bytes).value().is_err());
        assert!(Decoder::new(&bytes).skip().is_err());
        let chain: Vec<u8> = [0x00, 0x44].repeat(100_000);
        assert!(Decoder::new(&chain).value().is_err());
        assert!(Decoder::new(&chain).skip().is_err());
    }
}
