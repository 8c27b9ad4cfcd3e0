//! What a client speaks, told by its first byte, and what leads it to AMQP.

use super::upgrade::upgrade;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to say what it speaks, TLS and WebSocket handshakes included. AMQP has its own time
/// after that.
const TIME_OUT: Duration = Duration::from_secs(30);

/// The bytes of AMQP, whatever carries them.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Carrier for S {}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Tls,
    Http,
    /// Or something unknown: AMQP knows how to answer that.
    Amqp,
}

impl Spoken {
    fn told_by(first: u8) -> Self {
        /// The record type of a TLS handshake.
        const HANDSHAKE: u8 = 0x16;
        match first {
            HANDSHAKE => Self::Tls,
            b'G' => Self::Http,
            _ => Self::Amqp,
        }
    }
}

/// Leads a new connection to where AMQP begins. Without `tls` a client that tries it is answered in AMQP.
///
/// # Errors
///
/// If the client leaves, takes too long, or fails at TLS or at the WebSocket handshake.
pub(crate) async fn enter(
    stream: TcpStream,
    tls: Option<&TlsAcceptor>,
) -> io::Result<Box<dyn Carrier>> {
    timeout(TIME_OUT, lead_in(stream, tls)).await?
}

async fn lead_in(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Box<dyn Carrier>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match (Spoken::told_by(first[0]), tls) {
        (Spoken::Tls, Some(tls)) => {
            let mut stream = tls.accept(stream).await?;
            let first = stream.fill_buf().await?.first().copied();
            match Spoken::told_by(first.ok_or(io::ErrorKind::UnexpectedEof)?) {
                Spoken::Http => Ok(Box::new(upgrade(stream).await?)),
                Spoken::Amqp | Spoken::Tls => Ok(Box::new(stream)),
            }
        }
        (Spoken::Http, _) => Ok(Box::new(upgrade(stream).await?)),
        (Spoken::Amqp, _) | (Spoken::Tls, None) => Ok(Box::new(stream)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_what_a_client_speaks() {
        for (first, spoken) in [
            (b"\x16\x03\x01", Spoken::Tls),
            (b"GET", Spoken::Http),
            (b"AMQ", Spoken::Amqp),
            (b"\0\0\0", Spoken::Amqp),
        ] {
            assert_eq!(Spoken::told_by(first[0]), spoken);
        }
    }
}
