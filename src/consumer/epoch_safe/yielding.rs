//! How events leave the buffer.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::buffer::{Buffer, Chunk, Item};
use super::credit::Load;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::sync::lock;

/// Room is given back in portions this large: for every event it would cost a
/// lock each, for every chunk the wire would stand still in between.
const PORTION: Load = Load {
    events: 32,
    bytes: 64 * 1024,
};

/// Yields the events of one slot, or of all in turn.
#[derive(Debug)]
pub(super) struct Yielding {
    buffer: Arc<Buffer>,
    slot: Option<usize>,
    current: Option<Current>,
}

/// The chunk at hand.
#[derive(Debug)]
struct Current {
    chunk: Chunk,
    /// What of it was yielded since room was given back.
    spent: Load,
}

impl Yielding {
    /// Of all slots in turn, a delivery each.
    pub(super) fn of_all(buffer: Arc<Buffer>) -> Self {
        Self {
            buffer,
            slot: None,
            current: None,
        }
    }

    pub(super) fn of(buffer: Arc<Buffer>, slot: usize) -> Self {
        Self {
            buffer,
            slot: Some(slot),
            current: None,
        }
    }

    /// Gives back what it has at hand, to be yielded by another.
    pub(super) fn give_back(mut self) {
        self.let_go(Buffer::put_back);
    }

    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<ReceivedEvent, Error>>> {
        loop {
            if let Some(event) = self.next_of_current() {
                return Poll::Ready(Some(Ok(event)));
            }
            let next = match self.slot {
                Some(slot) => self.buffer.poll_slot(slot, context),
                None => self.buffer.poll_item(context),
            };
            match ready!(next) {
                Some(Item::Chunk(chunk)) => self.take(chunk),
                Some(Item::End(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, chunk: Chunk) {
        if let Some(first) = chunk.events.as_slice().first() {
            lock(&chunk.lane.facts).stored = Some(first.enqueued_time());
        }
        self.current = Some(Current {
            chunk,
            spent: Load::default(),
        });
    }

    /// The next event of the chunk at hand, if there is one that may be yielded.
    fn next_of_current(&mut self) -> Option<ReceivedEvent> {
        let Current { chunk, spent } = self.current.as_mut()?;
        if chunk.lane.is_blocked() {
            self.let_go(Buffer::put_back);
            return None;
        }
        let next = chunk.events.next();
        let Some(event) = next.filter(|event| chunk.cursor.advance(event.sequence_number())) else {
            // Read to the end, or revoked: the rest goes with it.
            self.let_go(|buffer, chunk| buffer.release(chunk.lane.slot, chunk.load));
            return None;
        };
        chunk
            .lane
            .yielded(chunk.generation, event.sequence_number());
        *spent += Load {
            events: 1,
            bytes: event.encoded_size() as u64,
        };
        if spent.events >= PORTION.events || spent.bytes >= PORTION.bytes {
            let spent = std::mem::take(spent);
            chunk.load -= spent;
            self.buffer.release(chunk.lane.slot, spent);
        }
        Some(event.with_generation(chunk.generation))
    }

    /// Has no chunk at hand any more.
    fn let_go(&mut self, to: impl FnOnce(&Buffer, Chunk)) {
        if let Some(Current { mut chunk, spent }) = self.current.take() {
            chunk.load -= spent;
            self.buffer.release(chunk.lane.slot, spent);
            to(&self.buffer, chunk);
        }
    }
}

impl Drop for Yielding {
    /// What it had at hand is dropped, but holds no room any more.
    fn drop(&mut self) {
        self.let_go(|buffer, chunk| buffer.release(chunk.lane.slot, chunk.load));
    }
}
