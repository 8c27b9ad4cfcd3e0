//! What the handler makes of events: how many there are of each key.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use eventhubs_flow::{ReceivedEvent, Value};
use serde::Serialize;

/// Keys that are counted one by one: whoever sends must not decide how much is held.
const KEYS: usize = 10_000;

/// The property that tells events of this run from those of others.
pub(crate) const RUN: &str = "run";

/// Counts since the program was started.
pub(crate) struct Counts {
    run: Value,
    tally: Mutex<Tally>,
    meter: metrics::Counter,
}

#[derive(Default, Serialize)]
struct Tally {
    /// Events that this run sent.
    handled: u64,
    /// Events that others, or earlier runs, have sent.
    of_others: u64,
    without_key: u64,
    by_key: BTreeMap<String, u64>,
    of_further_keys: u64,
}

impl Counts {
    pub(crate) fn new() -> Self {
        let name = "pipeline.handled_events";
        metrics::describe_counter!(name, metrics::Unit::Count, "Events that were handled");
        Self {
            run: Value::from(format!("{:?} {}", SystemTime::now(), std::process::id())),
            tally: Mutex::default(),
            meter: metrics::counter!(name),
        }
    }

    /// What the events of this run have as [`RUN`].
    pub(crate) fn run(&self) -> &Value {
        &self.run
    }

    /// The handler.
    pub(crate) fn note(&self, event: &ReceivedEvent) {
        self.meter.increment(1);
        let mut tally = self.tally();
        match event.properties().get(RUN) == Some(&self.run) {
            true => tally.handled += 1,
            false => tally.of_others += 1,
        }
        let Some(key) = event.partition_key() else {
            tally.without_key += 1;
            return;
        };
        if let Some(count) = tally.by_key.get_mut(key.as_str()) {
            *count += 1;
        } else if tally.by_key.len() < KEYS {
            tally.by_key.insert(key.to_string(), 1);
        } else {
            tally.of_further_keys += 1;
        }
    }

    /// Events that this run sent and handled.
    pub(crate) fn handled(&self) -> u64 {
        self.tally().handled
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&*self.tally())
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
