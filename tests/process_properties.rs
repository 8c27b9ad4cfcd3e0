//! What holds for handlers that run beside each other, whatever happens.

#[path = "support/gated.rs"]
mod gated;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::{ProcessConcurrently, ProcessError};
use eventhubs_flow::{ErrorKind, ReceivedEvent};
use futures::{FutureExt, StreamExt};
use gated::{End, Gated};
use proptest::prelude::*;
use proptest::sample::Index;
use scripted::{Place, Script, Scripted, place};
use support::nonzero;

const KEYS: [Option<&str>; 4] = [None, Some("a"), Some("b"), None];

#[derive(Debug, Clone)]
enum Step {
    Event {
        partition: u32,
        key: usize,
    },
    /// Ends one of the handlers that run.
    End(Index, End),
    /// The stream tells of it in its turn; acknowledgements are refused at once.
    Lose(u32),
    /// Only a refused acknowledgement tells of it.
    Fence(u32),
    EndOtherwise(u32),
    /// Polls `next` once and drops it.
    Poll,
    /// Lets the tasks run.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![4 => Just(End::Succeed), 1 => Just(End::Fail), 1 => Just(End::Panic)];
    prop_oneof![
        12 => (0u32..3, 0..KEYS.len()).prop_map(|(partition, key)| Step::Event { partition, key }),
        8 => (any::<Index>(), end).prop_map(|(which, end)| Step::End(which, end)),
        1 => (0u32..3).prop_map(Step::Lose),
        1 => (0u32..3).prop_map(Step::Fence),
        1 => (0u32..3).prop_map(Step::EndOtherwise),
        12 => Just(Step::Poll),
        8 => Just(Step::Settle),
    ]
}

/// What is known from outside.
struct Run {
    limit: usize,
    script: Script,
    gated: Gated,
    outcomes: ProcessConcurrently<Scripted>,
    /// Partitions of which nothing more is yielded.
    over: BTreeSet<u32>,
    keys: BTreeMap<Place, Option<&'static str>>,
    told: BTreeMap<Class, Vec<Place>>,
    asked: BTreeMap<Class, Vec<Place>>,
    broken: Arc<Mutex<Vec<String>>>,
}

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Succeeded,
    Failed,
    Panicked,
}

impl Run {
    fn new(limit: usize) -> Self {
        let (script, events) = Script::new();
        let gated = Gated::default();
        let broken = Arc::new(Mutex::new(Vec::new()));
        let handler = checked(&gated, &script, &broken);
        Self {
            limit,
            outcomes: events.process_concurrently(nonzero(limit), handler),
            script,
            gated,
            over: BTreeSet::new(),
            keys: BTreeMap::new(),
            told: BTreeMap::new(),
            asked: BTreeMap::new(),
            broken,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Event { partition, key } => {
                if !self.over.contains(&partition) {
                    let place = self.script.event(partition, KEYS[key]);
                    self.keys.insert(place, KEYS[key]);
                }
            }
            Step::End(which, end) => {
                let running = self.gated.running();
                if !running.is_empty() {
                    self.end(running[which.index(running.len())], end);
                }
            }
            Step::Lose(partition) => {
                if self.over.insert(partition) {
                    self.script.lose(partition);
                }
            }
            Step::EndOtherwise(partition) => {
                if self.over.insert(partition) {
                    self.script.end(partition, ErrorKind::Disconnected);
                }
            }
            Step::Fence(partition) => self.script.fence(partition),
            Step::Poll => {
                self.poll();
            }
            Step::Settle => settle().await,
        }
        self.check();
    }

    fn end(&mut self, place: Place, end: End) {
        let class = match end {
            End::Succeed => Class::Succeeded,
            End::Fail => Class::Failed,
            End::Panic => Class::Panicked,
        };
        self.asked.entry(class).or_default().push(place);
        self.gated.end(place, end);
    }

    /// Polls once; tells whether the stream has ended.
    fn poll(&mut self) -> bool {
        let Some(outcome) = self.outcomes.next().now_or_never() else {
            return false;
        };
        let (class, event) = match &outcome {
            None => return true,
            Some(Ok(event)) => (Class::Succeeded, event),
            Some(Err(error)) => match error {
                ProcessError::Failed { event, .. } => (Class::Failed, event),
                ProcessError::Panicked { event, .. } => (Class::Panicked, event),
                ProcessError::Fenced { event, .. } => (Class::Succeeded, event),
                ProcessError::PartitionEnded(_) => return false,
                other => panic!("{other:?}"),
            },
        };
        self.told.entry(class).or_default().push(place(event));
        false
    }

    fn check(&self) {
        let snapshot = self.outcomes.snapshot();
        assert!(self.gated.running().len() <= self.limit);
        assert!(snapshot.running <= self.limit);
        let told: usize = self.told.values().map(Vec::len).sum();
        let lost = usize::try_from(snapshot.lost).expect("few");
        let held = self.script.yielded().len() - told - lost;
        assert!(held <= 2 * self.limit, "{held} held");
        let broken = self.broken.lock().unwrap();
        assert!(broken.is_empty(), "{broken:?}");
    }

    async fn finish(mut self) {
        self.script.finish();
        loop {
            settle().await;
            let running = self.gated.running();
            let has_ended = self.poll();
            self.check();
            if has_ended {
                assert!(running.is_empty(), "the end comes last");
                break;
            }
            for place in running {
                self.end(place, End::Succeed);
            }
        }
        // Each event came out once, as its handler ended; the others were lost.
        for (class, asked) in &mut self.asked {
            let mut told = self.told.remove(class).unwrap_or_default();
            asked.sort_unstable();
            told.sort_unstable();
            assert_eq!(told, *asked, "{class:?}");
        }
        assert!(self.told.is_empty(), "{:?}", self.told);
        let mut started = self.gated.started();
        let lost = self.script.yielded().len() - started.len();
        assert_eq!(self.outcomes.snapshot().lost, lost as u64);
        // All successes were acknowledged, once, and nothing else.
        let mut acks = self.script.acks();
        acks.sort_unstable();
        assert_eq!(
            acks,
            self.asked.remove(&Class::Succeeded).unwrap_or_default()
        );
        // Once each, and in the order of each key.
        let mut last = BTreeMap::new();
        for (partition, number) in &started {
            if let Some(key) = self.keys[&(*partition, *number)] {
                let before = last.insert((*partition, key), *number);
                assert!(before.is_none_or(|before| before < *number));
            }
        }
        let all = started.len();
        started.sort_unstable();
        started.dedup();
        assert_eq!(started.len(), all);
        let report = self.outcomes.close().await;
        report.into_result().expect("all was taken before");
    }
}

/// The handler, which looks around when it is started.
fn checked(
    gated: &Gated,
    script: &Script,
    broken: &Arc<Mutex<Vec<String>>>,
) -> impl Fn(Arc<ReceivedEvent>) -> futures::future::BoxFuture<'static, Result<(), String>>
+ Send
+ Sync
+ 'static {
    let (handler, gated) = (gated.handler(), gated.clone());
    let (script, broken) = (script.clone(), Arc::clone(broken));
    move |event| {
        let (partition, number) = place(&event);
        let complain = |what: &str| {
            let what = format!("{what}: {number} of partition {partition}");
            broken.lock().unwrap().push(what);
        };
        if script.has_told_loss(partition) {
            complain("started after a theft");
        }
        let key = event.partition_key().map(|key| key.as_str().to_owned());
        if key.is_some_and(|key| gated.running_keys().contains(&(partition, key))) {
            complain("started beside another of its key");
        }
        handler(event)
    }
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_are_handled_once_in_the_order_of_their_keys_and_within_the_bounds(
        limit in 1usize..5,
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(async {
                let mut run = Run::new(limit);
                for step in steps {
                    run.step(step).await;
                }
                // Far more than it takes to settle once for each event.
                let time = Duration::from_secs(3);
                let finish = tokio::time::timeout(time, run.finish());
                finish.await.expect("it ends");
            });
    }
}
