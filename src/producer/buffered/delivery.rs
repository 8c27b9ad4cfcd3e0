//! What became of an event: its delivery, awaited or not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::event::EventData;
use crate::sync::lock;

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
    /// Transferred, and its fate was not learned: it may be stored.
    Unknown,
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
    number: usize,
    done: bool,
}

/// The outcomes of one batch, shared by the deliveries of its events.
#[derive(Default)]
pub(super) struct BatchOutcome {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    resolved: bool,
    /// By number; deliveries beyond the end were not touched yet.
    slots: Vec<Slot>,
}

enum Slot {
    Waiting(Option<Waker>),
    Dropped,
    Undelivered(Box<Undelivered>),
}

impl State {
    fn slot(&mut self, number: usize) -> &mut Slot {
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, || Slot::Waiting(None));
        }
        &mut self.slots[number]
    }

    fn take_wakers(&mut self) -> Vec<Waker> {
        let waker = |slot: &mut Slot| match slot {
            Slot::Waiting(waker) => waker.take(),
            _ => None,
        };
        self.slots.iter_mut().filter_map(waker).collect()
    }
}

impl BatchOutcome {
    /// A delivery with the next number; no lock is taken.
    pub(super) fn delivery(self: &Arc<Self>, number: usize) -> Delivery {
        Delivery {
            batch: Arc::clone(self),
            number,
            done: false,
        }
    }

    /// Resolves every delivery: those of `undelivered` events, given with their
    /// places in the batch, get them back; all others were delivered. Returns the
    /// events that nobody waits for. `tracked` is the place of each delivery's
    /// event, by number.
    pub(super) fn resolve(
        &self,
        undelivered: Vec<(usize, Undelivered)>,
        tracked: &[usize],
    ) -> Vec<Undelivered> {
        let mut rest = Vec::new();
        let wakers = {
            let mut state = lock(&self.state);
            state.resolved = true;
            let wakers = state.take_wakers();
            for (place, event) in undelivered {
                let number = tracked.binary_search(&place).ok();
                match number.map(|number| state.slot(number)) {
                    Some(slot @ Slot::Waiting(_)) => *slot = Slot::Undelivered(Box::new(event)),
                    _ => rest.push(event),
                }
            }
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
        rest
    }
}

impl Future for Delivery {
    type Output = Result<(), Undelivered>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.done, "a delivery was polled after it resolved");
        let outcome = {
            let mut state = lock(&self.batch.state);
            let resolved = state.resolved;
            match state.slot(self.number) {
                slot @ Slot::Undelivered(_) => match std::mem::replace(slot, Slot::Dropped) {
                    Slot::Undelivered(event) => Err(*event),
                    _ => unreachable!("matched above"),
                },
                _ if resolved => Ok(()),
                slot => {
                    *slot = Slot::Waiting(Some(cx.waker().clone()));
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
        if self.done {
            return;
        }
        // What the slot held is dropped outside the lock.
        let _held = {
            let mut state = lock(&self.batch.state);
            if state.resolved && state.slots.len() <= self.number {
                return;
            }
            std::mem::replace(state.slot(self.number), Slot::Dropped)
        };
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolved = lock(&self.batch.state).resolved;
        f.debug_struct("Delivery")
            .field("resolved", &resolved)
            .finish()
    }
}
