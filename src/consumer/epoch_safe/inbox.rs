//! What was received and not yielded yet, of all partitions.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::sync::Notify;

use super::credit::Credit;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::sync::lock;

/// Bounded by the credit that it grants.
pub(super) struct Inbox {
    state: Mutex<State>,
    reader: AtomicWaker,
    /// By partition: there is room again.
    room: Box<[Notify]>,
}

struct State {
    partitions: Vec<Partition>,
    /// Partitions with something to yield, in turn.
    turns: VecDeque<usize>,
    /// Partitions that may still get something.
    open: usize,
}

struct Partition {
    events: VecDeque<ReceivedEvent>,
    bytes: usize,
    credit: Credit,
    wants_room: bool,
    end: Option<Error>,
}

impl Inbox {
    pub(super) fn new(partitions: usize, events: usize, bytes: usize) -> Self {
        let partition = |_| Partition {
            events: VecDeque::new(),
            bytes: 0,
            credit: Credit::new(events, bytes / partitions.max(1)),
            wants_room: false,
            end: None,
        };
        Self {
            state: Mutex::new(State {
                partitions: (0..partitions).map(partition).collect(),
                turns: VecDeque::new(),
                open: partitions,
            }),
            reader: AtomicWaker::new(),
            room: (0..partitions).map(|_| Notify::new()).collect(),
        }
    }

    /// Waits until something may be asked for, and says how much.
    pub(super) async fn credit(&self, index: usize) -> NonZeroU32 {
        loop {
            {
                let mut state = lock(&self.state);
                let partition = &mut state.partitions[index];
                let grant = partition
                    .credit
                    .grant(partition.events.len(), partition.bytes);
                if let Some(grant) = grant {
                    return grant;
                }
                partition.wants_room = true;
            }
            self.room[index].notified().await;
        }
    }

    pub(super) fn push(&self, index: usize, events: Vec<ReceivedEvent>) {
        let mut state = lock(&self.state);
        let State {
            partitions, turns, ..
        } = &mut *state;
        let partition = &mut partitions[index];
        if partition.events.is_empty() && !events.is_empty() {
            turns.push_back(index);
        }
        let sizes = events.iter().map(size);
        partition.credit.observe(sizes.clone().max().unwrap_or(0));
        partition.bytes += sizes.sum::<usize>();
        partition.events.extend(events);
        drop(state);
        self.reader.wake();
    }

    /// Ends a partition, with a reason unless it was closed.
    pub(super) fn end(&self, index: usize, reason: Option<Error>, discard: bool) {
        let discarded = {
            let mut state = lock(&self.state);
            let State {
                partitions, turns, ..
            } = &mut *state;
            let partition = &mut partitions[index];
            let mut discarded = VecDeque::new();
            if discard {
                discarded = std::mem::take(&mut partition.events);
                partition.bytes = 0;
            }
            let listed = turns.contains(&index);
            match reason {
                Some(reason) => {
                    partition.end = Some(reason);
                    if !listed {
                        turns.push_back(index);
                    }
                }
                None => state.open -= 1,
            }
            discarded
        };
        drop(discarded);
        self.reader.wake();
    }

    /// The next item, the partitions taking turns.
    pub(super) fn poll_next(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ReceivedEvent, Error>>> {
        if let Some(item) = self.take() {
            return Poll::Ready(item);
        }
        self.reader.register(cx.waker());
        match self.take() {
            Some(item) => Poll::Ready(item),
            None => Poll::Pending,
        }
    }

    /// `Some(None)`: nothing will come any more.
    fn take(&self) -> Option<Option<Result<ReceivedEvent, Error>>> {
        let mut state = lock(&self.state);
        let State {
            partitions,
            turns,
            open,
        } = &mut *state;
        while let Some(index) = turns.pop_front() {
            let partition = &mut partitions[index];
            if let Some(event) = partition.events.pop_front() {
                partition.bytes -= size(&event);
                if !partition.events.is_empty() || partition.end.is_some() {
                    turns.push_back(index);
                }
                // Half empty: fewer, larger grants.
                let grant = partition
                    .credit
                    .grant(partition.events.len(), partition.bytes);
                let enough = grant.is_some_and(|grant| {
                    grant.get() as usize >= partition.events.len() || partition.events.is_empty()
                });
                if enough && std::mem::take(&mut partition.wants_room) {
                    self.room[index].notify_one();
                }
                return Some(Some(Ok(event)));
            }
            if let Some(end) = partition.end.take() {
                *open -= 1;
                return Some(Some(Err(end)));
            }
        }
        (*open == 0).then_some(None)
    }
}

/// What an event counts against the bound in bytes.
fn size(event: &ReceivedEvent) -> usize {
    event.encoded_size()
}
