//! SASL: the mechanisms the service offers and what each proves, and a client's half of it.

use super::decode::{DecodeError, Decoder, Result};
use super::encode;
use super::frame::{self, FrameKind};
use super::value::Value;
use bytes::{BufMut, BytesMut};

/// The header that opens the SASL layer.
pub(crate) const HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

const MECHANISMS: [&str; 4] = ["MSSBCBS", "PLAIN", ANONYMOUS, "EXTERNAL"];

/// What a client that proves nothing names.
const ANONYMOUS: &str = "ANONYMOUS";

const SASL_MECHANISMS: u8 = 0x40;
const SASL_INIT: u8 = 0x41;
const SASL_OUTCOME: u8 = 0x44;

/// Who a client says it is. It has no `Debug`: it holds a key.
#[derive(PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// Nobody yet: a token through `$cbs` follows.
    Anonymous,
    /// The name of an access key, and the key.
    Plain { name: &'a str, key: &'a [u8] },
    /// No one: a mechanism that was not offered, or a response that makes no sense.
    Invalid,
}

pub(crate) fn write_mechanisms(out: &mut BytesMut) {
    frame::write(out, FrameKind::Sasl, 0, |out| {
        encode::descriptor(out, SASL_MECHANISMS);
        encode::list(out, 1, |out| {
            encode::array(out, MECHANISMS.len(), |out| {
                out.put_u8(0xB3);
                for mechanism in MECHANISMS {
                    out.put_u32(encode::length(mechanism.len()));
                    out.put_slice(mechanism.as_bytes());
                }
            });
        });
    });
}

pub(crate) fn write_outcome(out: &mut BytesMut, accepted: bool) {
    frame::write(out, FrameKind::Sasl, 0, |out| {
        encode::descriptor(out, SASL_OUTCOME);
        encode::list(out, 2, |out| {
            encode::u8(out, u8::from(!accepted));
            encode::null(out);
        });
    });
}

/// Reads a client's choice from the body of its sasl-init frame.
///
/// # Errors
///
/// If it is no sasl-init.
pub(crate) fn read_init(body: &[u8]) -> Result<Credentials<'_>> {
    let mut decoder = Decoder::new(body);
    if decoder.descriptor()? != u64::from(SASL_INIT) {
        return Err(DecodeError("a sasl-init was expected"));
    }
    let mut fields = decoder.list()?;
    match fields.text()? {
        Some(ANONYMOUS | "MSSBCBS" | "EXTERNAL") => Ok(Credentials::Anonymous),
        Some("PLAIN") => {
            let response = fields.binary()?.unwrap_or_default();
            Ok(plain(response).unwrap_or(Credentials::Invalid))
        }
        _ => Ok(Credentials::Invalid),
    }
}

/// `[authorization identity] NUL name NUL key`.
fn plain(response: &[u8]) -> Option<Credentials<'_>> {
    let mut parts = response.splitn(3, |&byte| byte == 0).skip(1);
    let name = std::str::from_utf8(parts.next()?).ok()?;
    let key = parts.next()?;
    Some(Credentials::Plain { name, key })
}

/// Reads the mechanisms that a server offers: a symbol, or an array of them.
pub(super) fn read_mechanisms(body: &[u8]) -> Result<Value> {
    let mut decoder = Decoder::new(body);
    if decoder.descriptor()? != u64::from(SASL_MECHANISMS) {
        return Err(DecodeError("sasl-mechanisms were expected"));
    }
    decoder.list()?.value()
}

pub(super) fn write_anonymous_init(out: &mut BytesMut) {
    frame::write(out, FrameKind::Sasl, 0, |out| {
        init(out, ANONYMOUS, b"");
    });
}

fn init(out: &mut BytesMut, mechanism: &str, response: &[u8]) {
    encode::descriptor(out, SASL_INIT);
    encode::list(out, 3, |out| {
        encode::symbol(out, mechanism);
        encode::binary(out, response);
        encode::null(out);
    });
}

/// Whether a server's outcome lets the client in.
pub(super) fn read_outcome(body: &[u8]) -> Result<bool> {
    let mut decoder = Decoder::new(body);
    if decoder.descriptor()? != u64::from(SASL_OUTCOME) {
        return Err(DecodeError("a sasl-outcome was expected"));
    }
    Ok(decoder.list()?.u8()? == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(mechanism: &str, response: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        super::init(&mut out, mechanism, response);
        out
    }

    #[test]
    fn plain_tells_name_and_key() {
        let expected = Credentials::Plain {
            name: "Root",
            key: b"secret",
        };
        assert!(read_init(&init("PLAIN", b"\0Root\0secret")) == Ok(expected));
        assert!(read_init(&init("PLAIN", b"Root")) == Ok(Credentials::Invalid));
    }

    #[test]
    fn a_mechanism_that_was_not_offered_lets_no_one_in() {
        for mechanism in ["MSSBCBS", "ANONYMOUS", "EXTERNAL"] {
            assert!(read_init(&init(mechanism, b"")) == Ok(Credentials::Anonymous));
        }
        assert!(read_init(&init("SCRAM-SHA-256", b"")) == Ok(Credentials::Invalid));
    }
}
