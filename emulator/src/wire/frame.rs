//! Frames: eight bytes of header, then a performative and its payload.

use super::decode::DecodeError;
use super::encode;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The largest frame the emulator takes and makes, as the service: 64 KiB.
pub(crate) const MAX_FRAME_SIZE: u32 = 65_536;
/// The smallest limit a peer may set.
pub(crate) const MIN_MAX_FRAME_SIZE: u32 = 512;
/// What every frame of ours begins with.
pub(crate) const HEADER_SIZE: usize = 8;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Amqp,
    Sasl,
}

/// One frame as it came, its body still encoded; an empty body is a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) channel: u16,
    pub(crate) body: Bytes,
}

impl Frame {
    /// Takes a frame off the front of `input`; `None` while it is not all there.
    pub(crate) fn take(input: &mut BytesMut) -> Result<Option<Self>, DecodeError> {
        let Some(&[s0, s1, s2, s3, doff, kind, c0, c1]) = input.first_chunk::<HEADER_SIZE>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size > MAX_FRAME_SIZE {
            return Err(DecodeError("a frame exceeds the maximum frame size"));
        }
        let (size, header) = (size as usize, usize::from(doff) * 4);
        if header < HEADER_SIZE || header > size {
            return Err(DecodeError("a frame's data offset is wrong"));
        }
        let kind = match kind {
            0 => FrameKind::Amqp,
            1 => FrameKind::Sasl,
            _ => return Err(DecodeError("an unknown type of frame")),
        };
        if input.len() < size {
            return Ok(None);
        }
        let mut body = input.split_to(size);
        body.advance(header);
        Ok(Some(Self {
            kind,
            channel: u16::from_be_bytes([c0, c1]),
            body: body.freeze(),
        }))
    }
}

/// Writes a frame whose body `body` writes.
pub(crate) fn write(
    out: &mut BytesMut,
    kind: FrameKind,
    channel: u16,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = begin(out, kind, channel);
    body(out);
    finish(out, start);
}

/// Starts an AMQP or SASL frame; [`finish`] takes what this returns.
pub(crate) fn begin(out: &mut BytesMut, kind: FrameKind, channel: u16) -> usize {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(2);
    out.put_u8(match kind {
        FrameKind::Amqp => 0,
        FrameKind::Sasl => 1,
    });
    out.put_u16(channel);
    start
}

/// Fills in the size of the frame that began at `start`.
pub(crate) fn finish(out: &mut BytesMut, start: usize) {
    let size = encode::length(out.len() - start);
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Writes the frame that says no more than "still here".
pub(crate) fn write_heartbeat(out: &mut BytesMut) {
    write(out, FrameKind::Amqp, 0, |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_once_it_is_whole() {
        let mut wire = BytesMut::new();
        write(&mut wire, FrameKind::Sasl, 7, |out| out.put_slice(b"body"));
        let mut input = BytesMut::new();
        for &byte in &wire[..wire.len() - 1] {
            input.put_u8(byte);
            assert_eq!(Frame::take(&mut input), Ok(None));
        }
        input.put_slice(&wire[wire.len() - 1..]);
        let frame = Frame {
            kind: FrameKind::Sasl,
            channel: 7,
            body: Bytes::from_static(b"body"),
        };
        assert_eq!(Frame::take(&mut input), Ok(Some(frame)));
        assert!(input.is_empty());
    }

    #[test]
    fn a_frame_of_four_gigabytes_is_refused_at_its_header() {
        let mut input = BytesMut::from(&b"\xFF\xFF\xFF\xFF\x02\x00\x00\x00"[..]);
        assert!(Frame::take(&mut input).is_err());
    }

    #[test]
    fn a_data_offset_outside_of_the_frame_is_an_error() {
        for (size, doff) in [(8, 1), (8, 3), (0, 2), (7, 2), (8, 0)] {
            let mut input = BytesMut::from(&[0, 0, 0, size, doff, 0, 0, 0][..]);
            assert!(
                Frame::take(&mut input).is_err(),
                "size {size}, data offset {doff}"
            );
        }
    }

    #[test]
    fn an_extended_header_is_skipped() {
        let mut input = BytesMut::from(&b"\0\0\0\x0D\x03\0\0\x01extsX"[..]);
        let frame = Frame::take(&mut input).unwrap().unwrap();
        assert_eq!((frame.channel, &frame.body[..]), (1, &b"X"[..]));
    }
}
