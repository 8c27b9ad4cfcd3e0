//! Links end with the tokens they live by.

use super::connection::{Channel, Connection};
use super::session::Slot;
use std::mem;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// The system's clock may be set: it is looked at again after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// When a token expires next.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let expiry = self.authorization.next_expiry()?;
        Some(Instant::now() + self.broker.clock.until(expiry).min(LOOK_AGAIN))
    }

    /// Detaches the links that no valid token covers any more, if a token has expired.
    pub(super) fn end_unauthorized(&mut self) {
        let now = self.broker.clock.unix_seconds();
        if self.authorization.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        self.authorization.expire(now);
        let mut ended = Vec::new();
        for (&channel, open) in &mut self.channels {
            let Channel::Open(session) = open else {
                continue;
            };
            for (&handle, slot) in &mut session.slots {
                let Some(claim) = slot.claim() else { continue };
                if let Err(error) = self.broker.check(claim, &self.authorization) {
                    ended.push((channel, handle, mem::replace(slot, Slot::Detaching), error));
                }
            }
        }
        for (channel, handle, slot, error) in ended {
            self.drop_slot(slot);
            self.write_detach(channel, handle, error.into());
        }
    }
}
