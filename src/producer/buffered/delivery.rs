//! What became of an event: its delivery, awaited or not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::event::EventData;
use crate::shield::shielded;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// An accepted event that was not delivered, handed back.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not delivered ({reason:?}): {error}")]
#[non_exhaustive]
pub struct Undelivered {
    /// The event.
    pub event: EventData,
    /// What became of it.
    pub reason: UndeliveredReason,
    /// The last error.
    #[source]
    pub error: Error,
}

/// Why an accepted event was not delivered, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndeliveredReason {
    /// Refused for good: sending it again changes nothing.
    Rejected,
    /// Never accepted by the service, and the attempts are used up.
    Failed {
        /// How often it was sent.
        attempts: u32,
    },
    /// Its deadline passed before it was transferred, or after attempts that
    /// the service definitely refused.
    Expired,
    /// Transferred, and its fate was not learned: it may be stored.
    Unknown,
    /// Displaced by a newer one: see
    /// [`OverflowPolicy::DropOldest`](super::OverflowPolicy::DropOldest).
    Dropped,
    /// Never transferred: close, abort or drop handed it back.
    Returned,
}

/// The outcome of one accepted event, a future that resolves to it.
///
/// Dropping it changes nothing for the event.
///
/// # Cancel safety
/// Awaiting `&mut delivery` can be given up and taken up again.
#[must_use = "await the delivery to learn the outcome, or use `enqueue`"]
pub struct Delivery {
    batch: Arc<BatchOutcome>,
    /// Which of the batch's deliveries this is, in the order they were handed out.
    number: u32,
    done: bool,
}

/// The outcomes of the events that were pushed into one batch, shared by their
/// deliveries. They may be settled in several pieces.
#[derive(Default)]
pub(super) struct BatchOutcome {
    /// Nothing is left to be told: what still waits was delivered.
    is_delivered: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// How many pieces of the batch have no outcome yet.
    pieces: usize,
    /// Whether a delivery has an event to hand back.
    holds_events: bool,
    /// By number; deliveries beyond the end were not touched yet.
    slots: Vec<Slot>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            pieces: 1,
            holds_events: false,
            slots: Vec::new(),
        }
    }
}

enum Slot {
    Waiting(Option<Waker>),
    Dropped,
    Undelivered(Box<Undelivered>),
}

impl State {
    fn slot(&mut self, number: u32) -> &mut Slot {
        let number = number as usize;
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, || Slot::Waiting(None));
        }
        &mut self.slots[number]
    }

    fn is_resolved(&self) -> bool {
        self.pieces == 0
    }
}

impl BatchOutcome {
    /// A delivery with the next number; no lock is taken.
    #[inline]
    pub(super) fn delivery(self: &Arc<Self>, number: u32) -> Delivery {
        Delivery {
            batch: Arc::clone(self),
            number,
            done: false,
        }
    }

    /// One piece of the batch becomes two.
    pub(super) fn split(&self) {
        lock(&self.state).pieces += 1;
    }

    /// Resolves a piece. Undelivered events go to their deliveries, given by
    /// number; those without one, or whose one was dropped, come back in their
    /// places. All that is untold when the last piece is resolved was delivered.
    pub(super) fn resolve(
        &self,
        undelivered: Vec<(Option<u32>, Undelivered)>,
    ) -> Vec<Option<Undelivered>> {
        let mut rest = Vec::with_capacity(undelivered.len());
        let mut wakers = Vec::new();
        {
            let mut state = lock(&self.state);
            for (number, event) in undelivered {
                match number.map(|number| state.slot(number)) {
                    Some(slot @ Slot::Waiting(_)) => {
                        let told = Slot::Undelivered(Box::new(event));
                        if let Slot::Waiting(waker) = std::mem::replace(slot, told) {
                            wakers.extend(waker);
                        }
                        rest.push(None);
                        state.holds_events = true;
                    }
                    _ => rest.push(Some(event)),
                }
            }
            state.pieces -= 1;
            if state.is_resolved() {
                let waker = |slot: &mut Slot| match slot {
                    Slot::Waiting(waker) => waker.take(),
                    _ => None,
                };
                wakers.extend(state.slots.iter_mut().filter_map(waker));
                let is_delivered = !state.holds_events;
                self.is_delivered.store(is_delivered, Ordering::Release);
            }
        }
        for waker in wakers {
            shielded(|| waker.wake());
        }
        rest
    }
}

impl Future for Delivery {
    type Output = Result<(), Undelivered>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.done, "a delivery was polled after it resolved");
        if self.batch.is_delivered.load(Ordering::Acquire) {
            self.done = true;
            return Poll::Ready(Ok(()));
        }
        // Wakers are the user's: cloned before the lock and dropped after it.
        let waker = cx.waker().clone();
        let _earlier;
        let outcome = {
            let mut state = lock(&self.batch.state);
            let resolved = state.is_resolved();
            match state.slot(self.number) {
                slot @ Slot::Undelivered(_) => match std::mem::replace(slot, Slot::Dropped) {
                    Slot::Undelivered(event) => Err(*event),
                    _ => unreachable!("matched above"),
                },
                _ if resolved => Ok(()),
                slot => {
                    _earlier = std::mem::replace(slot, Slot::Waiting(Some(waker)));
                    return Poll::Pending;
                }
            }
        };
        self.done = true;
        Poll::Ready(outcome)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.done || self.batch.is_delivered.load(Ordering::Acquire) {
            return;
        }
        // What the slot held is dropped outside the lock.
        let _held = {
            let mut state = lock(&self.batch.state);
            if state.is_resolved() && state.slots.len() <= self.number as usize {
                return;
            }
            std::mem::replace(state.slot(self.number), Slot::Dropped)
        };
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolved = lock(&self.batch.state).is_resolved();
        f.debug_struct("Delivery")
            .field("resolved", &resolved)
            .finish()
    }
}
