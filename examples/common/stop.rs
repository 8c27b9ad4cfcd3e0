//! When to stop: at Ctrl-C, and at the signal by which machines stop programs.

use std::io;

/// Waits for Ctrl-C or SIGTERM. From this call on neither ends the program by itself.
#[cfg(unix)]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Whatever is wrong with the signal, we stop.
        let _ = tokio::signal::ctrl_c().await;
    })
}
