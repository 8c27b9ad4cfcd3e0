//! How far an opened receiver was read, and whether it may be read on.

use std::sync::atomic::{AtomicI64, Ordering};

/// No sequence number is that low.
const REVOKED: i64 = i64::MIN;
const NOTHING_YET: i64 = i64::MIN + 1;

/// One word that the reader advances and the pump revokes, so that each event is
/// yielded either before the revocation, which then counts it, or never.
#[derive(Debug)]
pub(super) struct Cursor(AtomicI64);

impl Cursor {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(NOTHING_YET))
    }

    /// Marks an event as yielded; `false` if it may not be yielded any more.
    pub(super) fn advance(&self, sequence_number: i64) -> bool {
        let next = |at| (at != REVOKED).then_some(sequence_number);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .is_ok()
    }

    /// The last event yielded; `None` if there is none, or it was revoked.
    pub(super) fn last(&self) -> Option<i64> {
        let last = self.0.load(Ordering::Acquire);
        (last > NOTHING_YET).then_some(last)
    }

    /// Forbids any further advance, and tells the last event yielded.
    pub(super) fn revoke(&self) -> Option<i64> {
        let last = self.0.swap(REVOKED, Ordering::AcqRel);
        (last > NOTHING_YET).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_cursor_tells_the_last_event_and_advances_no_more() {
        let cursor = Cursor::new();
        assert!(cursor.advance(0));
        assert!(cursor.advance(7));
        assert_eq!(cursor.revoke(), Some(7));
        assert!(!cursor.advance(8));
        assert_eq!(cursor.revoke(), None);
    }

    #[test]
    fn a_cursor_that_never_advanced_tells_nothing() {
        assert_eq!(Cursor::new().revoke(), None);
    }
}
