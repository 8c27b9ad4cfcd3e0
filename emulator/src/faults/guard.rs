//! A fault that is injected, in the hands of whoever injected it.

use super::registry::{FaultId, Registry};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Keeps a fault going: it is over when this is dropped.
#[derive(Debug)]
#[must_use = "the fault is over when its guard is dropped"]
pub struct FaultGuard {
    pub(super) registry: Arc<Registry>,
    pub(super) id: FaultId,
    pub(super) struck: Arc<watch::Sender<u64>>,
    /// Ends a fault that has a time.
    pub(super) timer: Option<AbortHandle>,
}

impl FaultGuard {
    /// How often it struck: once for each message, link, session, connection, attach or request.
    #[must_use]
    pub fn struck(&self) -> u64 {
        *self.struck.borrow()
    }

    /// Waits until it struck so often at least, which may be never.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for(&self, strikes: u64) {
        // The sender lives as long as `self`, so the channel cannot close.
        let mut struck = self.struck.subscribe();
        let _ = struck.wait_for(|struck| *struck >= strikes).await;
    }

    /// Ends the fault, as dropping the guard does. What it held back goes on.
    pub fn heal(self) {}
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.registry.end(self.id);
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}
