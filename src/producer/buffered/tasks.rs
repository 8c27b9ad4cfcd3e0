//! The tasks behind a producer, ended together.

use std::future::Future;

use tokio::task::JoinSet;

use crate::sync::{Mutex, lock};

pub(super) struct Tasks {
    /// `None` once they were ended.
    running: Mutex<Option<JoinSet<()>>>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self {
            running: Mutex::new(Some(JoinSet::new())),
        }
    }

    /// Starts a task, unless all were ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = &mut *lock(&self.running) {
            running.spawn(task);
        }
    }

    /// Ends all tasks at their next step.
    pub(super) fn abort(&self) {
        let running = lock(&self.running).take();
        drop(running);
    }
}
