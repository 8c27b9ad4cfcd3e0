//! The oracle of the reliability tests: what must hold whatever went wrong.
//!
//! A [`Load`] sends numbered events through a `BufferedProducer` and records, in
//! a [`History`], what was accepted and what became of it. Against what the hub
//! stored, the history tells every [`Violation`] of the invariants:
//!
//! - what was acknowledged is stored, and what is known not to be stored is not;
//! - every accepted event has exactly one outcome;
//! - per key, first occurrences are in the order of acceptance;
//! - no more is held than the bound that a load is told of;
//! - once the fault is over, events of every key are delivered.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, CloseReport, Delivery, Undelivered,
    UndeliveredReason,
};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{ErrorKind, EventData, PartitionKey};
use futures::FutureExt;

/// Far more than a fault takes, unless the test says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of an event: its key, and its number among those of the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub key: String,
    pub number: usize,
}

impl Name {
    /// The name in a body: `KEY/NUMBER/PADDING`.
    fn read(body: &str) -> Option<Self> {
        let mut parts = body.split('/');
        let (key, number) = (parts.next()?, parts.next()?);
        Some(Self {
            key: key.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.number)
    }
}

/// The outcome of one event; `None` is delivered.
pub type Fate = Option<UndeliveredReason>;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Acknowledged, and not stored.
    Lost(Name),
    /// Told not to be stored, and stored.
    Stored(Name, UndeliveredReason),
    /// Stored, and never accepted.
    Strange(String),
    /// No outcome.
    Unsettled(Name),
    /// More than one outcome.
    SettledAgain(Name),
    /// The second was stored first, and accepted later.
    OutOfOrder(Name, Name),
    /// Not delivered though all was well again.
    NoProgress(Name, Fate),
    /// So many bytes were accepted and without an outcome at once.
    Overfull { held: usize, bound: usize },
    /// The close report counts other outcomes than the deliveries told.
    Miscounted { reported: Counts, told: Counts },
}

/// How many events were accepted, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub accepted: u64,
    pub delivered: u64,
    pub rejected: u64,
    pub failed: u64,
    pub unknown: u64,
    pub returned: u64,
}

impl Counts {
    fn add(&mut self, fate: Fate) {
        let count = match fate {
            None => &mut self.delivered,
            Some(UndeliveredReason::Rejected) => &mut self.rejected,
            Some(UndeliveredReason::Failed { .. }) => &mut self.failed,
            Some(UndeliveredReason::Unknown) => &mut self.unknown,
            Some(UndeliveredReason::Returned) => &mut self.returned,
            Some(other) => panic!("an outcome that is not known here: {other:?}"),
        };
        *count += 1;
    }
}

impl From<&CloseReport> for Counts {
    fn from(report: &CloseReport) -> Self {
        Self {
            accepted: report.accepted,
            delivered: report.delivered,
            rejected: report.rejected,
            failed: report.failed,
            unknown: report.unknown,
            returned: report.returned,
        }
    }
}

/// What was accepted, in order, and what became of it.
#[derive(Debug, Default)]
pub struct History {
    /// The outcomes of each event, by key and number.
    fates: BTreeMap<String, Vec<Vec<Fate>>>,
}

impl History {
    /// The name of a key's next event.
    pub fn next(&self, key: &str) -> Name {
        Name {
            key: key.to_owned(),
            number: self.fates.get(key).map_or(0, Vec::len),
        }
    }

    /// The next event of a key was accepted.
    pub fn accept(&mut self, key: &str) -> Name {
        let name = self.next(key);
        self.fates
            .entry(name.key.clone())
            .or_default()
            .push(Vec::new());
        name
    }

    /// An event got an outcome.
    pub fn settle(&mut self, name: &Name, fate: Fate) {
        self.fates.get_mut(&name.key).expect("a key of ours")[name.number].push(fate);
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for fates in self.fates.values().flatten() {
            counts.accepted += 1;
            fates.iter().for_each(|fate| counts.add(*fate));
        }
        counts
    }

    /// What is wrong with this history, given the bodies that the hub stored, in
    /// the order of each partition.
    pub fn violations(&self, stored: &[String]) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut copies: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (key, fates) in &self.fates {
            copies.insert(key, vec![0; fates.len()]);
        }
        let mut last: BTreeMap<String, Name> = BTreeMap::new();
        for body in stored {
            let name = Name::read(body);
            let place = name.as_ref().and_then(|name| {
                let copies = copies.get_mut(name.key.as_str())?;
                copies.get_mut(name.number)
            });
            let (Some(name), Some(copies)) = (name, place) else {
                violations.push(Violation::Strange(body.clone()));
                continue;
            };
            *copies += 1;
            if *copies > 1 {
                continue;
            }
            match last.get(&name.key) {
                Some(before) if before.number > name.number => {
                    violations.push(Violation::OutOfOrder(name, before.clone()));
                }
                _ => {
                    last.insert(name.key.clone(), name);
                }
            }
        }
        for (key, fates) in &self.fates {
            let copies = &copies[key.as_str()];
            for (number, (fates, copies)) in fates.iter().zip(copies).enumerate() {
                let name = Name {
                    key: key.clone(),
                    number,
                };
                violations.extend(judge(name, fates, *copies));
            }
        }
        violations
    }
}

/// Judges what became of one event.
fn judge(name: Name, fates: &[Fate], copies: u32) -> Option<Violation> {
    match fates {
        [] => Some(Violation::Unsettled(name)),
        [None] if copies == 0 => Some(Violation::Lost(name)),
        [None | Some(UndeliveredReason::Unknown)] => None,
        [Some(reason)] if copies > 0 => Some(Violation::Stored(name, *reason)),
        [Some(_)] => None,
        [_, _, ..] => Some(Violation::SettledAgain(name)),
    }
}

/// What the buffer charges for an event.
fn cost(event: &EventData) -> usize {
    event.encoded_size() + 128
}

/// How often an event is stored.
pub fn copies(stored: &[String], name: &Name) -> usize {
    let is_it = |body: &&String| Name::read(body).as_ref() == Some(name);
    stored.iter().filter(is_it).count()
}

/// An event without an outcome.
struct Waiting {
    name: Name,
    /// What it is charged: its encoded size, and 128 bytes on top.
    cost: usize,
    delivery: Delivery,
}

/// Numbered events on their way through a `BufferedProducer`.
pub struct Load {
    producer: BufferedProducer,
    padding: String,
    history: History,
    waiting: Vec<Waiting>,
    /// What those that wait for their outcome cost.
    held: usize,
    bound: usize,
    overfull: Option<Violation>,
    undelivered: Vec<(Name, Undelivered)>,
    patience: Duration,
}

impl Load {
    pub async fn open(
        transport: Arc<dyn TransportProducer>,
        options: BufferedProducerOptions,
    ) -> Self {
        let opened = BufferedProducer::open(transport, options).await;
        Self {
            producer: opened.expect("the hub tells its partitions"),
            padding: String::new(),
            history: History::default(),
            waiting: Vec::new(),
            held: 0,
            bound: usize::MAX,
            overfull: None,
            undelivered: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// So many bytes more in each event.
    pub fn with_padding(mut self, bytes: usize) -> Self {
        self.padding = "x".repeat(bytes);
        self
    }

    /// Watches that no more bytes than that are held.
    pub fn with_bound(mut self, bytes: usize) -> Self {
        self.bound = bytes;
        self
    }

    /// Waits so much longer for room and for outcomes.
    pub fn with_more_patience(mut self, more: Duration) -> Self {
        self.patience += more;
        self
    }

    pub fn producer(&self) -> &BufferedProducer {
        &self.producer
    }

    /// Sends the next event of a key, once there is room.
    pub async fn send(&mut self, key: &str) -> Name {
        let name = self.history.next(key);
        let event = self.event(&name);
        let cost = cost(&event);
        let accepted = tokio::time::timeout(self.patience, self.producer.send(event)).await;
        let delivery = accepted.expect("room in time").expect("accepted");
        self.accepted(name, cost, delivery)
    }

    /// Sends events of these keys, in turns, until none of them finds room; tells
    /// how many were accepted.
    pub fn fill(&mut self, keys: &[&str]) -> usize {
        let mut accepted = 0;
        loop {
            let before = accepted;
            for key in keys {
                accepted += usize::from(self.try_send(key));
            }
            if accepted == before {
                return accepted;
            }
        }
    }

    /// Sends the next event of a key, if there is room.
    fn try_send(&mut self, key: &str) -> bool {
        let name = self.history.next(key);
        let event = self.event(&name);
        let cost = cost(&event);
        match self.producer.try_send(event) {
            Ok(delivery) => {
                self.accepted(name, cost, delivery);
                true
            }
            Err(refused) => {
                assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
                false
            }
        }
    }

    fn event(&self, name: &Name) -> EventData {
        let key = PartitionKey::new(&*name.key).expect("a short key");
        EventData::new(format!("{name}/{}", self.padding)).with_target(key)
    }

    fn accepted(&mut self, name: Name, cost: usize, delivery: Delivery) -> Name {
        self.history.accept(&name.key);
        self.held += cost;
        self.waiting.push(Waiting {
            name: name.clone(),
            cost,
            delivery,
        });
        if self.held > self.bound {
            // Some may have an outcome that was not looked at.
            self.collect();
        }
        if self.held > self.bound {
            let (held, bound) = (self.held, self.bound);
            self.overfull = Some(Violation::Overfull { held, bound });
        }
        name
    }

    /// Sends so many events of each key, in turns.
    pub async fn send_each(&mut self, keys: &[&str], events: usize) {
        for _ in 0..events {
            for key in keys {
                self.send(key).await;
            }
        }
    }

    /// Waits for the outcomes of all that was sent, and tells how many were not
    /// delivered so far.
    pub async fn settle(&mut self) -> usize {
        let report = self.producer.flush(self.patience).await;
        assert_eq!(report.pending, 0, "{report:?}");
        self.collect();
        self.undelivered.len()
    }

    /// Records the outcomes that there are.
    fn collect(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            let Some(outcome) = (&mut waiting.delivery).now_or_never() else {
                self.waiting.push(waiting);
                continue;
            };
            self.held -= waiting.cost;
            let reason = outcome.as_ref().err().map(|undelivered| undelivered.reason);
            self.history.settle(&waiting.name, reason);
            let undelivered = outcome.err().map(|undelivered| (waiting.name, undelivered));
            self.undelivered.extend(undelivered);
        }
    }

    /// The events that were not delivered so far.
    pub fn undelivered(&self) -> &[(Name, Undelivered)] {
        &self.undelivered
    }

    /// Sends one more event of each key, closes the producer, and tells what is
    /// wrong; `stored` is asked at the end.
    pub async fn conclude(
        &mut self,
        stored: impl FnOnce() -> Vec<String>,
    ) -> (Counts, Vec<Violation>) {
        self.settle().await;
        let mut last = Vec::new();
        let keys: Vec<String> = self.history.fates.keys().cloned().collect();
        for key in keys {
            last.push(self.send(&key).await);
        }
        let report = self.producer.close(self.patience).await;
        self.collect();
        let stored = stored();
        let mut violations = self.history.violations(&stored);
        violations.extend(self.overfull.take());
        for name in last {
            let fates = &self.history.fates[&name.key][name.number];
            if let [fate @ Some(_)] = fates[..] {
                violations.push(Violation::NoProgress(name, fate));
            }
        }
        let (reported, told) = (Counts::from(&report), self.history.counts());
        if reported != told {
            violations.push(Violation::Miscounted { reported, told });
        }
        (told, violations)
    }

    /// As [`conclude`](Self::conclude); panics if anything is wrong. Tells what
    /// became of the events, the last one of each key included.
    pub async fn finish(&mut self, stored: impl FnOnce() -> Vec<String>) -> Counts {
        let (counts, violations) = self.conclude(stored).await;
        let some = &violations[..violations.len().min(10)];
        assert!(violations.is_empty(), "{counts:?}: {some:#?}");
        counts
    }
}
