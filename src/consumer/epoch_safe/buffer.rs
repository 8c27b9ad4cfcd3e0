//! What the pumps have fetched and the stream has not yielded yet.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use tokio::sync::Notify;

use super::credit::{Credit, Load};
use super::cursor::Cursor;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::sync::{Mutex, lock};

/// Events of one delivery of one partition.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) slot: usize,
    pub(super) generation: u64,
    pub(super) cursor: Arc<Cursor>,
    pub(super) events: vec::IntoIter<ReceivedEvent>,
    /// What of it the slot still counts as held.
    pub(super) load: Load,
}

/// What the stream takes next.
#[derive(Debug)]
pub(super) enum Item {
    Chunk(Chunk),
    /// A partition's last word.
    End(Error),
}

/// One slot per partition, read in turn.
#[derive(Debug)]
pub(super) struct Buffer {
    bounds: Load,
    state: Mutex<State>,
    /// Per slot: room was made.
    room: Box<[Notify]>,
}

#[derive(Debug)]
struct State {
    slots: Vec<Slot>,
    /// The slots that have something, each once.
    turns: VecDeque<usize>,
    /// Slots that have not ended.
    live: u64,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct Slot {
    chunks: VecDeque<Chunk>,
    end: Option<Error>,
    /// The chunk that is being yielded counts too.
    held: Load,
    queued: bool,
}

impl Buffer {
    pub(super) fn new(bounds: Load, slots: usize) -> Self {
        let state = State {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            turns: VecDeque::with_capacity(slots),
            live: slots as u64,
            reader: None,
        };
        Self {
            bounds,
            state: Mutex::new(state),
            room: (0..slots).map(|_| Notify::new()).collect(),
        }
    }

    /// Waits until a slot has room worth asking for, and tells how much.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(super) async fn room(&self, slot: usize, credit: &Credit) -> NonZeroU32 {
        loop {
            // One pump waits for one slot: a notice that came before is kept.
            let granted = {
                let state = lock(&self.state);
                let share = self.bounds.share(state.live.max(1));
                credit.grant(share, state.slots[slot].held)
            };
            match granted {
                Some(granted) => return granted,
                None => self.room[slot].notified().await,
            }
        }
    }

    pub(super) fn push(&self, chunk: Chunk) {
        let index = chunk.slot;
        let mut state = lock(&self.state);
        let slot = &mut state.slots[index];
        slot.held += chunk.load;
        slot.chunks.push_back(chunk);
        let reader = state.queue(index);
        drop(state);
        wake(reader);
    }

    /// Drops what a slot has buffered.
    pub(super) fn discard(&self, slot: usize) {
        lock(&self.state).slots[slot].discard();
    }

    /// Ends a slot with its last word, in place of what it has buffered.
    pub(super) fn end(&self, index: usize, error: Error) {
        let mut state = lock(&self.state);
        state.live -= 1;
        let slot = &mut state.slots[index];
        slot.discard();
        slot.end = Some(error);
        let reader = state.queue(index);
        drop(state);
        wake(reader);
        // Each of the others has a larger share now.
        for room in &self.room {
            room.notify_one();
        }
    }

    /// What comes next; `None` once all slots have ended.
    pub(super) fn poll_item(&self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = lock(&self.state);
        while let Some(index) = state.turns.pop_front() {
            let slot = &mut state.slots[index];
            let item = match slot.chunks.pop_front() {
                Some(chunk) => Some(Item::Chunk(chunk)),
                None => slot.end.take().map(Item::End),
            };
            slot.queued = !slot.chunks.is_empty() || slot.end.is_some();
            if slot.queued {
                state.turns.push_back(index);
            }
            // A slot whose chunks were discarded has nothing left.
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
        if state.live == 0 {
            return Poll::Ready(None);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(context.waker()),
            reader => *reader = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives back room that was held.
    pub(super) fn release(&self, slot: usize, load: Load) {
        lock(&self.state).slots[slot].held -= load;
        self.room[slot].notify_one();
    }
}

impl State {
    /// Gives a slot its turn, and takes the reader to wake.
    fn queue(&mut self, index: usize) -> Option<Waker> {
        if !std::mem::replace(&mut self.slots[index].queued, true) {
            self.turns.push_back(index);
        }
        self.reader.take()
    }
}

/// Not under the lock, which the reader wants first.
fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Slot {
    fn discard(&mut self) {
        for chunk in self.chunks.drain(..) {
            self.held -= chunk.load;
        }
    }
}
