//! How those learn of a change who wait for a counter, at next to no cost while nobody waits.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use tokio::sync::Notify;

/// Told of every change; wakes whoever waits for one.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    waiting: AtomicUsize,
    changed: Notify,
}

impl Changes {
    /// Something has changed.
    pub(crate) fn notify(&self) {
        // With the fence in `until`: either this sees the waiter, or the waiter sees the change.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Waits until `holds` says so; it is asked at once, and again after every change.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn until(&self, mut holds: impl FnMut() -> bool) {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if holds() {
                return;
            }
            changed.await;
        }
    }
}

/// Counts one who waits, for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_waiter_misses_no_change() {
        for _ in 0..2000 {
            let (changes, count) = (Arc::new(Changes::default()), Arc::new(AtomicU64::new(0)));
            let counting = (Arc::clone(&changes), Arc::clone(&count));
            let writer = tokio::spawn(async move {
                let (changes, count) = counting;
                count.fetch_add(1, Ordering::Relaxed);
                changes.notify();
            });
            let waiter = changes.until(|| count.load(Ordering::Relaxed) == 1);
            tokio::time::timeout(std::time::Duration::from_secs(20), waiter)
                .await
                .unwrap();
            writer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_who_stops_waiting_is_forgotten() {
        let changes = Changes::default();
        {
            let mut waiter = pin!(changes.until(|| false));
            assert!(futures_util::poll!(waiter.as_mut()).is_pending());
            assert_eq!(changes.waiting.load(Ordering::Relaxed), 1);
        }
        assert_eq!(changes.waiting.load(Ordering::Relaxed), 0);
    }
}
