//! Writing AMQP types: compound types get their size filled in once it is known.

use bytes::{BufMut, BytesMut};

pub(crate) fn null(out: &mut BytesMut) {
    out.put_u8(0x40);
}

pub(crate) fn bool(out: &mut BytesMut, value: bool) {
    out.put_u8(if value { 0x41 } else { 0x42 });
}

pub(crate) fn u8(out: &mut BytesMut, value: u8) {
    out.put_slice(&[0x50, value]);
}

pub(crate) fn u16(out: &mut BytesMut, value: u16) {
    out.put_u8(0x60);
    out.put_u16(value);
}

pub(crate) fn u32(out: &mut BytesMut, value: u32) {
    match u8::try_from(value) {
        Ok(0) => out.put_u8(0x43),
        Ok(small) => out.put_slice(&[0x52, small]),
        Err(_) => {
            out.put_u8(0x70);
            out.put_u32(value);
        }
    }
}

pub(crate) fn u64(out: &mut BytesMut, value: u64) {
    match u8::try_from(value) {
        Ok(0) => out.put_u8(0x44),
        Ok(small) => out.put_slice(&[0x53, small]),
        Err(_) => {
            out.put_u8(0x80);
            out.put_u64(value);
        }
    }
}

pub(crate) fn string(out: &mut BytesMut, value: &str) {
    variable(out, 0xA1, 0xB1, value.as_bytes());
}

pub(crate) fn symbol(out: &mut BytesMut, value: &str) {
    variable(out, 0xA3, 0xB3, value.as_bytes());
}

pub(crate) fn binary(out: &mut BytesMut, value: &[u8]) {
    variable(out, 0xA0, 0xB0, value);
}

fn variable(out: &mut BytesMut, narrow: u8, wide: u8, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(len) => out.put_slice(&[narrow, len]),
        Err(_) => {
            out.put_u8(wide);
            out.put_u32(length(value.len()));
        }
    }
    out.put_slice(value);
}

/// Writes `value` with `write`, or null.
pub(crate) fn option<T>(
    out: &mut BytesMut,
    value: Option<T>,
    write: impl FnOnce(&mut BytesMut, T),
) {
    match value {
        Some(value) => write(out, value),
        None => null(out),
    }
}

/// Writes the descriptor of a described type; the value proper follows.
pub(crate) fn descriptor(out: &mut BytesMut, code: u8) {
    out.put_slice(&[0x00, 0x53, code]);
}

/// Writes a list of `count` items, which `items` writes.
pub(crate) fn list(out: &mut BytesMut, count: usize, items: impl FnOnce(&mut BytesMut)) {
    compound(out, 0xD0, count, items);
}

/// Writes a map of `count` keys and values (twice the pairs), which `items` writes.
pub(crate) fn map(out: &mut BytesMut, count: usize, items: impl FnOnce(&mut BytesMut)) {
    compound(out, 0xD1, count, items);
}

/// Writes an array of `count` items: `items` writes the one constructor, then the bare items.
pub(crate) fn array(out: &mut BytesMut, count: usize, items: impl FnOnce(&mut BytesMut)) {
    compound(out, 0xF0, count, items);
}

fn compound(out: &mut BytesMut, constructor: u8, count: usize, items: impl FnOnce(&mut BytesMut)) {
    out.put_u8(constructor);
    let start = out.len();
    out.put_u32(0);
    out.put_u32(length(count));
    items(out);
    let size = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// A length that fits: nothing the emulator holds comes near 4 GiB.
///
/// # Panics
///
/// Panics beyond 4 GiB.
pub(crate) fn length(len: usize) -> u32 {
    u32::try_from(len).expect("nothing encoded reaches 4 GiB")
}
