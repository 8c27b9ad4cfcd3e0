//! AMQP messages: the sections of one, the requests that nodes take and the answers they give.

use crate::texts;
use crate::wire::decode::{DecodeError, Decoder, Items, Result};
use crate::wire::encode;
use crate::wire::value::Value;
use bytes::{Bytes, BytesMut};

/// The longest message id and the longest address of a request that are echoed, in bytes.
pub(super) const MAX_ECHO: usize = 4096;
/// The longest description of an answer, in bytes: texts of the service are cut there if they quote a request.
const MAX_DESCRIPTION: usize = 4096;

/// The descriptors of a message's sections.
pub(crate) mod section {
    pub(crate) const HEADER: u8 = 0x70;
    pub(crate) const DELIVERY_ANNOTATIONS: u8 = 0x71;
    pub(crate) const MESSAGE_ANNOTATIONS: u8 = 0x72;
    pub(crate) const PROPERTIES: u8 = 0x73;
    pub(crate) const APPLICATION_PROPERTIES: u8 = 0x74;
    pub(crate) const DATA: u8 = 0x75;
    pub(crate) const SEQUENCE: u8 = 0x76;
    pub(crate) const VALUE: u8 = 0x77;
    pub(crate) const FOOTER: u8 = 0x78;
}

/// The sections of an encoded message: each one's descriptor, where it begins, and a decoder at its content.
pub(crate) struct Sections<'a> {
    decoder: Decoder<'a>,
    len: usize,
}

/// One section.
pub(crate) struct Section<'a> {
    pub(crate) code: u8,
    pub(crate) start: usize,
    pub(crate) content: Decoder<'a>,
}

impl<'a> Sections<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(message),
            len: message.len(),
        }
    }

    /// The next section; the cursor moves behind it without a look inside.
    pub(crate) fn next(&mut self) -> Result<Option<Section<'a>>> {
        if self.decoder.is_empty() {
            return Ok(None);
        }
        let start = self.len - self.decoder.rest().len();
        let code = u8::try_from(self.decoder.descriptor()?).unwrap_or_default();
        if !(section::HEADER..=section::FOOTER).contains(&code) {
            return Err(DecodeError("an unknown section"));
        }
        let content = self.decoder;
        self.decoder.skip()?;
        Ok(Some(Section {
            code,
            start,
            content,
        }))
    }
}

/// The payload of the first data section, or the encoded body where there is none.
pub(crate) fn first_body(message: &[u8]) -> &[u8] {
    let mut sections = Sections::new(message);
    while let Ok(Some(mut found)) = sections.next() {
        match found.code {
            section::DATA => return found.content.binary().unwrap_or_default(),
            section::SEQUENCE | section::VALUE => return &message[found.start..],
            _ => {}
        }
    }
    &[]
}

/// A request to a node. It has no `Debug`: its body may be a token.
pub(crate) struct Request {
    pub(crate) message_id: Value,
    pub(crate) reply_to: Option<String>,
    pub(crate) properties: Value,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn decode(message: &[u8]) -> Result<Self> {
        let mut request = Self {
            message_id: Value::Null,
            reply_to: None,
            properties: Value::Null,
            body: Value::Null,
        };
        let mut sections = Sections::new(message);
        while let Some(mut found) = sections.next()? {
            match found.code {
                section::PROPERTIES => {
                    let mut fields = found.content.list()?;
                    request.message_id = message_id(&mut fields)?;
                    for _ in 0..3 {
                        fields.value()?; // user-id, to, subject
                    }
                    request.reply_to = reply_to(&mut fields)?;
                    if request.message_id == Value::Null {
                        request.message_id = message_id(&mut fields)?; // the correlation id
                    }
                }
                section::APPLICATION_PROPERTIES => request.properties = found.content.value()?,
                section::VALUE => request.body = found.content.value()?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// The text of an application property.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_text()
    }
}

/// An id as it is to come back.
fn message_id(fields: &mut Items<'_>) -> Result<Value> {
    let before = fields.decoder.rest().len();
    let id = fields.value()?;
    let echoed = before - fields.decoder.rest().len();
    if echoed > MAX_ECHO {
        return Err(DecodeError("a message id is too long"));
    }
    Ok(id)
}

fn reply_to(fields: &mut Items<'_>) -> Result<Option<String>> {
    match fields.text()? {
        Some(address) if address.len() > MAX_ECHO => {
            Err(DecodeError("an address to reply to is too long"))
        }
        address => Ok(address.map(str::to_owned)),
    }
}

/// A node's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) description: String,
    /// The condition, where it is an error.
    pub(crate) error: Option<&'static str>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn encode(&self, request: &Request) -> Bytes {
        let mut out = BytesMut::new();
        encode::descriptor(&mut out, section::PROPERTIES);
        encode::list(&mut out, 6, |out| {
            encode::null(out);
            encode::null(out);
            encode::option(out, request.reply_to.as_deref(), encode::string);
            encode::null(out);
            encode::null(out);
            request.message_id.encode(out);
        });
        encode::descriptor(&mut out, section::APPLICATION_PROPERTIES);
        let mut properties = vec![
            (Value::string("status-code"), Value::Int(self.status)),
            (
                Value::string("status-description"),
                Value::string(texts::cut_to(&self.description, MAX_DESCRIPTION)),
            ),
        ];
        properties.extend(
            self.error
                .map(|error| (Value::string("error-condition"), Value::symbol(error))),
        );
        Value::Map(properties).encode(&mut out);
        encode::descriptor(&mut out, section::VALUE);
        self.body.encode(&mut out);
        out.freeze()
    }
}
