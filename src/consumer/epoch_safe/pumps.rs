//! The tasks behind a consumer.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::sync::{Mutex, lock};

/// The pump of each slot, and what goes on beside them; all end with it.
#[derive(Debug, Default)]
pub(super) struct Pumps {
    running: Mutex<BTreeMap<usize, Running>>,
    beside: Mutex<Vec<Ending>>,
}

#[derive(Debug)]
struct Running {
    /// Ends when it is dropped: told to the pump.
    closing: watch::Sender<()>,
    pump: JoinHandle<Result<(), Error>>,
}

/// A task that ends with this.
#[derive(Debug)]
struct Ending(JoinHandle<()>);

impl Pumps {
    /// Starts the pump of a slot, which is told when to close.
    pub(super) fn start<F>(&self, slot: usize, pump: impl FnOnce(watch::Receiver<()>) -> F)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (closing, closed) = watch::channel(());
        let pump = tokio::spawn(pump(closed));
        lock(&self.running).insert(slot, Running { closing, pump });
    }

    /// Starts something beside the pumps.
    pub(super) fn start_beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.beside).push(Ending(tokio::spawn(task)));
    }

    /// Ends what goes on beside the pumps.
    pub(super) fn end_beside(&self) {
        let beside = std::mem::take(&mut *lock(&self.beside));
        drop(beside);
    }

    /// Closes the pump of a slot.
    pub(super) async fn close(&self, slot: usize) -> Result<(), Error> {
        let running = lock(&self.running).remove(&slot);
        match running {
            Some(running) => running.close().await,
            None => Ok(()),
        }
    }

    /// Closes all pumps, beside each other; the first error, if there is one.
    pub(super) async fn close_all(&self) -> Result<(), Error> {
        let running = std::mem::take(&mut *lock(&self.running));
        let closing = running.into_values().map(Running::close);
        let closed = futures::future::join_all(closing).await;
        closed.into_iter().collect()
    }
}

impl Running {
    async fn close(mut self) -> Result<(), Error> {
        // Told by the end of the channel.
        self.closing = watch::Sender::new(());
        // A pump that panicked has told so.
        (&mut self.pump).await.unwrap_or(Ok(()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}
