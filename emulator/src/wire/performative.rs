//! The nine performatives, read leniently and written with all their fields.
//!
//! AMQP lets a writer leave trailing nulls out; pyamqp indexes the fields, so every one is written, always.

use super::decode::{DecodeError, Decoder, Items, Result};
use super::encode;
use super::error::AmqpError;
use super::frame::{self, FrameKind};
use super::value::Value;
use bytes::BytesMut;

const OPEN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const ATTACH: u8 = 0x12;
const FLOW: u8 = 0x13;
const TRANSFER: u8 = 0x14;
const DISPOSITION: u8 = 0x15;
const DETACH: u8 = 0x16;
const END: u8 = 0x17;
const CLOSE: u8 = 0x18;

/// The side of a link that whoever sends the performative has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Sender,
    Receiver,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) container_id: String,
    pub(crate) hostname: Option<String>,
    pub(crate) max_frame_size: u32,
    pub(crate) channel_max: u16,
    /// In milliseconds.
    pub(crate) idle_time_out: Option<u32>,
    pub(crate) desired_capabilities: Value,
    pub(crate) properties: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) remote_channel: Option<u16>,
    pub(crate) next_outgoing_id: u32,
    pub(crate) incoming_window: u32,
    pub(crate) outgoing_window: u32,
    pub(crate) handle_max: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attach {
    pub(crate) name: String,
    pub(crate) handle: u32,
    pub(crate) role: Role,
    pub(crate) snd_settle_mode: u8,
    pub(crate) rcv_settle_mode: u8,
    pub(crate) source: Value,
    pub(crate) target: Value,
    pub(crate) initial_delivery_count: Option<u32>,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) offered_capabilities: Value,
    pub(crate) desired_capabilities: Value,
    pub(crate) properties: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) next_incoming_id: Option<u32>,
    pub(crate) incoming_window: u32,
    pub(crate) next_outgoing_id: u32,
    pub(crate) outgoing_window: u32,
    pub(crate) handle: Option<u32>,
    pub(crate) delivery_count: Option<u32>,
    pub(crate) link_credit: Option<u32>,
    pub(crate) available: Option<u32>,
    pub(crate) drain: bool,
    pub(crate) echo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transfer<'a> {
    pub(crate) handle: u32,
    pub(crate) delivery_id: Option<u32>,
    pub(crate) delivery_tag: Option<&'a [u8]>,
    pub(crate) message_format: Option<u32>,
    pub(crate) settled: Option<bool>,
    pub(crate) more: bool,
    pub(crate) aborted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disposition {
    pub(crate) role: Role,
    pub(crate) first: u32,
    pub(crate) last: Option<u32>,
    pub(crate) settled: bool,
    pub(crate) state: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detach {
    pub(crate) handle: u32,
    pub(crate) closed: bool,
    pub(crate) error: Option<AmqpError>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Performative<'a> {
    Open(Open),
    Begin(Begin),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer<'a>),
    Disposition(Disposition),
    Detach(Detach),
    End(Option<AmqpError>),
    Close(Option<AmqpError>),
}

impl<'a> Performative<'a> {
    /// Decodes a frame's performative; the payload is what `decoder` has left.
    pub(crate) fn decode(decoder: &mut Decoder<'a>) -> Result<Self> {
        let code = decoder.descriptor()?;
        let mut fields = decoder.list()?;
        let fields = &mut fields;
        match u8::try_from(code) {
            Ok(OPEN) => Open::decode(fields).map(Self::Open),
            Ok(BEGIN) => Begin::decode(fields).map(Self::Begin),
            Ok(ATTACH) => Attach::decode(fields).map(Box::new).map(Self::Attach),
            Ok(FLOW) => Flow::decode(fields).map(Self::Flow),
            Ok(TRANSFER) => Transfer::decode(fields).map(Self::Transfer),
            Ok(DISPOSITION) => Disposition::decode(fields).map(Self::Disposition),
            Ok(DETACH) => Detach::decode(fields).map(Self::Detach),
            Ok(END) => AmqpError::decode(fields).map(Self::End),
            Ok(CLOSE) => AmqpError::decode(fields).map(Self::Close),
            _ => Err(DecodeError("an unknown performative")),
        }
    }

    /// The handle of the link that it concerns, if it names one.
    pub(crate) fn handle(&self) -> Option<u32> {
        match self {
            Self::Attach(attach) => Some(attach.handle),
            Self::Flow(flow) => flow.handle,
            Self::Transfer(transfer) => Some(transfer.handle),
            Self::Detach(detach) => Some(detach.handle),
            Self::Open(_) | Self::Begin(_) | Self::Disposition(_) => None,
            Self::End(_) | Self::Close(_) => None,
        }
    }

    /// Writes the performative as a frame without a payload.
    pub(crate) fn write(&self, out: &mut BytesMut, channel: u16) {
        frame::write(out, FrameKind::Amqp, channel, |out| match self {
            Self::Open(open) => open.encode(out),
            Self::Begin(begin) => begin.encode(out),
            Self::Attach(attach) => attach.encode(out),
            Self::Flow(flow) => flow.encode(out),
            Self::Transfer(transfer) => transfer.encode(out),
            Self::Disposition(disposition) => disposition.encode(out),
            Self::Detach(detach) => detach.encode(out),
            Self::End(error) => encode_error_only(END, error.as_ref(), out),
            Self::Close(error) => encode_error_only(CLOSE, error.as_ref(), out),
        });
    }
}

impl Performative<'_> {
    /// The same, unless the frame would be larger than the peer takes: nothing is written then, and `false` returned.
    pub(crate) fn write_within(
        &self,
        out: &mut BytesMut,
        channel: u16,
        max_frame_size: usize,
    ) -> bool {
        let start = out.len();
        self.write(out, channel);
        let fits = out.len() - start <= max_frame_size;
        if !fits {
            out.truncate(start);
        }
        fits
    }
}

const MISSING: DecodeError = DecodeError("a mandatory field is missing");

fn role(fields: &mut Items<'_>) -> Result<Role> {
    Ok(if fields.bool()?.ok_or(MISSING)? {
        Role::Receiver
    } else {
        Role::Sender
    })
}

impl Role {
    fn encode(self, out: &mut BytesMut) {
        encode::bool(out, self == Self::Receiver);
    }
}

fn nulls(out: &mut BytesMut, count: usize) {
    for _ in 0..count {
        encode::null(out);
    }
}

fn encode_error_only(code: u8, error: Option<&AmqpError>, out: &mut BytesMut) {
    encode::descriptor(out, code);
    encode::list(out, 1, |out| {
        encode::option(out, error, |out, error| error.encode(out))
    });
}

impl Open {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        let container_id = fields.text()?.ok_or(MISSING)?.to_owned();
        let hostname = fields.text()?.map(str::to_owned);
        let max_frame_size = fields.u32()?.unwrap_or(u32::MAX);
        let channel_max = fields.u16()?.unwrap_or(u16::MAX);
        let idle_time_out = fields.u32()?;
        for _ in 0..3 {
            fields.skip()?; // outgoing and incoming locales, offered capabilities
        }
        let desired_capabilities = fields.value()?;
        let properties = fields.value()?;
        Ok(Self {
            container_id,
            hostname,
            max_frame_size,
            channel_max,
            idle_time_out,
            desired_capabilities,
            properties,
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, OPEN);
        encode::list(out, 10, |out| {
            encode::string(out, &self.container_id);
            encode::option(out, self.hostname.as_deref(), encode::string);
            encode::u32(out, self.max_frame_size);
            encode::u16(out, self.channel_max);
            encode::option(out, self.idle_time_out, encode::u32);
            nulls(out, 3);
            self.desired_capabilities.encode(out);
            self.properties.encode(out);
        });
    }
}

impl Begin {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        Ok(Self {
            remote_channel: fields.u16()?,
            next_outgoing_id: fields.u32()?.ok_or(MISSING)?,
            incoming_window: fields.u32()?.ok_or(MISSING)?,
            outgoing_window: fields.u32()?.ok_or(MISSING)?,
            handle_max: fields.u32()?.unwrap_or(u32::MAX),
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, BEGIN);
        encode::list(out, 8, |out| {
            encode::option(out, self.remote_channel, encode::u16);
            encode::u32(out, self.next_outgoing_id);
            encode::u32(out, self.incoming_window);
            encode::u32(out, self.outgoing_window);
            encode::u32(out, self.handle_max);
            nulls(out, 3);
        });
    }
}

impl Attach {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        let name = fields.text()?.ok_or(MISSING)?.to_owned();
        let handle = fields.u32()?.ok_or(MISSING)?;
        let role = role(fields)?;
        let snd_settle_mode = fields.u8()?.unwrap_or(2);
        let rcv_settle_mode = fields.u8()?.unwrap_or(0);
        let source = fields.value()?;
        let target = fields.value()?;
        fields.skip()?; // unsettled
        fields.bool()?; // incomplete-unsettled
        Ok(Self {
            name,
            handle,
            role,
            snd_settle_mode,
            rcv_settle_mode,
            source,
            target,
            initial_delivery_count: fields.u32()?,
            max_message_size: fields.u64()?,
            offered_capabilities: fields.value()?,
            desired_capabilities: fields.value()?,
            properties: fields.value()?,
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, ATTACH);
        encode::list(out, 14, |out| {
            encode::string(out, &self.name);
            encode::u32(out, self.handle);
            self.role.encode(out);
            encode::u8(out, self.snd_settle_mode);
            encode::u8(out, self.rcv_settle_mode);
            self.source.encode(out);
            self.target.encode(out);
            encode::null(out);
            encode::bool(out, false);
            encode::option(out, self.initial_delivery_count, encode::u32);
            encode::option(out, self.max_message_size, encode::u64);
            self.offered_capabilities.encode(out);
            self.desired_capabilities.encode(out);
            self.properties.encode(out);
        });
    }
}

impl Flow {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        Ok(Self {
            next_incoming_id: fields.u32()?,
            incoming_window: fields.u32()?.ok_or(MISSING)?,
            next_outgoing_id: fields.u32()?.ok_or(MISSING)?,
            outgoing_window: fields.u32()?.ok_or(MISSING)?,
            handle: fields.u32()?,
            delivery_count: fields.u32()?,
            link_credit: fields.u32()?,
            available: fields.u32()?,
            drain: fields.bool()?.unwrap_or(false),
            echo: fields.bool()?.unwrap_or(false),
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, FLOW);
        encode::list(out, 11, |out| {
            encode::option(out, self.next_incoming_id, encode::u32);
            encode::u32(out, self.incoming_window);
            encode::u32(out, self.next_outgoing_id);
            encode::u32(out, self.outgoing_window);
            encode::option(out, self.handle, encode::u32);
            encode::option(out, self.delivery_count, encode::u32);
            encode::option(out, self.link_credit, encode::u32);
            encode::option(out, self.available, encode::u32);
            encode::bool(out, self.drain);
            encode::bool(out, self.echo);
            encode::null(out);
        });
    }
}

impl<'a> Transfer<'a> {
    fn decode(fields: &mut Items<'a>) -> Result<Self> {
        let handle = fields.u32()?.ok_or(MISSING)?;
        let delivery_id = fields.u32()?;
        let delivery_tag = fields.binary()?;
        let message_format = fields.u32()?;
        let settled = fields.bool()?;
        let more = fields.bool()?.unwrap_or(false);
        fields.u8()?; // rcv-settle-mode
        fields.skip()?; // state
        fields.bool()?; // resume
        let aborted = fields.bool()?.unwrap_or(false);
        Ok(Self {
            handle,
            delivery_id,
            delivery_tag,
            message_format,
            settled,
            more,
            aborted,
        })
    }

    /// Encodes the performative; the payload follows it in the frame.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, TRANSFER);
        encode::list(out, 11, |out| {
            encode::u32(out, self.handle);
            encode::option(out, self.delivery_id, encode::u32);
            encode::option(out, self.delivery_tag, encode::binary);
            encode::option(out, self.message_format, encode::u32);
            encode::option(out, self.settled, encode::bool);
            encode::bool(out, self.more);
            nulls(out, 2);
            encode::bool(out, false);
            encode::bool(out, self.aborted);
            encode::bool(out, false);
        });
    }
}

impl Disposition {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        Ok(Self {
            role: role(fields)?,
            first: fields.u32()?.ok_or(MISSING)?,
            last: fields.u32()?,
            settled: fields.bool()?.unwrap_or(false),
            state: fields.value()?,
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, DISPOSITION);
        encode::list(out, 6, |out| {
            self.role.encode(out);
            encode::u32(out, self.first);
            encode::option(out, self.last, encode::u32);
            encode::bool(out, self.settled);
            self.state.encode(out);
            encode::bool(out, false);
        });
    }
}

impl Detach {
    fn decode(fields: &mut Items<'_>) -> Result<Self> {
        Ok(Self {
            handle: fields.u32()?.ok_or(MISSING)?,
            closed: fields.bool()?.unwrap_or(false),
            error: AmqpError::decode(fields)?,
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        encode::descriptor(out, DETACH);
        encode::list(out, 3, |out| {
            encode::u32(out, self.handle);
            encode::bool(out, self.closed);
            encode::option(out, self.error.as_ref(), |out, error| error.encode(out));
        });
    }
}
