//! The oracle of the reliability tests is tested itself: each bug that it is
//! there for, planted, is told, and nothing else.

#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use eventhubs_flow::producer::buffered::{BufferedProducerOptions, UndeliveredReason};
use eventhubs_flow::transport::memory::{MemoryHub, MemoryProducer};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, PartitionId, SendBatchError, Target,
};
use oracle::{Counts, History, Load, Name, Violation};
use support::nonzero;

const KEYS: [&str; 3] = ["a", "b", "c"];

fn name(key: &str, number: usize) -> Name {
    Name {
        key: key.into(),
        number,
    }
}

fn bodies<const N: usize>(bodies: [&str; N]) -> Vec<String> {
    bodies.map(|body| format!("{body}/")).to_vec()
}

/// Two events of `a` and one of `b`, with these outcomes.
fn history(fates: [Option<UndeliveredReason>; 3]) -> History {
    let mut history = History::default();
    let names = [
        history.accept("a"),
        history.accept("b"),
        history.accept("a"),
    ];
    for (name, fate) in names.iter().zip(fates) {
        history.settle(name, fate);
    }
    history
}

#[test]
fn a_history_of_deliveries_with_duplicates_in_order_is_in_order() {
    let stored = bodies(["a/0", "b/0", "a/0", "a/1", "a/0", "a/1", "b/0"]);
    assert_eq!(history([None; 3]).violations(&stored), []);
}

#[test]
fn an_early_acknowledgement_is_a_loss() {
    let lost = history([None; 3]).violations(&bodies(["a/0", "a/1"]));
    assert_eq!(lost, [Violation::Lost(name("b", 0))]);
}

#[test]
fn what_is_told_not_to_be_stored_must_not_be_and_the_unknown_may() {
    let stored = bodies(["a/0", "b/0"]);
    for reason in [
        UndeliveredReason::Rejected,
        UndeliveredReason::Returned,
        UndeliveredReason::Failed { attempts: 3 },
    ] {
        let fates = [Some(UndeliveredReason::Unknown), Some(reason), Some(reason)];
        let wrong = [Violation::Stored(name("b", 0), reason)];
        assert_eq!(history(fates).violations(&stored), wrong);
    }
}

#[test]
fn swapped_events_of_a_key_are_out_of_order_and_those_of_two_keys_are_not() {
    let swapped = history([None; 3]).violations(&bodies(["b/0", "a/1", "a/0"]));
    let wrong = [Violation::OutOfOrder(name("a", 0), name("a", 1))];
    assert_eq!(swapped, wrong);
    let stored = bodies(["b/0", "a/0", "a/1"]);
    assert_eq!(history([None; 3]).violations(&stored), []);
}

#[test]
fn an_event_without_an_outcome_and_one_with_two_are_told() {
    let mut history = history([None; 3]);
    history.accept("b");
    history.settle(&name("a", 1), Some(UndeliveredReason::Unknown));
    let wrong = [
        Violation::SettledAgain(name("a", 1)),
        Violation::Unsettled(name("b", 1)),
    ];
    let stored = bodies(["a/0", "a/1", "b/0"]);
    assert_eq!(history.violations(&stored), wrong);
}

#[test]
fn what_nobody_sent_is_strange() {
    let stored = bodies(["a/0", "a/1", "b/0", "a/2", "c/0", "nonsense"]);
    let strange = ["a/2/", "c/0/", "nonsense/"].map(|body| Violation::Strange(body.into()));
    assert_eq!(history([None; 3]).violations(&stored), strange);
}

/// What a transport does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// Acknowledges a batch, and drops it.
    EarlyAcknowledgement,
    /// Takes a failed attempt for a success.
    SkippedRetry,
    /// Stores a batch after the one that follows it.
    SwappedBatches,
    /// Stores a batch, and says that it was refused.
    FalseRefusal,
}

/// A transport with a bug that shows in its third batch.
#[derive(Debug)]
struct Planted {
    inner: MemoryProducer,
    bug: Bug,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    batches: usize,
    held: Option<EventBatch>,
}

#[async_trait]
impl TransportManagement for Planted {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Planted {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let (is_third, held) = {
            let mut state = self.state.lock().unwrap();
            state.batches += 1;
            (state.batches == 3, state.held.take())
        };
        match self.bug {
            Bug::EarlyAcknowledgement if is_third => return Ok(()),
            Bug::SwappedBatches if is_third => {
                self.state.lock().unwrap().held = Some(batch);
                return Ok(());
            }
            Bug::FalseRefusal if is_third => {
                self.inner.send_batch(batch.clone()).await?;
                let refused = Error::new(ErrorKind::Unauthorized, "planted");
                return Err(SendBatchError::new(batch, refused));
            }
            _ => {}
        }
        match self.inner.send_batch(batch).await {
            Err(_) if self.bug == Bug::SkippedRetry => {}
            sent => sent?,
        }
        match held {
            Some(held) => self.inner.send_batch(held).await,
            None => Ok(()),
        }
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

/// Sends under a bug, with two attempts that fail, and tells what is wrong.
async fn run(bug: Bug) -> (Counts, Vec<Violation>) {
    let hub = MemoryHub::new(1);
    hub.fail_next(2, Error::new(ErrorKind::Disconnected, "planted"));
    let transport = Arc::new(Planted {
        inner: hub.producer(),
        bug,
        state: Mutex::default(),
    });
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(2));
    let mut load = Load::open(transport, options).await;
    load.send_each(&KEYS, 8).await;
    load.conclude(|| stored(&hub)).await
}

fn stored(hub: &MemoryHub) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let received = hub.received();
    received.iter().map(|event| text(event.body())).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_wrong_with_a_transport_that_only_fails() {
    let (counts, violations) = run(Bug::None).await;
    assert_eq!(violations, []);
    assert_eq!((counts.accepted, counts.delivered), (27, 27));
}

#[tokio::test(start_paused = true)]
async fn an_early_acknowledgement_is_caught() {
    let (_, violations) = run(Bug::EarlyAcknowledgement).await;
    // The third attempt is the first batch's.
    let lost = [name("a", 0), name("b", 0)].map(Violation::Lost);
    assert_eq!(violations, lost);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_retry_is_caught() {
    let (_, violations) = run(Bug::SkippedRetry).await;
    let lost = [("a", 0), ("a", 1), ("b", 0), ("c", 0)];
    let lost = lost.map(|(key, number)| Violation::Lost(name(key, number)));
    assert_eq!(violations, lost);
}

#[tokio::test(start_paused = true)]
async fn swapped_batches_are_caught() {
    let (_, violations) = run(Bug::SwappedBatches).await;
    let swapped = Violation::OutOfOrder(name("a", 0), name("a", 1));
    assert_eq!(violations, [swapped]);
}

#[tokio::test(start_paused = true)]
async fn a_false_refusal_is_caught() {
    let (_, violations) = run(Bug::FalseRefusal).await;
    let stored = |key| Violation::Stored(name(key, 0), UndeliveredReason::Rejected);
    assert_eq!(violations, ["a", "b"].map(stored));
}

#[tokio::test(start_paused = true)]
async fn more_bytes_than_the_bound_are_caught() {
    const BOUND: usize = 8 << 10;
    for (watched, caught) in [(BOUND, false), (BOUND / 2, true)] {
        let hub = MemoryHub::new(1);
        hub.pause();
        let options = BufferedProducerOptions::default().with_max_bytes(nonzero(BOUND));
        let load = Load::open(Arc::new(hub.producer()), options).await;
        let mut load = load.with_padding(100).with_bound(watched);
        assert!(load.fill(&KEYS) > 0);
        hub.resume();
        let (_, violations) = load.conclude(|| stored(&hub)).await;
        let is_it = |it: &Violation| matches!(it, Violation::Overfull { .. });
        assert_eq!(violations.iter().any(is_it), caught, "{violations:?}");
        assert_eq!(violations.len(), usize::from(caught));
    }
}
