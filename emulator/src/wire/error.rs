//! AMQP errors: a condition and a text, as detach, end, close and rejected outcomes carry them.

use super::decode::{DecodeError, Items, Result};
use super::value::Value;
use crate::texts::cut_to;
use bytes::BytesMut;
use std::borrow::Cow;

pub(crate) mod condition {
    //! The conditions the emulator uses.
    pub(crate) const DETACH_FORCED: &str = "amqp:link:detach-forced";
    pub(crate) const CONNECTION_FORCED: &str = "amqp:connection:forced";
    pub(crate) const DECODE_ERROR: &str = "amqp:decode-error";
    pub(crate) const FRAME_SIZE_TOO_SMALL: &str = "amqp:frame-size-too-small";
    pub(crate) const FRAMING_ERROR: &str = "amqp:connection:framing-error";
    pub(crate) const ILLEGAL_STATE: &str = "amqp:illegal-state";
    pub(crate) const NOT_ALLOWED: &str = "amqp:not-allowed";
    pub(crate) const NOT_FOUND: &str = "amqp:not-found";
    pub(crate) const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
    pub(crate) const TRANSFER_LIMIT_EXCEEDED: &str = "amqp:link:transfer-limit-exceeded";
    pub(crate) const UNATTACHED_HANDLE: &str = "amqp:session:unattached-handle";
    pub(crate) const HANDLE_IN_USE: &str = "amqp:session:handle-in-use";
    pub(crate) const WINDOW_VIOLATION: &str = "amqp:session:window-violation";
}

const ERROR: u64 = 0x1D;
/// More than a frame that carries an error takes beside its condition and text.
const OVERHEAD: usize = 128;

/// Why a link, session, connection or delivery failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmqpError {
    pub(crate) condition: Cow<'static, str>,
    pub(crate) description: String,
}

impl AmqpError {
    pub(crate) fn new(condition: &'static str, description: impl Into<String>) -> Self {
        Self {
            condition: Cow::Borrowed(condition),
            description: description.into(),
        }
    }

    /// The same error, cut where a frame that carries it would be too large for the peer.
    #[must_use]
    pub(crate) fn within(mut self, max_frame_size: usize) -> Self {
        let room = max_frame_size.saturating_sub(OVERHEAD);
        if self.condition.len() > room {
            self.condition = Cow::Owned(cut_to(&self.condition, room).to_owned());
        }
        let room = room - self.condition.len();
        self.description
            .truncate(cut_to(&self.description, room).len());
        self
    }

    /// All three fields, `info` an empty map: some clients index it without looking whether it is null.
    pub(crate) fn to_value(&self) -> Value {
        let condition = Value::symbol(&self.condition);
        let description = Value::string(&self.description);
        Value::described(
            ERROR,
            Value::List(vec![condition, description, Value::Map(Vec::new())]),
        )
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        self.to_value().encode(out);
    }

    /// The error in the next field, if there is one.
    pub(super) fn decode(fields: &mut Items<'_>) -> Result<Option<Self>> {
        let value = fields.value()?;
        if value == Value::Null {
            return Ok(None);
        }
        let error = value
            .described_list()
            .ok_or(DecodeError("an error was expected"))?;
        let text = |at: usize| {
            error
                .get(at)
                .and_then(Value::as_text)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Some(Self {
            condition: Cow::Owned(text(0)),
            description: text(1),
        }))
    }
}

/// The input broke the protocol: the connection closes with this.
impl From<DecodeError> for AmqpError {
    fn from(error: DecodeError) -> Self {
        Self::new(condition::DECODE_ERROR, error.to_string())
    }
}
