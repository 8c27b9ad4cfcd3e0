//! Locks that survive a panic elsewhere, and the atomics beside them.
//!
//! Built with `--cfg flow_loom` they are loom's, whose models run every
//! interleaving: see `.ci/loom`.

#[cfg(not(flow_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(flow_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

use std::sync::{PoisonError, TryLockError};

/// Locks a mutex whose guarded sections never leave it half changed.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a thread looks again, and for how long it stays away in between:
/// some microseconds in all, after which the holder was surely put to sleep.
const LOOKS: u32 = 6;
const PAUSES: u32 = 32;

/// Locks a mutex that threads take for nanoseconds at a time, and often.
///
/// To hand its cache lines over costs more than what is done under it. A thread
/// that finds it taken stays away for a while, so that its holder can come back
/// to it many times at the price of one.
#[inline]
pub(crate) fn lock_in_turns<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(_) => wait_in_turns(mutex),
    }
}

#[cold]
fn wait_in_turns<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever models all interleavings needs no waits.
    let looks = if cfg!(flow_loom) { 0 } else { LOOKS };
    for look in 0..looks {
        for _ in 0..PAUSES << look {
            std::hint::spin_loop();
        }
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    lock(mutex)
}
