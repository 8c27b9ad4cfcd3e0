//! What does an event cost on its way into a batch?
//!
//! `BufferedProducer` over a transport that accepts at once, beside what one
//! would write by hand: a bounded `tokio::sync::mpsc` whose receiving side makes
//! batches with `chunks_timeout`. Both end when every event is in a batch that
//! was handed on. One sending task on a current-thread runtime.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eventhubs_flow::EventData;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

const EVENTS: u64 = 100_000;
const LINGER: Duration = Duration::from_millis(50);
/// The capacity and the batch size of the hand-written pipeline.
const CHANNEL: usize = 16_384;
const CHUNK: usize = 1000;

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

async fn through_the_buffer(producer: &BufferedProducer, event: &EventData) {
    for _ in 0..EVENTS {
        let accepted = producer.enqueue(event.clone()).await;
        accepted.expect("the memory transport takes every event");
    }
    let report = producer.flush(Duration::MAX).await;
    assert_eq!(report.delivered, EVENTS);
}

async fn through_a_channel(event: &EventData) {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let batches = tokio::spawn(async move {
        let chunks = ReceiverStream::new(receiver).chunks_timeout(CHUNK, LINGER);
        let mut chunks = std::pin::pin!(chunks);
        let mut events = 0;
        while let Some(batch) = StreamExt::next(&mut chunks).await {
            events += black_box(batch).len() as u64;
        }
        events
    });
    for _ in 0..EVENTS {
        let accepted = sender.send(event.clone()).await;
        accepted.expect("the receiving task lives");
    }
    drop(sender);
    assert_eq!(batches.await.expect("joined"), EVENTS);
}

fn batching(criterion: &mut Criterion) {
    for size in [100, 1024] {
        let mut group = criterion.benchmark_group(format!("batching/{size}B"));
        group.throughput(Throughput::Elements(EVENTS));
        group.sample_size(20);
        let event = EventData::new(vec![0; size]);
        group.bench_function("mpsc + chunks_timeout", |bencher| {
            let runtime = runtime();
            bencher
                .to_async(&runtime)
                .iter(|| through_a_channel(&event));
        });
        for partitions in [1, 4] {
            let runtime = runtime();
            let hub = MemoryHub::discarding(partitions);
            let options = BufferedProducerOptions::default().with_linger(LINGER);
            let producer = runtime
                .block_on(BufferedProducer::open(Arc::new(hub.producer()), options))
                .expect("open");
            let id = BenchmarkId::new("BufferedProducer/partitions", partitions);
            group.bench_function(id, |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter(|| through_the_buffer(&producer, &event));
            });
            drop(runtime.block_on(producer.close(Duration::MAX)));
        }
        group.finish();
    }
}

criterion_group!(benches, batching);
criterion_main!(benches);
