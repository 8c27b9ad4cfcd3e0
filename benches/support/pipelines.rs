//! Ways to bring events from tasks together into batches.

use std::hint::black_box;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use eventhubs_flow::producer::buffered::BufferedProducer;
use eventhubs_flow::{EventData, PartitionId};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;

/// The bound of the channels: that of one partition of a buffer.
const CHANNEL: usize = 16_384;
/// How many events the pipelines over a channel take at once.
const CHUNK: usize = 1000;
pub const LINGER: Duration = Duration::from_millis(50);

/// How so many events of a kind come, from so many tasks.
#[derive(Clone)]
pub struct Load {
    pub events: u64,
    pub tasks: u64,
    /// In static memory, so that neither side waits for the allocator.
    pub body: Bytes,
}

pub struct Pipeline {
    load: Load,
    through: Through,
}

enum Through {
    Channel(fn(mpsc::Receiver<EventData>) -> JoinHandle<u64>),
    Enqueue(BufferedProducer),
    /// To so many partitions in turn.
    EnqueueInTurn(BufferedProducer, u64),
    /// Every delivery is awaited, too.
    Send(BufferedProducer),
}

impl Pipeline {
    /// A channel, and `recv_many` on its other side.
    pub fn hop(load: &Load) -> Self {
        Self::new(load, Through::Channel(recv_many))
    }

    /// A channel and the `chunks_timeout` of `tokio-stream`.
    pub fn chunks_timeout(load: &Load) -> Self {
        let collect = |receiver| {
            let events = ReceiverStream::new(receiver);
            tokio::spawn(count(tokio_stream::StreamExt::chunks_timeout(
                events, CHUNK, LINGER,
            )))
        };
        Self::new(load, Through::Channel(collect))
    }

    /// A channel and the `chunks_timeout` of `futures-batch`.
    pub fn futures_batch(load: &Load) -> Self {
        let collect = |receiver| {
            let events = ReceiverStream::new(receiver);
            tokio::spawn(count(
                futures_batch::ChunksTimeoutStreamExt::chunks_timeout(events, CHUNK, LINGER),
            ))
        };
        Self::new(load, Through::Channel(collect))
    }

    pub fn enqueue(load: &Load, producer: &BufferedProducer) -> Self {
        Self::new(load, Through::Enqueue(producer.clone()))
    }

    pub fn enqueue_in_turn(load: &Load, producer: &BufferedProducer, partitions: u32) -> Self {
        let through = Through::EnqueueInTurn(producer.clone(), partitions.into());
        Self::new(load, through)
    }

    pub fn send(load: &Load, producer: &BufferedProducer) -> Self {
        Self::new(load, Through::Send(producer.clone()))
    }

    fn new(load: &Load, through: Through) -> Self {
        let load = load.clone();
        Self { load, through }
    }

    /// Moves the events, to the last one.
    ///
    /// # Panics
    ///
    /// Panics if one is lost.
    pub async fn run(&self) {
        let share = self.load.events / self.load.tasks;
        let event = || EventData::new(self.load.body.clone());
        let moved = match &self.through {
            Through::Channel(collect) => {
                let (sender, receiver) = mpsc::channel(CHANNEL);
                let moved = collect(receiver);
                self.by_tasks(|| into_channel(sender.clone(), event(), share))
                    .await;
                drop(sender);
                moved.await.expect("joined")
            }
            Through::Enqueue(producer) => {
                self.by_tasks(|| enqueue(producer.clone(), event(), share))
                    .await;
                producer.flush(Duration::MAX).await.delivered
            }
            Through::EnqueueInTurn(producer, partitions) => {
                self.by_tasks(|| enqueue_in_turn(producer.clone(), *partitions, event(), share))
                    .await;
                producer.flush(Duration::MAX).await.delivered
            }
            Through::Send(producer) => {
                self.by_tasks(|| send(producer.clone(), event(), share))
                    .await
            }
        };
        assert_eq!(moved, self.load.events);
    }

    /// Does some work in each of the tasks; returns the sum of what they return.
    async fn by_tasks<W>(&self, work: impl Fn() -> W) -> u64
    where
        W: Future<Output = u64> + Send + 'static,
    {
        let tasks: JoinSet<_> = (0..self.load.tasks).map(|_| work()).collect();
        tasks.join_all().await.into_iter().sum()
    }
}

async fn into_channel(sender: mpsc::Sender<EventData>, event: EventData, share: u64) -> u64 {
    for _ in 0..share {
        let accepted = sender.send(event.clone()).await;
        accepted.expect("the receiving task lives");
    }
    share
}

fn recv_many(mut receiver: mpsc::Receiver<EventData>) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(CHUNK);
        let mut events = 0;
        while receiver.recv_many(&mut batch, CHUNK).await > 0 {
            events += black_box(&mut batch).drain(..).len() as u64;
        }
        events
    })
}

async fn count(batches: impl Stream<Item = Vec<EventData>>) -> u64 {
    let mut batches = pin!(batches);
    let mut events = 0;
    while let Some(batch) = batches.next().await {
        events += black_box(batch).len() as u64;
    }
    events
}

async fn enqueue(producer: BufferedProducer, event: EventData, share: u64) -> u64 {
    for _ in 0..share {
        producer.enqueue(event.clone()).await.expect("accepted");
    }
    share
}

async fn enqueue_in_turn(
    producer: BufferedProducer,
    partitions: u64,
    event: EventData,
    share: u64,
) -> u64 {
    for number in 0..share {
        let partition = PartitionId::new((number % partitions) as u32);
        let event = event.clone().with_target(partition);
        producer.enqueue(event).await.expect("accepted");
    }
    share
}

async fn send(producer: BufferedProducer, event: EventData, share: u64) -> u64 {
    let mut deliveries = Vec::with_capacity(share as usize);
    for _ in 0..share {
        deliveries.push(producer.send(event.clone()).await.expect("accepted"));
    }
    let delivered = producer.flush(Duration::MAX).await.delivered;
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
    delivered
}
