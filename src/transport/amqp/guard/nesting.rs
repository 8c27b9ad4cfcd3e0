//! Walks encoded AMQP values, without recursion.

use std::num::{NonZeroU8, NonZeroU32};

/// How deep lists, maps, arrays and described values may nest.
pub(super) const MAX_DEPTH: usize = 64;

/// How many items without a byte of their own (nulls, zeros) an array may have.
const MAX_EMPTY_ITEMS: usize = 64 * 1024;

/// Why values are not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("values nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a count exceeds the bytes that are there")]
    Count,
    #[error("the encoding ends too early or is not AMQP 1.0")]
    Malformed,
}

/// A value that has begun: what is left of it. Small, since there is a stack of them.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Items to come.
    items: u32,
    /// Where it ends; a described value ends with its second item.
    end: Option<NonZeroU32>,
    /// The constructor that the items of an array share.
    constructor: Option<NonZeroU8>,
}

impl Open {
    fn new(items: usize, end: usize, constructor: Option<NonZeroU8>) -> Result<Self, Unfit> {
        let small = |number| u32::try_from(number).map_err(|_| Unfit::Malformed);
        Ok(Self {
            items: small(items)?,
            end: NonZeroU32::new(small(end)?),
            constructor,
        })
    }
}

/// Checks values. What they stand in is kept here from one check to the next: to clear it for
/// every event would cost as much as the walk.
#[derive(Debug)]
pub(super) struct Nesting {
    /// The values around the one that is walked.
    around: [Open; MAX_DEPTH - 1],
}

impl Default for Nesting {
    fn default() -> Self {
        let nothing = Open {
            items: 0,
            end: None,
            constructor: None,
        };
        Self {
            around: [nothing; MAX_DEPTH - 1],
        }
    }
}

impl Nesting {
    /// Checks values that stand one after the other, such as the sections of a message.
    ///
    /// # Errors
    /// The first reason not to decode them.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let mut walk = Walk { bytes, at: 0 };
        while walk.at < bytes.len() {
            walk.pass(&mut self.around)?;
        }
        Ok(())
    }

    /// Checks the first value and returns how many bytes it has.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(super) fn check_first(&mut self, bytes: &[u8]) -> Result<usize, Unfit> {
        let mut walk = Walk { bytes, at: 0 };
        walk.pass(&mut self.around)?;
        Ok(walk.at)
    }
}

/// How many bytes the first value has; it was checked before.
///
/// # Errors
/// [`Unfit::Malformed`] if there is none.
pub(super) fn size_of_first(checked: &[u8]) -> Result<usize, Unfit> {
    let mut walk = Walk {
        bytes: checked,
        at: 0,
    };
    let mut items = 1_usize;
    while items > 0 {
        let constructor = walk.byte()?;
        match walk.enter(constructor)? {
            None => items -= 1,
            Some(Open { end: Some(end), .. }) => {
                walk.at = end.get() as usize;
                items -= 1;
            }
            // Described: two stand in for it.
            Some(_) => items += 1,
        }
    }
    Ok(walk.at)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8, Unfit> {
        let byte = *self.bytes.get(self.at).ok_or(Unfit::Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    /// A size or count of one byte or, `wide`, of four.
    fn size(&mut self, wide: bool) -> Result<usize, Unfit> {
        if !wide {
            return self.byte().map(usize::from);
        }
        let rest = &self.bytes[self.at..];
        let size = rest.first_chunk().ok_or(Unfit::Malformed)?;
        self.at += size.len();
        usize::try_from(u32::from_be_bytes(*size)).map_err(|_| Unfit::Malformed)
    }

    fn skip(&mut self, count: usize) -> Result<(), Unfit> {
        let end = self.at.checked_add(count).ok_or(Unfit::Malformed)?;
        if end > self.bytes.len() {
            return Err(Unfit::Malformed);
        }
        self.at = end;
        Ok(())
    }

    /// Passes a value with all that stands in it.
    #[inline]
    fn pass(&mut self, around: &mut [Open]) -> Result<(), Unfit> {
        let constructor = self.byte()?;
        let Some(mut open) = self.enter(constructor)? else {
            return Ok(());
        };
        let mut depth = 0;
        loop {
            while open.items > 0 {
                let constructor = match open.constructor {
                    Some(shared) => shared.get(),
                    None => self.byte()?,
                };
                match self.enter(constructor)? {
                    None => open.items -= 1,
                    Some(inner) => {
                        *around.get_mut(depth).ok_or(Unfit::TooDeep)? = open;
                        depth += 1;
                        open = inner;
                    }
                }
            }
            if open.end.is_some_and(|end| end.get() as usize != self.at) {
                return Err(Unfit::Malformed);
            }
            let Some(outer) = depth.checked_sub(1) else {
                return Ok(());
            };
            depth = outer;
            open = around[outer];
            // What is complete was an item of it.
            open.items -= 1;
        }
    }

    /// Passes a value whose constructor was read; what holds others is entered.
    #[inline]
    fn enter(&mut self, constructor: u8) -> Result<Option<Open>, Unfit> {
        let wide = constructor & 0x10 != 0;
        match constructor >> 4 {
            0x0 if constructor == 0 => {
                return Ok(Some(Open {
                    items: 2,
                    end: None,
                    constructor: None,
                }));
            }
            0x4 => {}
            0x5 => self.skip(1)?,
            0x6 => self.skip(2)?,
            0x7 => self.skip(4)?,
            0x8 => self.skip(8)?,
            0x9 => self.skip(16)?,
            0xA | 0xB => {
                let size = self.size(wide)?;
                self.skip(size)?;
            }
            0xC | 0xD => return self.compound(wide).map(Some),
            0xE | 0xF => return self.array(wide),
            _ => return Err(Unfit::Malformed),
        }
        Ok(None)
    }

    fn compound(&mut self, wide: bool) -> Result<Open, Unfit> {
        let (items, end) = self.bounds(wide)?;
        if items > end - self.at {
            return Err(Unfit::Count);
        }
        Open::new(items, end, None)
    }

    fn array(&mut self, wide: bool) -> Result<Option<Open>, Unfit> {
        let (items, end) = self.bounds(wide)?;
        if items == 0 {
            self.at = end;
            return Ok(None);
        }
        let constructor = self.byte()?;
        match constructor >> 4 {
            0x0 => Err(Unfit::Malformed),
            0x4 if items > MAX_EMPTY_ITEMS => Err(Unfit::Count),
            0xC..=0xF if items > end.saturating_sub(self.at) => Err(Unfit::Count),
            0xC..=0xF => Open::new(items, end, NonZeroU8::new(constructor)).map(Some),
            // Nothing in there can nest.
            _ if end < self.at => Err(Unfit::Malformed),
            _ => {
                self.at = end;
                Ok(None)
            }
        }
    }

    /// The count of a compound value or array, and where it ends.
    fn bounds(&mut self, wide: bool) -> Result<(usize, usize), Unfit> {
        let size = self.size(wide)?;
        let end = self
            .at
            .checked_add(size)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(Unfit::Malformed)?;
        let items = self.size(wide)?;
        if self.at > end {
            return Err(Unfit::Malformed);
        }
        Ok((items, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<(), Unfit> {
        Nesting::default().check(bytes)
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![0x45];
        for _ in 0..levels {
            let size = u32::try_from(bytes.len() + 4).unwrap();
            let mut outer = vec![0xD0];
            outer.extend(size.to_be_bytes());
            outer.extend(1_u32.to_be_bytes());
            outer.append(&mut bytes);
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn values_nest_to_the_depth_allowed_and_no_deeper() {
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Unfit::TooDeep));
        assert_eq!(check(&nested(4000)), Err(Unfit::TooDeep));
    }

    #[test]
    fn described_values_nest_no_deeper_either() {
        let described = |levels: usize| {
            let mut bytes = [0x00, 0x53, 0x77].repeat(levels);
            bytes.push(0x40);
            bytes
        };
        assert_eq!(check(&described(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&described(MAX_DEPTH + 1)), Err(Unfit::TooDeep));
        assert_eq!(
            check(&vec![0; 100_000]),
            Err(Unfit::TooDeep),
            "descriptors of descriptors"
        );
    }

    #[test]
    fn arrays_of_arrays_nest_no_deeper_either() {
        // The innermost holds a zero, which nothing can nest in.
        let nested = |levels: usize| {
            let mut item = vec![0, 0, 0, 5, 0, 0, 0, 1, 0x44];
            for _ in 0..levels {
                let size = u32::try_from(item.len() + 5).unwrap().to_be_bytes();
                item = [&size[..], &[0, 0, 0, 1, 0xF0], &item].concat();
            }
            [&[0xF0], &item[..]].concat()
        };
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Unfit::TooDeep));
    }

    #[test]
    fn a_count_needs_bytes() {
        let list = [0xD0, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFF, 0x40, 0x40];
        assert_eq!(check(&list), Err(Unfit::Count));
        let array = [0xF0, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x40];
        assert_eq!(check(&array), Err(Unfit::Count));
    }

    #[test]
    fn a_length_beyond_the_bytes_is_an_error() {
        for constructor in [0xB0, 0xB1, 0xD0, 0xD1, 0xF0] {
            let bytes = [constructor, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0x40];
            assert_eq!(check(&bytes), Err(Unfit::Malformed), "{constructor:#x}");
        }
        assert_eq!(check(&[0x80, 1, 2]), Err(Unfit::Malformed));
        assert_eq!(check(&[0xC0, 1]), Err(Unfit::Malformed));
        assert_eq!(check(&[0x01]), Err(Unfit::Malformed));
    }

    #[test]
    fn a_list_whose_items_do_not_fill_it_is_an_error() {
        assert_eq!(check(&[0xC0, 3, 1, 0x40, 0x40]), Err(Unfit::Malformed));
        assert_eq!(check(&[0xC0, 3, 2, 0x40, 0x40]), Ok(()));
        assert_eq!(check(&[0xC0, 2, 1, 0x50, 7]), Err(Unfit::Malformed));
    }

    #[test]
    fn the_first_value_is_measured() {
        let two = [0xC1, 5, 2, 0xA1, 1, b'k', 0x41, 0x43];
        assert_eq!(Nesting::default().check_first(&two), Ok(7));
        assert_eq!(check(&two), Ok(()));
    }

    #[test]
    fn what_was_checked_is_measured() {
        let values: [&[u8]; 6] = [
            &[0x40],
            &[0x52, 7],
            &[0xA1, 2, b'a', b'b'],
            &[0xC0, 3, 2, 0x40, 0x40],
            &[0xE0, 6, 2, 0xA3, 1, b'a', 1, b'b'],
            // Described, by what is described in turn.
            &[0x00, 0x00, 0x53, 1, 0x43, 0xC1, 5, 2, 0xA1, 1, b'k', 0x41],
        ];
        for value in values {
            let more = [value, &[0x43, 0x43]].concat();
            assert_eq!(size_of_first(&more), Ok(value.len()), "{value:x?}");
            assert_eq!(Nesting::default().check_first(&more), Ok(value.len()));
        }
        assert_eq!(size_of_first(&[]), Err(Unfit::Malformed));
    }

    #[test]
    fn arrays_of_what_cannot_nest_are_passed_by_their_size() {
        let symbols = [0xE0, 6, 2, 0xA3, 1, b'a', 1, b'b'];
        assert_eq!(check(&symbols), Ok(()));
        assert_eq!(check(&[0xE0, 2, 200, 0x44]), Ok(()), "200 zeros");
        assert_eq!(check(&[0xE0, 1, 0]), Ok(()), "no item, no constructor");
    }
}
