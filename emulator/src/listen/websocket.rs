//! The bytes of AMQP in the messages of a WebSocket.
//!
//! Where one message ends and the next begins means nothing: clients write a frame into each, or several, or parts.

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The largest message we write: what the largest frame of AMQP takes.
const MAX_WRITTEN: usize = 64 * 1024;
/// The largest message we take. Clients write AMQP frame by frame, so theirs are far below; before it is complete a
/// message is held in memory.
const MAX_TAKEN: usize = 1024 * 1024;
const READ_BUFFER: usize = 64 * 1024;
/// Beyond this nothing is written: twice a message of ours, and room for answers to pings.
const MAX_UNWRITTEN: usize = 4 * MAX_WRITTEN;

/// A WebSocket as a stream of bytes.
#[derive(Debug)]
pub(super) struct WebSocket<S> {
    stream: WebSocketStream<S>,
    /// What is left of the message taken last.
    unread: Bytes,
}

/// Begins after the handshake; `input` has come already.
pub(super) async fn begin<S>(stream: S, input: Vec<u8>) -> WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(MAX_WRITTEN)
        .max_write_buffer_size(MAX_UNWRITTEN)
        .max_message_size(Some(MAX_TAKEN))
        .max_frame_size(Some(MAX_TAKEN));
    WebSocket {
        stream: WebSocketStream::from_partially_read(stream, input, Role::Server, Some(config))
            .await,
        unread: Bytes::new(),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The next bytes; none at the end.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            let error = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => return Poll::Ready(Ok(Bytes::new())),
                Some(Ok(Message::Binary(bytes))) if !bytes.is_empty() => {
                    return Poll::Ready(Ok(bytes));
                }
                Some(Ok(Message::Text(_))) => {
                    self.fail(cx, CloseCode::Unsupported);
                    io::Error::new(io::ErrorKind::InvalidData, "AMQP is binary")
                }
                // Pings are answered, and a close is, by the next reading.
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    match error {
                        Error::Capacity(_) => self.fail(cx, CloseCode::Size),
                        Error::Protocol(_) => self.fail(cx, CloseCode::Protocol),
                        _ => {}
                    }
                    io::Error::other(error)
                }
            };
            return Poll::Ready(Err(error));
        }
    }

    /// Says why it ends, if that can be said now.
    fn fail(&mut self, cx: &mut Context<'_>, code: CloseCode) {
        let close = CloseFrame {
            code,
            reason: "".into(),
        };
        let stream = Pin::new(&mut self.stream);
        if stream.start_send(Message::Close(Some(close))).is_ok() {
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            self.unread = ready!(self.poll_message(cx))?;
        }
        let size = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..size]);
        self.unread.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.stream);
        ready!(stream.as_mut().poll_ready(cx)).map_err(io::Error::other)?;
        let size = buf.len().min(MAX_WRITTEN);
        let message = Message::Binary(Bytes::copy_from_slice(&buf[..size]));
        stream.start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(size))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = Pin::new(&mut self.stream);
        stream.poll_flush(cx).map_err(io::Error::other)
    }

    /// Says that it ends, and waits until the client has said so, too.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        ready!(stream.as_mut().poll_close(cx)).map_err(io::Error::other)?;
        // The client's last words are for nobody.
        while let Some(Ok(_)) = ready!(stream.as_mut().poll_next(cx)) {}
        Pin::new(stream.get_mut().get_mut()).poll_shutdown(cx)
    }
}
