//! A byte stream of which only checked frames come out.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::frames::{Frames, Violation};

/// How much is read at once: a frame and a half.
const READ: usize = 96 * 1024;

/// Tells why a [`Guarded`] stream ended, if it was the guard.
#[derive(Debug, Clone, Default)]
pub(in crate::transport::amqp) struct Tripped(Arc<OnceLock<Violation>>);

impl Tripped {
    pub(in crate::transport::amqp) fn violation(&self) -> Option<&Violation> {
        self.0.get()
    }
}

/// A stream to the service, with the guard on what comes in.
pub(in crate::transport::amqp) struct Guarded<S> {
    stream: S,
    input: BytesMut,
    /// How much of the input was checked.
    cleared: usize,
    frames: Frames,
    tripped: Tripped,
}

impl<S> Guarded<S> {
    pub(in crate::transport::amqp) fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            cleared: 0,
            frames: Frames::default(),
            tripped: Tripped::default(),
        }
    }

    pub(in crate::transport::amqp) fn tripped(&self) -> Tripped {
        self.tripped.clone()
    }

    fn clear(&mut self) -> io::Result<()> {
        loop {
            match self.frames.check(&self.input[self.cleared..]) {
                Ok(Some(size)) => self.cleared += size,
                Ok(None) => return Ok(()),
                Err(violation) => {
                    let violation = self.tripped.0.get_or_init(|| violation);
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        violation.clone(),
                    ));
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.cleared == 0 {
            this.input.reserve(READ);
            let read = pin!(this.stream.read_buf(&mut this.input)).poll(cx);
            if ready!(read)? == 0 {
                // The end, maybe in the middle of a frame: the stack judges.
                let rest = this.input.len().min(buf.remaining());
                buf.put_slice(&this.input[..rest]);
                this.input.advance(rest);
                return Poll::Ready(Ok(()));
            }
            this.clear()?;
        }
        let count = this.cleared.min(buf.remaining());
        buf.put_slice(&this.input[..count]);
        this.input.advance(count);
        this.cleared -= count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("stream", &self.stream)
            .field("tripped", &self.tripped)
            .finish_non_exhaustive()
    }
}
