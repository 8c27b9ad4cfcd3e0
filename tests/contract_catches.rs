//! Every transport with a bug breaks the contract, at the check that is about it.
#![cfg(feature = "contract")]

mod contract_support;

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use contract_support::Memory;
use eventhubs_flow::transport::contract::{self, Guard, Harness, Outcome};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, StartPosition, TransportConsumer,
    TransportManagement, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, EventData, PartitionId, ReceivedEvent,
    SendBatchError, Target,
};
use futures::FutureExt as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    OkBeforeTheOutcome,
    OkWithoutLooking,
    RetriesByItself,
    FateToldAsKnown,
    BatchNotHandedBack,
    OddBatchesOvertaken,
    BatchesTornApart,
    KeysDropped,
    LimitsTooWide,
    ProducerNeverCloses,
    ConsumerNeverCloses,
    CreditIgnored,
    EventsFetchedUnasked,
    EventsLostWhenDropped,
    PositionIgnored,
    OffByOne,
    StealsBack,
    LevelsIgnored,
    ReceiversLeaked,
    EndUnnoticed,
    EndAskedForWithEvents,
}

#[derive(Debug)]
struct Buggy {
    inner: Memory,
    bug: Bug,
}

#[async_trait]
impl Harness for Buggy {
    async fn producer(&self) -> Box<dyn TransportProducer> {
        let (inner, bug) = (self.inner.producer().await, self.bug);
        Box::new(BuggyPort { inner, bug })
    }

    async fn consumer(&self) -> Box<dyn TransportConsumer> {
        let (inner, bug) = (self.inner.consumer().await.into(), self.bug);
        Box::new(BuggyPort { inner, bug })
    }

    async fn stored(&self) -> Vec<ReceivedEvent> {
        self.inner.stored().await
    }

    fn delivered(&self) -> Option<u64> {
        self.inner.delivered()
    }

    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        self.inner.provoke(outcome)
    }
}

#[derive(Debug)]
struct BuggyPort<P> {
    inner: P,
    bug: Bug,
}

#[async_trait]
impl<P: TransportManagement> TransportManagement for BuggyPort<P> {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(partition).await
    }
}

fn batch(target: Target, events: impl IntoIterator<Item = EventData>) -> EventBatch {
    let mut batch = EventBatch::new(target, BatchLimits::STANDARD);
    for event in events {
        batch.try_add(event).expect("fits");
    }
    batch
}

#[async_trait]
impl TransportProducer for BuggyPort<Box<dyn TransportProducer>> {
    async fn send_batch(&self, sent: EventBatch) -> Result<(), SendBatchError> {
        let again = sent.clone();
        match self.bug {
            Bug::OkBeforeTheOutcome => {
                let _ = self.inner.send_batch(sent).now_or_never();
                return Ok(());
            }
            Bug::OkWithoutLooking => {
                let _ = self.inner.send_batch(sent).await;
                return Ok(());
            }
            Bug::RetriesByItself => {
                let first = self.inner.send_batch(sent).await;
                if first.is_ok() {
                    return first;
                }
            }
            Bug::OddBatchesOvertaken => {
                let odd = |event: &EventData| event.body().last().is_some_and(|last| last % 2 == 1);
                if sent.events().iter().any(odd) {
                    tokio::task::yield_now().await;
                }
            }
            Bug::BatchesTornApart => {
                for event in sent.events() {
                    let one = batch(sent.target().clone(), [event.clone()]);
                    self.inner.send_batch(one).await?;
                    tokio::task::yield_now().await;
                }
                return Ok(());
            }
            Bug::KeysDropped => {
                if let Target::Key(key) = sent.target() {
                    let target = key.partition(contract::PARTITIONS).into();
                    let events = sent.events().iter();
                    let keyless = events.map(|event| event.clone().with_target(Target::Any));
                    return self.inner.send_batch(batch(target, keyless)).await;
                }
            }
            _ => {}
        }
        let outcome = self.inner.send_batch(again).await;
        outcome.map_err(|refused| match self.bug {
            Bug::FateToldAsKnown => {
                let error = Error::new(refused.error.kind().clone(), "known");
                SendBatchError::new(refused.batch, error)
            }
            Bug::BatchNotHandedBack => SendBatchError::new(batch(Target::Any, []), refused.error),
            _ => refused,
        })
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        let mut limits = self.inner.limits(target);
        limits.bytes += usize::from(self.bug == Bug::LimitsTooWide);
        limits
    }

    async fn close(&self) -> Result<(), Error> {
        match self.bug {
            Bug::ProducerNeverCloses => Ok(()),
            _ => self.inner.close().await,
        }
    }
}

type Consumer = std::sync::Arc<dyn TransportConsumer>;

#[async_trait]
impl TransportConsumer for BuggyPort<Consumer> {
    async fn open_receiver(
        &self,
        mut options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        match self.bug {
            Bug::PositionIgnored => options.position = StartPosition::Earliest,
            Bug::LevelsIgnored => options.owner_level = None,
            Bug::OffByOne => {
                if let StartPosition::Offset { inclusive, .. } = &mut options.position {
                    *inclusive = true;
                }
            }
            _ => {}
        }
        let inner = self.inner.open_receiver(options.clone()).await?;
        let mut receiver = BuggyReceiver {
            inner: Some(inner),
            consumer: std::sync::Arc::clone(&self.inner),
            options,
            fetched: Vec::new(),
            bug: self.bug,
        };
        if self.bug == Bug::EventsFetchedUnasked {
            receiver.fetch();
        }
        Ok(Box::new(receiver))
    }

    async fn close(&self) -> Result<(), Error> {
        match self.bug {
            Bug::ConsumerNeverCloses => Ok(()),
            _ => self.inner.close().await,
        }
    }
}

#[derive(Debug)]
struct BuggyReceiver {
    inner: Option<Box<dyn TransportReceiver>>,
    consumer: Consumer,
    options: ReceiverOptions,
    fetched: Vec<ReceivedEvent>,
    bug: Bug,
}

const MANY: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

impl BuggyReceiver {
    fn inner(&mut self) -> &mut Box<dyn TransportReceiver> {
        self.inner.as_mut().expect("open")
    }

    fn fetch(&mut self) {
        if let Some(Ok(events)) = self.inner().receive(MANY).now_or_never() {
            self.fetched = events;
        }
    }
}

#[async_trait]
impl TransportReceiver for BuggyReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        if !self.fetched.is_empty() {
            let most = self.fetched.len().min(credit.get() as usize);
            return Ok(self.fetched.drain(..most).collect());
        }
        match self.bug {
            Bug::CreditIgnored => self.inner().receive(MANY).await,
            Bug::EventsLostWhenDropped => {
                let events = self.inner().receive(credit).await?;
                tokio::task::yield_now().await;
                Ok(events)
            }
            Bug::StealsBack => match self.inner().receive(credit).await {
                Err(error) if matches!(error.kind(), ErrorKind::OwnershipLost(_)) => {
                    let options = self.options.clone();
                    self.inner = Some(self.consumer.open_receiver(options).await?);
                    self.inner().receive(credit).await
                }
                received => received,
            },
            _ => self.inner().receive(credit).await,
        }
    }

    async fn ended(&mut self) -> Error {
        match self.bug {
            Bug::EndUnnoticed => std::future::pending().await,
            Bug::EndAskedForWithEvents => loop {
                if let Err(error) = self.inner().receive(MANY).await {
                    return error;
                }
            },
            _ => self.inner().ended().await,
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        let inner = self.inner.take().expect("open");
        if self.bug == Bug::ReceiversLeaked {
            std::mem::forget(inner);
            return Ok(());
        }
        inner.close().await
    }
}

/// What the contract says of a transport with a bug.
async fn said_of(bug: Bug) -> String {
    let fresh = async || Buggy {
        inner: Memory::new(),
        bug,
    };
    let running = AssertUnwindSafe(contract::run(fresh)).catch_unwind();
    match running.await {
        Ok(report) => panic!("{bug:?} passes: {report}"),
        Err(panic) => *panic.downcast::<String>().expect("a text"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_bug_is_caught_by_the_checks_that_are_about_it() {
    let table: [(Bug, &[&str]); 21] = [
        (
            Bug::OkBeforeTheOutcome,
            &["outcomes::rejected", "closing::stalled_senders"],
        ),
        (
            Bug::OkWithoutLooking,
            &[
                "outcomes::throttled",
                "outcomes::rejected",
                "outcomes::released",
                "outcomes::modified",
                "outcomes::lost_before_storing",
                "sending::batches_above_the_limit",
                "sending::unknown_partitions",
            ],
        ),
        (Bug::RetriesByItself, &["outcomes::throttled"]),
        (Bug::FateToldAsKnown, &["outcomes::released"]),
        (Bug::BatchNotHandedBack, &["outcomes::throttled"]),
        (Bug::OddBatchesOvertaken, &["sending::order"]),
        (Bug::BatchesTornApart, &["cancelling::sends"]),
        (Bug::KeysDropped, &["sending::keys", "receiving::contents"]),
        (Bug::LimitsTooWide, &["sending::batches_at_the_limit"]),
        (
            Bug::ProducerNeverCloses,
            &["closing::producers", "cancelling::closing_producers"],
        ),
        (
            Bug::ConsumerNeverCloses,
            &["closing::consumers", "closing::waiting_receivers"],
        ),
        (Bug::CreditIgnored, &["receiving::credit"]),
        (
            Bug::EventsFetchedUnasked,
            &["receiving::credit_without_a_call"],
        ),
        (Bug::EventsLostWhenDropped, &["cancelling::receives"]),
        (Bug::PositionIgnored, &["receiving::positions"]),
        (Bug::OffByOne, &["receiving::positions"]),
        (Bug::StealsBack, &["owners::displaced_by_an_equal_level"]),
        (
            Bug::LevelsIgnored,
            &[
                "owners::refused_below_the_holder",
                "owners::displaced_by_a_higher_level",
                "owners::displaced_without_a_level",
            ],
        ),
        (
            Bug::ReceiversLeaked,
            &["owners::five_without_a_level", "closing::receivers"],
        ),
        (
            Bug::EndUnnoticed,
            &[
                "owners::displaced_without_room",
                "receiving::lost_connections",
                "closing::waiting_receivers",
            ],
        ),
        (
            Bug::EndAskedForWithEvents,
            &["receiving::waiting_for_the_end"],
        ),
    ];
    for (bug, checks) in table {
        let said = said_of(bug).await;
        for check in checks {
            let named = said
                .lines()
                .any(|line| line.starts_with(&format!("{check}: ")));
            assert!(named, "{check} does not catch {bug:?}:\n{said}");
        }
    }
}
