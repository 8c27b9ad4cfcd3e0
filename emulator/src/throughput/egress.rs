//! What a namespace gives out: receivers take turns at it.
//!
//! A deficit round robin. Each receiver holds a small amount that it may still deliver; once its bytes or its events
//! are used up, it fills it up out of the namespace's bucket. Where the bucket has not enough, receivers queue: the
//! first sleeps until the bucket has, takes its amount, and the next is first. A receiver whose message was larger than
//! what it held takes several turns before it may go on, so what is shared out evenly is bytes and events, not messages.

use super::token_bucket::{TokenBucket, Tokens};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What goes out per second and unit.
const EGRESS: Tokens = Tokens {
    bytes: 2_000_000,
    events: 4096,
};
/// What a receiver takes at once: what a unit gives in a 128th of a second.
const TURN: Tokens = Tokens {
    bytes: 15_625,
    events: 32,
};

/// What a namespace may give out.
#[derive(Debug, Default)]
pub(super) struct Egress {
    /// What is left of the units; `None` without units.
    bucket: Mutex<Option<TokenBucket>>,
    /// Whether there are units: deliveries are to take no lock if not.
    has_units: AtomicBool,
    /// Held by the receiver that waits for the bucket; the others queue in order.
    turn: tokio::sync::Mutex<()>,
    /// Tells the one that waits that the units have changed.
    changed: Notify,
}

impl Egress {
    pub(super) fn set_units(&self, units: Option<NonZeroU32>) {
        let per_second = units.map(|units| EGRESS.times(units.get()));
        TokenBucket::set_rate_of(&mut self.bucket(), per_second, Instant::now());
        self.has_units.store(units.is_some(), Ordering::Release);
        // It waits, or will before it looks at the bucket: only one ever does, and a permit is kept for it.
        self.changed.notify_one();
    }

    fn has_units(&self) -> bool {
        self.has_units.load(Ordering::Acquire)
    }

    /// Takes an amount, if nobody is waiting for one and the bucket has it.
    fn try_take(&self, amount: Tokens) -> bool {
        match self.turn.try_lock() {
            Ok(_turn) => self.take_from_bucket(amount).is_ok(),
            Err(_) => false,
        }
    }

    /// Takes an amount when it is there, behind those that came before.
    async fn take(&self, amount: Tokens) {
        let _turn = self.turn.lock().await;
        while let Err(at) = self.take_from_bucket(amount) {
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn take_from_bucket(&self, amount: Tokens) -> Result<(), Instant> {
        match &mut *self.bucket() {
            Some(bucket) => bucket.try_take(amount, Instant::now()),
            None => Ok(()),
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Option<TokenBucket>> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One receiver's share of what the namespace gives out.
#[derive(Debug)]
pub(crate) struct EgressShare {
    egress: Arc<Egress>,
    /// What may still be delivered. The last message may be larger than that: below zero, nothing may until it is
    /// paid off.
    bytes: i64,
    events: i64,
    /// What it stands in the queue for.
    awaited: Option<Tokens>,
}

impl EgressShare {
    pub(super) fn new(egress: Arc<Egress>) -> Self {
        Self {
            egress,
            bytes: 0,
            events: 0,
            awaited: None,
        }
    }

    /// Whether a message may be delivered now.
    pub(crate) fn allows(&mut self) -> bool {
        if !self.egress.has_units() {
            return true;
        }
        while let Some(amount) = self.missing() {
            if self.awaited.is_some() || !self.egress.try_take(amount) {
                return false;
            }
            self.add(amount);
        }
        true
    }

    /// Counts a message that was delivered.
    pub(crate) fn charge(&mut self, bytes: usize) {
        if self.egress.has_units() {
            self.bytes -= bytes as i64;
            self.events -= 1;
        }
    }

    /// Joins the queue of those that wait for more; [`EgressShare::granted`] is to be called when the future is done.
    /// `None` if it stands there already, or lacks nothing. Dropping the future leaves the queue.
    pub(crate) fn wait(&mut self) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.awaited.is_some() {
            return None;
        }
        self.awaited = self.missing();
        let (egress, amount) = (Arc::clone(&self.egress), self.awaited?);
        Some(async move { egress.take(amount).await })
    }

    /// Takes in what was waited for.
    pub(crate) fn granted(&mut self) {
        if let Some(amount) = self.awaited.take() {
            self.add(amount);
        }
    }

    /// What fills up a share of which bytes or events are used up: no more than a turn, and nothing of that twice.
    fn missing(&self) -> Option<Tokens> {
        let used_up = self.bytes <= 0 || self.events <= 0;
        used_up.then(|| Tokens {
            bytes: TURN.bytes.saturating_sub(self.bytes.max(0) as u64),
            events: TURN.events.saturating_sub(self.events.max(0) as u64),
        })
    }

    fn add(&mut self, amount: Tokens) {
        self.bytes += amount.bytes as i64;
        self.events += amount.events as i64;
    }
}

#[cfg(test)]
mod tests;
