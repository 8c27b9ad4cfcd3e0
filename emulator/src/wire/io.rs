//! One connection's bytes: both directions driven by one task, both buffers bounded.

use super::decode::DecodeError;
use super::frame::Frame;
use bytes::{Buf, BytesMut};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// How much is read at once: two full frames.
const READ_CHUNK: usize = 128 * 1024;
/// The same before the connection is open: strangers are to cost little.
const FIRST_READ_CHUNK: usize = 2 * 1024;
/// Deliveries pause while this much waits to be written.
pub(crate) const OUTPUT_HIGH_WATER: usize = 256 * 1024;
/// Reading pauses while this much waits to be taken in: more than a frame of the largest size.
const INPUT_LIMIT: usize = 256 * 1024;
/// Reading pauses while this much waits to be written: a peer that asks and asks but reads no answers.
const OUTPUT_LIMIT: usize = 1024 * 1024;

/// Why a connection's bytes end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer is gone, orderly or not.
    Gone,
    /// The peer is refused, and has been told in the way of the layer that it is in.
    Refused,
    /// The peer sent what is not AMQP.
    Garbled(DecodeError),
}

impl From<DecodeError> for Broken {
    fn from(error: DecodeError) -> Self {
        Self::Garbled(error)
    }
}

/// A byte stream with its unread and its unwritten bytes.
#[derive(Debug)]
pub(crate) struct Io<S> {
    stream: S,
    input: BytesMut,
    /// What is to be written; append to it, [`Io::exchange`] writes it.
    pub(crate) output: BytesMut,
    /// When bytes last left.
    pub(crate) last_write: Instant,
    needs_flush: bool,
    read_chunk: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            last_write: Instant::now(),
            needs_flush: false,
            read_chunk: FIRST_READ_CHUNK,
        }
    }

    /// The connection is open: from now on much is read at once.
    pub(crate) fn open(&mut self) {
        self.read_chunk = READ_CHUNK;
    }

    /// Whether deliveries may be written for now.
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_HIGH_WATER
    }

    /// Takes the next whole frame that has come in.
    pub(crate) fn take_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        // A peer that floods us with questions waits for its answers to leave first.
        if self.output.len() >= OUTPUT_LIMIT {
            return Ok(None);
        }
        Frame::take(&mut self.input)
    }

    /// The eight bytes that open a layer, once they are here.
    pub(crate) async fn header(&mut self) -> Result<[u8; 8], Broken> {
        while self.input.len() < 8 {
            self.exchange().await?;
        }
        let mut header = [0; 8];
        self.input.copy_to_slice(&mut header);
        Ok(header)
    }

    /// The next frame, once it is here.
    pub(crate) async fn frame(&mut self) -> Result<Frame, Broken> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.exchange().await?;
        }
    }

    /// Writes all that is to be written.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        while !self.output.is_empty() {
            self.exchange().await?;
        }
        self.stream.flush().await.map_err(|_| Broken::Gone)
    }

    /// Tells the peer that no more comes.
    pub(crate) async fn shut_down(&mut self) -> Result<(), Broken> {
        self.stream.shutdown().await.map_err(|_| Broken::Gone)
    }

    /// Reads something and forgets it.
    pub(crate) async fn discard(&mut self) -> Result<(), Broken> {
        self.input.clear();
        self.exchange().await
    }

    /// Writes and reads what is possible now, waiting until either made progress.
    ///
    /// # Cancel safety
    ///
    /// Nothing read or written is lost when the future is dropped.
    pub(crate) async fn exchange(&mut self) -> Result<(), Broken> {
        std::future::poll_fn(|cx| {
            let wrote = self.poll_write_some(cx)?;
            let read = self.poll_read_some(cx)?;
            if wrote.is_ready() || read.is_ready() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
        .map_err(|_: io::Error| Broken::Gone)
    }

    fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, io::Error> {
        let mut progress = Poll::Pending;
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.output.advance(written);
                    self.needs_flush = true;
                    progress = Poll::Ready(());
                }
                Poll::Pending => break,
            }
        }
        if progress.is_ready() {
            self.last_write = Instant::now();
        }
        if self.needs_flush && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.needs_flush = false;
        }
        Ok(progress)
    }

    fn poll_read_some(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        if self.output.len() >= OUTPUT_LIMIT || self.input.len() >= INPUT_LIMIT {
            return Poll::Pending;
        }
        if self.input.capacity() - self.input.len() < self.read_chunk / 4 {
            self.input.reserve(self.read_chunk);
        }
        if ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}
