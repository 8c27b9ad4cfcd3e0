//! The client's half of a beginning connection: enough to learn who answers.

use super::decode::{DecodeError, Decoder};
use super::frame::MAX_FRAME_SIZE;
use super::handshake::HEADER;
use super::io::{Broken, Io};
use super::performative::{Open, Performative};
use super::sasl;
use super::value::Value;

use bytes::BufMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a server says of itself.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It speaks AMQP 1.0.
    Amqp {
        /// How a client may sign in: a symbol, or an array of them.
        mechanisms: Value,
        /// Its properties; `None` if it lets no stranger in.
        properties: Option<Value>,
    },
    /// It does not: the first bytes it said, at most eight, none if it hung up.
    Foreign(Vec<u8>),
}

/// Signs in as nobody, reads who answers, and leaves.
///
/// # Errors
///
/// If the server breaks off before it said anything.
pub(crate) async fn ask<S>(mut stream: S) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&sasl::HEADER).await?;
    let mut first = Vec::with_capacity(sasl::HEADER.len());
    let mut limited = (&mut stream).take(sasl::HEADER.len() as u64);
    let read = limited.read_to_end(&mut first).await;
    // One that answers and then resets has answered.
    if first.is_empty() {
        read?;
    }
    if first != sasl::HEADER {
        return Ok(Answer::Foreign(first));
    }
    let mut io = Io::new(stream);
    let mechanisms = mechanisms(&mut io).await.unwrap_or(Value::Null);
    let properties = properties(&mut io).await.ok().flatten();
    Ok(Answer::Amqp {
        mechanisms,
        properties,
    })
}

async fn mechanisms<S>(io: &mut Io<S>) -> Result<Value, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = io.frame().await?;
    Ok(sasl::read_mechanisms(&frame.body)?)
}

async fn properties<S>(io: &mut Io<S>) -> Result<Option<Value>, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    sasl::write_anonymous_init(&mut io.output);
    if !sasl::read_outcome(&io.frame().await?.body)? {
        return Ok(None);
    }
    io.output.put_slice(&HEADER);
    Performative::Open(Open {
        container_id: "identify".to_owned(),
        hostname: Some("localhost".to_owned()),
        max_frame_size: MAX_FRAME_SIZE,
        channel_max: 0,
        idle_time_out: None,
        desired_capabilities: Value::Null,
        properties: Value::Null,
    })
    .write(&mut io.output, 0);
    if io.header().await? != HEADER {
        return Err(DecodeError("an AMQP header was expected").into());
    }
    let frame = io.frame().await?;
    let Performative::Open(open) = Performative::decode(&mut Decoder::new(&frame.body))? else {
        return Err(DecodeError("an open was expected").into());
    };
    Performative::Close(None).write(&mut io.output, 0);
    // It has said what was asked, whether it hears the goodbye or not.
    let _ = io.flush().await;
    Ok(Some(open.properties))
}
