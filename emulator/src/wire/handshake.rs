//! How a connection begins: the SASL layer (which a client may skip), then the open of both sides.

use super::decode::{DecodeError, Decoder};
use super::frame::{FrameKind, MAX_FRAME_SIZE, MIN_MAX_FRAME_SIZE};
use super::io::{Broken, Io};
use super::performative::{Open, Performative};
use super::sasl::{self, Credentials};
use super::value::Value;
use crate::clients::{Identity, cut};
use crate::service::{Authorization, Broker};
use crate::texts::condition;
use bytes::BufMut;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The header that opens the AMQP layer.
pub(super) const HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
/// What the emulator calls itself to its peers: how one is told from other servers.
pub(crate) const PRODUCT: &str = env!("CARGO_PKG_NAME");
/// The longest host name that is echoed, in bytes; those of the domain name system have 253 at most.
const MAX_HOSTNAME: usize = 255;
/// The highest channel, as the service: 5000 sessions.
pub(super) const CHANNEL_MAX: u16 = 4999;

/// What the client said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) max_frame_size: usize,
    /// The highest channel on which it takes sessions.
    pub(super) channel_max: u16,
    /// Within this time it wants to hear of us.
    pub(super) idle_time_out: Option<Duration>,
}

/// Leads a new connection to where sessions can begin; tells what there is to know of the client.
pub(super) async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io<S>,
    broker: &Broker,
    authorization: &mut Authorization,
) -> Result<(Peer, Identity), Broken> {
    let mut header = io.header().await?;
    if header == sasl::HEADER {
        match authenticate(io, broker, authorization).await {
            // SASL has no words for what is not SASL.
            Err(Broken::Garbled(_)) => return Err(Broken::Refused),
            authenticated => authenticated?,
        }
        header = io.header().await?;
    }
    io.output.put_slice(&HEADER);
    if header != HEADER {
        // As AMQP asks: say what is spoken here, and hang up.
        return Err(Broken::Refused);
    }
    let opened = read_open(io).await;
    let hostname = opened.as_ref().ok().and_then(|open| open.hostname.clone());
    // A connection is closed after both sides have opened it only: what is no open is answered by one, too.
    Performative::Open(Open {
        container_id: broker.namespace.name().to_owned(),
        hostname: hostname.filter(|name| name.len() <= MAX_HOSTNAME),
        max_frame_size: MAX_FRAME_SIZE,
        channel_max: CHANNEL_MAX,
        idle_time_out: Some(broker.idle.client.as_millis() as u32),
        desired_capabilities: Value::Null,
        properties: properties(),
    })
    .write(&mut io.output, 0);
    let open = opened?;
    io.open();
    let identity = identity(&open);
    let peer = Peer {
        max_frame_size: open
            .max_frame_size
            .clamp(MIN_MAX_FRAME_SIZE, MAX_FRAME_SIZE) as usize,
        channel_max: open.channel_max,
        idle_time_out: open
            .idle_time_out
            .filter(|&ms| ms > 0)
            .map(|ms| Duration::from_millis(ms.into())),
    };
    Ok((peer, identity))
}

async fn read_open<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Io<S>) -> Result<Open, Broken> {
    let frame = io.frame().await?;
    match (
        frame.kind,
        Performative::decode(&mut Decoder::new(&frame.body))?,
    ) {
        (FrameKind::Amqp, Performative::Open(open)) => Ok(open),
        _ => Err(DecodeError("a connection begins with an open").into()),
    }
}

fn identity(open: &Open) -> Identity {
    let property = |name| open.properties.get(name)?.as_text().map(cut);
    Identity {
        container_id: cut(&open.container_id),
        product: property("product"),
        version: property("version"),
        user_agent: property("user-agent"),
    }
}

fn properties() -> Value {
    let entry = |name, text| (Value::symbol(name), Value::string(text));
    Value::Map(vec![
        entry("product", PRODUCT),
        entry("version", env!("CARGO_PKG_VERSION")),
    ])
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io<S>,
    broker: &Broker,
    authorization: &mut Authorization,
) -> Result<(), Broken> {
    io.output.put_slice(&sasl::HEADER);
    sasl::write_mechanisms(&mut io.output);
    let frame = io.frame().await?;
    if frame.kind != FrameKind::Sasl {
        return Err(DecodeError("a SASL frame was expected").into());
    }
    let accepted = match sasl::read_init(&frame.body)? {
        Credentials::Anonymous => true,
        Credentials::Plain { name, key } => {
            let rights = broker.namespace.sign_in(name, key);
            let refusal = rights.is_none().then_some(condition::UNAUTHORIZED_ACCESS);
            broker.namespace.counters().request(refusal);
            let known = rights.is_some();
            rights
                .into_iter()
                .for_each(|rights| authorization.sign_in(rights));
            known
        }
        Credentials::Invalid => false,
    };
    sasl::write_outcome(&mut io.output, accepted);
    if accepted {
        return Ok(());
    }
    Err(Broken::Refused)
}
