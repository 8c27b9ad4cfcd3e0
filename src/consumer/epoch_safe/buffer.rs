//! What the pumps have fetched and the streams have not yielded yet.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use tokio::sync::Notify;

use super::credit::{Credit, Load};
use super::cursor::Cursor;
use super::lane::{Change, Lane};
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::shield::shielded;
use crate::sync::{Mutex, lock};

/// Events of one delivery of one partition.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) lane: Arc<Lane>,
    pub(super) generation: u64,
    pub(super) cursor: Arc<Cursor>,
    pub(super) events: vec::IntoIter<ReceivedEvent>,
    /// What of it the slot still counts as held.
    pub(super) load: Load,
}

/// What a stream takes next.
#[derive(Debug)]
pub(super) enum Item {
    Chunk(Chunk),
    /// A partition's last word.
    End(Error),
}

/// One slot per partition; one stream reads them in turn, or each has a stream of
/// its own.
#[derive(Debug)]
pub(super) struct Buffer {
    bounds: Load,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    /// The slots that have something to yield, each once.
    turns: VecDeque<usize>,
    /// Slots that have not ended.
    live: u64,
    /// Who reads them in turn.
    reader: Option<Waker>,
    /// Nothing is yielded any more.
    stopped: bool,
    /// The first slot that [`Buffer::poll_lane`] has not told yet, and who waits
    /// for it.
    untold: usize,
    listener: Option<Waker>,
}

#[derive(Debug)]
struct Slot {
    lane: Arc<Lane>,
    chunks: VecDeque<Chunk>,
    end: Option<Error>,
    ended: bool,
    /// The chunk that is being yielded counts too.
    held: Load,
    queued: bool,
    /// Who reads this slot alone.
    reader: Option<Waker>,
    /// Room was made.
    room: Arc<Notify>,
}

impl Buffer {
    pub(super) fn new(bounds: Load) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
        }
    }

    /// Adds a partition, of which no more than so many may be outstanding.
    pub(super) fn add(&self, partition: PartitionId, most_outstanding: Option<u64>) -> Arc<Lane> {
        let mut state = lock(&self.state);
        let lane = Arc::new(Lane::new(state.slots.len(), partition, most_outstanding));
        state.slots.push(Slot {
            lane: Arc::clone(&lane),
            chunks: VecDeque::new(),
            end: None,
            ended: false,
            held: Load::default(),
            queued: false,
            reader: None,
            room: Arc::default(),
        });
        if state.stopped {
            lane.stop();
        }
        state.live += 1;
        let listener = state.listener.take();
        drop(state);
        wake(listener);
        lane
    }

    /// The partition of a slot.
    pub(super) fn lane(&self, slot: usize) -> Arc<Lane> {
        Arc::clone(&lock(&self.state).slots[slot].lane)
    }

    /// The partitions, those that ended included.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        let state = lock(&self.state);
        state
            .slots
            .iter()
            .map(|slot| Arc::clone(&slot.lane))
            .collect()
    }

    /// What a slot holds that was not yielded yet.
    pub(super) fn held(&self, slot: usize) -> Load {
        lock(&self.state).slots[slot].held
    }

    /// How many events a slot has room for, if it is worth to ask for them. There is
    /// none once it has stopped.
    pub(super) fn room(&self, slot: usize, credit: &Credit) -> Option<NonZeroU32> {
        let state = lock(&self.state);
        let share = self.bounds.share(state.live.max(1));
        let slot = &state.slots[slot];
        let granted = credit.grant(share, slot.held);
        granted.filter(|_| !slot.lane.is_stopped())
    }

    /// Waits until room was made in a slot. One pump waits for one slot: a notice
    /// that came before is kept.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub(super) async fn room_made(&self, slot: usize) {
        let room = Arc::clone(&lock(&self.state).slots[slot].room);
        room.notified().await;
    }

    pub(super) fn push(&self, chunk: Chunk) {
        let index = chunk.lane.slot;
        let mut state = lock(&self.state);
        let slot = &mut state.slots[index];
        if slot.lane.is_stopped() {
            return;
        }
        slot.held += chunk.load;
        slot.chunks.push_back(chunk);
        let reader = state.queue(index);
        drop(state);
        wake(reader);
    }

    /// Takes a chunk back whose lane was blocked while it was being yielded.
    pub(super) fn put_back(&self, chunk: Chunk) {
        let index = chunk.lane.slot;
        let mut state = lock(&self.state);
        let slot = &mut state.slots[index];
        slot.chunks.push_front(chunk);
        if slot.lane.is_stopped() || slot.ended {
            slot.discard();
        }
        // Not blocked any more, perhaps.
        let reader = state.queue(index);
        drop(state);
        wake(reader);
    }

    /// A lane may go on.
    pub(super) fn unblocked(&self, lane: &Lane, change: Change) {
        if change == Change::Unblocked {
            let mut state = lock(&self.state);
            let reader = state.queue(lane.slot);
            drop(state);
            wake(reader);
        }
    }

    /// Drops what a slot has buffered.
    pub(super) fn discard(&self, slot: usize) {
        lock(&self.state).slots[slot].discard();
    }

    /// Ends a slot with its last word, if it has one, in place of what it has
    /// buffered.
    pub(super) fn end(&self, index: usize, error: Option<Error>) {
        let mut state = lock(&self.state);
        let slot = &mut state.slots[index];
        if std::mem::replace(&mut slot.ended, true) {
            return;
        }
        slot.discard();
        slot.end = error;
        let of_slot = slot.reader.take();
        state.live -= 1;
        let reader = state.queue(index).or_else(|| state.reader.take());
        // Before what others have: whoever works at its events must learn of it.
        state.turns.retain(|turn| *turn != index);
        state.turns.push_front(index);
        // Each of the others has a larger share now.
        let rooms: Vec<_> = state
            .slots
            .iter()
            .map(|slot| Arc::clone(&slot.room))
            .collect();
        let listener = state.listener.take();
        drop(state);
        for waker in [of_slot, reader, listener] {
            wake(waker);
        }
        for room in rooms {
            room.notify_one();
        }
    }

    /// Yields nothing more, and asks for nothing more.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        let mut wakers = vec![state.reader.take(), state.listener.take()];
        wakers.extend(state.slots.iter_mut().map(Slot::stop));
        drop(state);
        wakers.into_iter().for_each(wake);
    }

    /// Yields nothing more of a slot, and asks for nothing more.
    pub(super) fn stop_slot(&self, index: usize) {
        let mut state = lock(&self.state);
        let reader = state.slots[index].stop();
        drop(state);
        wake(reader);
    }

    /// What comes next; `None` once all slots have ended.
    pub(super) fn poll_item(&self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = lock(&self.state);
        if state.stopped {
            return Poll::Ready(None);
        }
        while let Some(index) = state.turns.pop_front() {
            state.slots[index].queued = false;
            let item = state.slots[index].take();
            state.queue(index);
            // A slot whose chunks were discarded has nothing left.
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
        if state.live == 0 {
            return Poll::Ready(None);
        }
        wait(&mut state.reader, context);
        Poll::Pending
    }

    /// What comes next of one slot; `None` once it has ended.
    pub(super) fn poll_slot(&self, index: usize, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = lock(&self.state);
        let slot = &mut state.slots[index];
        if slot.lane.is_stopped() {
            return Poll::Ready(None);
        }
        if let Some(item) = slot.take() {
            return Poll::Ready(Some(item));
        }
        if slot.ended {
            return Poll::Ready(None);
        }
        wait(&mut slot.reader, context);
        Poll::Pending
    }

    /// The next partition that was not told yet; `None` once all have ended.
    pub(super) fn poll_lane(&self, context: &mut Context<'_>) -> Poll<Option<Arc<Lane>>> {
        let mut state = lock(&self.state);
        if let Some(slot) = state.slots.get(state.untold) {
            let lane = Arc::clone(&slot.lane);
            state.untold += 1;
            return Poll::Ready(Some(lane));
        }
        if state.stopped || state.live == 0 {
            return Poll::Ready(None);
        }
        wait(&mut state.listener, context);
        Poll::Pending
    }

    /// Gives back room that was held.
    pub(super) fn release(&self, slot: usize, load: Load) {
        let mut state = lock(&self.state);
        state.slots[slot].held -= load;
        let room = Arc::clone(&state.slots[slot].room);
        drop(state);
        room.notify_one();
    }
}

impl State {
    /// Gives a slot its turn if it has something to yield, and takes the reader to
    /// wake.
    fn queue(&mut self, index: usize) -> Option<Waker> {
        let slot = &mut self.slots[index];
        if !slot.is_ready() {
            return None;
        }
        if !std::mem::replace(&mut slot.queued, true) {
            self.turns.push_back(index);
        }
        slot.reader.take().or_else(|| self.reader.take())
    }
}

impl Slot {
    fn is_ready(&self) -> bool {
        self.end.is_some() || !self.chunks.is_empty() && !self.lane.is_blocked()
    }

    fn take(&mut self) -> Option<Item> {
        if !self.is_ready() {
            return None;
        }
        match self.chunks.pop_front() {
            Some(chunk) => Some(Item::Chunk(chunk)),
            None => self.end.take().map(Item::End),
        }
    }

    fn stop(&mut self) -> Option<Waker> {
        self.lane.stop();
        self.discard();
        self.reader.take()
    }

    fn discard(&mut self) {
        for chunk in self.chunks.drain(..) {
            self.held -= chunk.load;
        }
    }
}

fn wait(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        place => *place = Some(context.waker().clone()),
    }
}

/// Not under the lock, which the reader wants first; and the waker is not ours.
fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        shielded(|| reader.wake());
    }
}
