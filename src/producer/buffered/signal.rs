//! A moment that any number of callers wait for.

use tokio::sync::oneshot;

use crate::shield::shielded;
use crate::sync::{Mutex, lock};

/// Wakes everyone who waits. Unlike `tokio::sync::Notify` it wakes each behind a
/// shield: a waker that panics leaves no one else asleep.
#[derive(Default)]
pub(super) struct Signal {
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Signal {
    /// Resolves, to either result, once the signal is given after this call.
    pub(super) fn subscribe(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        // Those who gave up: the list is as long as callers wait.
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        receiver
    }

    pub(super) fn give(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for sender in waiting {
            shielded(|| sender.send(()));
        }
    }
}
