//! A byte stream that behaves as its line is told.

use super::half::{Armed, Half, Shape};
use crate::faults::FaultId;
use futures_util::future::BoxFuture;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How much is read off the socket at once where bytes are looked at.
const CHUNK: usize = 16 * 1024;

/// What holds for a connection's line from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Orders {
    pub(crate) from_client: Direction,
    pub(crate) to_client: Direction,
    /// The faults whose mishaps may still come about.
    pub(crate) holding: Vec<FaultId>,
    /// Nothing passes any more either way, and neither side is told.
    pub(crate) dead: bool,
}

/// What holds for bytes on their way in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Direction {
    pub(crate) shape: Shape,
    /// What is new.
    pub(crate) armed: Vec<Armed>,
}

/// Who gives a line its orders.
pub(crate) trait Orderer {
    /// The orders, if they changed since the last call; asked before every read and write, so it has to be cheap.
    fn news(&mut self) -> Option<Orders>;

    /// A mishap of a fault has come about.
    fn befallen(&mut self, fault: FaultId);
}

/// A byte stream behind a line.
#[derive(Debug)]
pub(crate) struct Line<S, O> {
    stream: S,
    orderer: O,
    from_client: Half,
    to_client: Half,
    dead: bool,
    /// The client has sent all it will.
    ended: bool,
    scratch: Vec<u8>,
    read_timer: Timer,
    write_timer: Timer,
    turn: Turn,
}

impl<S, O: Orderer> Line<S, O> {
    pub(crate) fn new(stream: S, orderer: O) -> Self {
        Self {
            stream,
            orderer,
            from_client: Half::default(),
            to_client: Half::default(),
            dead: false,
            ended: false,
            scratch: Vec::new(),
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            turn: Turn::default(),
        }
    }

    fn obey(&mut self) {
        let Some(orders) = self.orderer.news() else {
            return;
        };
        for (half, direction) in [
            (&mut self.from_client, orders.from_client),
            (&mut self.to_client, orders.to_client),
        ] {
            half.shape = direction.shape;
            half.disarm(|fault| orders.holding.contains(&fault));
            direction
                .armed
                .into_iter()
                .for_each(|armed| half.arm(armed));
        }
        self.tell();
        self.dead |= orders.dead;
    }

    /// Tells of the mishaps that came about.
    fn tell(&mut self) {
        let befallen = [&mut self.from_client, &mut self.to_client]
            .map(|half| std::mem::take(&mut half.befallen));
        for fault in befallen.into_iter().flatten() {
            self.orderer.befallen(fault);
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.from_client.is_cut() || self.to_client.is_cut() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, O: Orderer> Line<S, O> {
    /// Takes in what the socket has, as far as the line has room.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.scratch.resize(CHUNK, 0);
        while !self.ended {
            let room = self.from_client.room().min(CHUNK);
            if room == 0 {
                break;
            }
            let mut chunk = ReadBuf::new(&mut self.scratch[..room]);
            match Pin::new(&mut self.stream).poll_read(cx, &mut chunk)? {
                Poll::Ready(()) if chunk.filled().is_empty() => self.ended = true,
                Poll::Ready(()) => self.from_client.push(Instant::now(), chunk.filled()),
                Poll::Pending => break,
            }
        }
        self.tell();
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, O: Orderer + Unpin> AsyncRead for Line<S, O> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.obey();
        if this.dead {
            return Poll::Pending;
        }
        if this.from_client.is_plain() && !this.ended {
            this.check()?;
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        this.poll_fill(cx)?;
        loop {
            if let Some(due) = this.from_client.due(Instant::now()) {
                let count = due.len().min(buf.remaining());
                buf.put_slice(&due[..count]);
                this.from_client.take(count);
                return Poll::Ready(Ok(()));
            }
            this.check()?;
            match this.from_client.next_due() {
                Some(due) => ready!(this.read_timer.poll(cx, due)),
                None if this.ended => return Poll::Ready(Ok(())),
                None => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, O: Orderer> Line<S, O> {
    /// Passes on what is due, until all is through.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // One slice at a turn, so that the other side gets to see it alone.
            ready!(self.turn.poll_next(cx));
            if let Some(due) = self.to_client.due(Instant::now()) {
                let count = ready!(Pin::new(&mut self.stream).poll_write(cx, due))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.to_client.take(count);
                if self.to_client.shape.slice.is_some() {
                    self.turn.end();
                }
                continue;
            }
            self.check()?;
            match self.to_client.next_due() {
                Some(due) => ready!(self.write_timer.poll(cx, due)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, O: Orderer + Unpin> AsyncWrite for Line<S, O> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.obey();
        if this.dead {
            // As the network does: taken, and never seen again.
            return Poll::Ready(Ok(buf.len()));
        }
        this.check()?;
        if this.to_client.is_plain() {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        if this.to_client.room() == 0 {
            ready!(this.poll_drain(cx))?;
        }
        let count = this.to_client.room().min(buf.len());
        this.to_client.push(Instant::now(), &buf[..count]);
        this.tell();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.dead {
            return Poll::Ready(Ok(()));
        }
        if !this.to_client.is_empty() {
            ready!(this.poll_drain(cx))?;
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.dead {
            return Poll::Ready(Ok(()));
        }
        if !this.to_client.is_empty() {
            ready!(this.poll_drain(cx))?;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// A timer that is made when it is first needed.
#[derive(Debug, Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(cx)
    }
}

/// A task's turn on the runtime: once ended, it waits for the others, and for the sockets, to have theirs.
#[derive(Default)]
struct Turn(Option<BoxFuture<'static, ()>>);

impl Turn {
    fn end(&mut self) {
        self.0 = Some(Box::pin(tokio::task::yield_now()));
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(others) = &mut self.0 {
            ready!(others.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("ended", &self.0.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
