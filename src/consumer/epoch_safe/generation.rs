//! The number of an ownership, rising within this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// What events carry that nobody owns.
pub(super) const UNOWNED: u64 = 0;

static LAST: AtomicU64 = AtomicU64::new(UNOWNED);

/// The generation of an ownership that was just won.
///
/// Taken after the win: a loser that takes its number late is already cut off.
pub(super) fn claim() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
