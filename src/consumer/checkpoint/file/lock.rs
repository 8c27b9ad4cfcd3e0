//! The exclusion of processes, and of threads, by the lock of a file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use fs4::{FileExt, TryLockError};

use super::disk;

/// The first pause between two tries, and the longest.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Holds the lock until it is dropped, or the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// How a wait for a lock ended without it.
#[derive(Debug)]
pub(super) enum NoLock {
    Io(io::Error),
    /// Somebody else held it all the time.
    Held,
    /// Nobody waits for it any more.
    Abandoned,
}

impl Lock {
    /// Waits for the lock, on a thread that may block.
    pub(super) fn take(
        path: &Path,
        longest: Duration,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Self, NoLock> {
        let deadline = now().checked_add(longest);
        let mut pause = PAUSE;
        loop {
            if is_abandoned() {
                return Err(NoLock::Abandoned);
            }
            // Opened for every try: a lock is of no use once its file was replaced.
            let file = open(path).map_err(NoLock::Io)?;
            match FileExt::try_lock(&file) {
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: file }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
            }
            let left = deadline.map_or(longest, |end| end.saturating_duration_since(now()));
            if left.is_zero() {
                return Err(NoLock::Held);
            }
            // Several that wait do not come at the same time again and again.
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0).min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "other processes know nothing of tokio's clock"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn open(path: &Path) -> io::Result<File> {
    disk::options().create(true).truncate(false).open(path)
}

/// Whether whoever opens the path gets this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}
