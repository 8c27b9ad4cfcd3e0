//! A WebSocket as a byte stream: AMQP's bytes in binary messages, by the
//! subprotocol `AMQPWSB10` (OASIS, AMQP WebSocket binding, section 2.1).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::{Sink, Stream};
use http::{HeaderValue, Uri, header::SEC_WEBSOCKET_PROTOCOL};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{ClientBuilder, Error, Limits, Message, WebSocketStream};

const SUBPROTOCOL: &str = "AMQPWSB10";

/// The longest message that is taken, in bytes: far above a frame of ours.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A stream of bytes over a WebSocket over another stream.
pub(super) struct WebSocket<S> {
    socket: WebSocketStream<S>,
    /// What is left of the message that came last.
    arrived: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks for an upgrade to a WebSocket that carries AMQP.
    ///
    /// # Errors
    /// What is wrong with the answer, or with the stream below.
    pub(super) async fn upgrade(url: &str, stream: S) -> io::Result<Self> {
        let url: Uri = url.parse().map_err(io::Error::other)?;
        let (socket, answer) = ClientBuilder::from_uri(url)
            .add_header(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(SUBPROTOCOL),
            )
            .map_err(into_io)?
            .limits(Limits::default().max_payload_len(Some(MAX_MESSAGE)))
            .connect_on(stream)
            .await
            .map_err(into_io)?;
        let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
        if chosen.is_none_or(|chosen| chosen != SUBPROTOCOL) {
            let message = format!("the server does not choose the subprotocol {SUBPROTOCOL}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Self {
            socket,
            arrived: Bytes::new(),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.arrived.is_empty() {
            let message = match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(message) => message.map_err(into_io)?,
                None => return Poll::Ready(Ok(())),
            };
            if message.is_binary() {
                this.arrived = message.into_payload().into();
            } else if message.is_text() {
                let message = "text came over the WebSocket, where AMQP is binary";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
            }
            // Pings and closes are answered below.
        }
        let taken = this.arrived.len().min(buf.remaining());
        buf.put_slice(&this.arrived[..taken]);
        this.arrived.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(into_io)?;
        let message = Message::binary(Bytes::copy_from_slice(buf));
        socket.start_send(message).map_err(into_io)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(into_io)
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    /// Shows nothing of what is under way: tokens and events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::SinkExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_websockets::ServerBuilder;

    use super::*;

    #[tokio::test]
    async fn a_server_that_does_not_choose_amqp_is_refused() {
        let (client, server) = duplex(64 * 1024);
        let url = "ws://localhost/$servicebus/websocket/";
        let accepting = ServerBuilder::new();
        let (client, server) =
            tokio::join!(WebSocket::upgrade(url, client), accepting.accept(server));
        server.expect("a WebSocket it would be");
        let error = client.expect_err("not AMQP");
        assert!(error.to_string().contains(SUBPROTOCOL), "{error}");
    }

    #[tokio::test]
    async fn bytes_come_whatever_the_bounds_of_messages_are_and_text_is_an_error() {
        let (client, server) = duplex(64 * 1024);
        let mut server = ServerBuilder::new().serve(server);
        let mut client = WebSocket {
            socket: ClientBuilder::new().take_over(client),
            arrived: Bytes::new(),
        };
        for part in ["AM", "", "QP, and more"] {
            let message = Message::binary(part);
            server.send(message).await.expect("sent");
        }
        server.send(Message::ping("?")).await.expect("sent");
        server.send(Message::text("text")).await.expect("sent");
        let mut bytes = [0; 14];
        client.read_exact(&mut bytes).await.expect("all of them");
        assert_eq!(&bytes, b"AMQP, and more");
        let error = client.read(&mut bytes).await.expect_err("text");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        client.write_all(b"a token").await.expect("taken");
        assert!(!format!("{client:?}").contains("token"));
    }
}
