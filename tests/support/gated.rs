//! Handlers that end when they are told to.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use eventhubs_flow::ReceivedEvent;
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::scripted::{Place, place};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeed,
    Fail,
    Panic,
}

/// Notes each handler that is started, and holds it.
#[derive(Clone, Default)]
pub(crate) struct Gated(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    started: Vec<Place>,
    running: BTreeMap<Place, (Option<String>, oneshot::Sender<End>)>,
    most_running: usize,
}

impl Gated {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn handler(
        &self,
    ) -> impl Fn(Arc<ReceivedEvent>) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static
    {
        let gated = self.clone();
        move |event| {
            let (end, told) = oneshot::channel();
            let running = gated.start(&event, end);
            async move {
                let end = told.await;
                drop(running);
                match end.expect("told") {
                    End::Succeed => Ok(()),
                    End::Fail => Err("planted".to_owned()),
                    End::Panic => panic!("sesame-panic"),
                }
            }
            .boxed()
        }
    }

    fn start(&self, event: &ReceivedEvent, end: oneshot::Sender<End>) -> Running {
        let mut state = self.state();
        let place = place(event);
        let key = event.partition_key().map(|key| key.as_str().to_owned());
        state.started.push(place);
        state.running.insert(place, (key, end));
        state.most_running = state.most_running.max(state.running.len());
        Running(self.clone(), place)
    }

    /// Lets a handler end.
    pub(crate) fn end(&self, place: Place, end: End) {
        let running = self.state().running.remove(&place);
        let (_, gate) = running.expect("a handler that runs");
        gate.send(end).expect("it waits");
    }

    /// Lets all handlers succeed that run now.
    pub(crate) fn end_all(&self) {
        for place in self.running() {
            self.end(place, End::Succeed);
        }
    }

    /// In the order of their starts.
    pub(crate) fn started(&self) -> Vec<Place> {
        self.state().started.clone()
    }

    /// In the order of their places.
    pub(crate) fn running(&self) -> Vec<Place> {
        self.state().running.keys().copied().collect()
    }

    /// The partition and key of each that runs and has one.
    pub(crate) fn running_keys(&self) -> Vec<(u32, String)> {
        let state = self.state();
        let running = state.running.iter();
        let keys =
            running.filter_map(|((partition, _), (key, _))| Some((*partition, key.clone()?)));
        keys.collect()
    }

    pub(crate) fn most_running(&self) -> usize {
        self.state().most_running
    }
}

/// A handler that runs; dropped when it is aborted, too.
struct Running(Gated, Place);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().running.remove(&self.1);
    }
}
