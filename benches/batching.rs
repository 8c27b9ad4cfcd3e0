//! What does an event cost on its way into a batch?
//!
//! `BufferedProducer` over the memory transport, from the first `enqueue` (or
//! `send`, whose deliveries are awaited as well) until every event has its
//! outcome, beside three pipelines over a bounded channel of tokio's, until every
//! event is in a batch that was handed on. The unit is one hop over that channel,
//! with `recv_many(1000)` on its other side: the least that batching in a task of
//! its own can cost.
//!
//! - **batching**: events of 100 bytes and of 1 KiB, 1 and 8 sending tasks, 4 and
//!   32 partitions.
//! - **partitions**: 1024 beside 4 of them, with batches of one size; events that
//!   name no partition, and events for each partition in turn.
//!
//! The contestants take turns; the ratios, and the bars for them, are printed last.

mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use support::pipelines::{LINGER, Load, Pipeline};
use support::rounds::{self, Contestant};
use tokio::runtime::{Builder, Runtime};

/// What one contestant moves in one round.
const EVENTS: u64 = 100_000;
/// What one batch of each partition has where many are compared with few.
const BATCH_EVENTS: usize = 64;
const MANY: u32 = 1024;
/// Whole batches of all partitions, so that few partitions and many have batches of one
/// size.
const SPREAD_EVENTS: u64 = 2 * MANY as u64 * BATCH_EVENTS as u64;
static BODY: [u8; 1024] = [0; 1024];

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    let current = Builder::new_current_thread().enable_time().build();
    let multi = Builder::new_multi_thread().enable_time().build();
    let (current, multi) = (current.expect("a runtime"), multi.expect("a runtime"));
    for size in [100, 1024] {
        for (name, runtime, tasks) in [
            ("1 task, current thread", &current, 1),
            ("1 task", &multi, 1),
            ("8 tasks", &multi, 8),
        ] {
            let title = format!("batching: {size} B, {name}");
            let load = load(EVENTS, size, tasks);
            measure(
                &mut criterion,
                runtime,
                &title,
                &load,
                batching(runtime, &load),
            );
        }
    }
    for (name, tasks) in [("1 task", 1), ("8 tasks", 8)] {
        let title = format!("partitions: 100 B, {name}");
        let load = load(SPREAD_EVENTS, 100, tasks);
        measure(
            &mut criterion,
            &multi,
            &title,
            &load,
            partitions(&multi, &load),
        );
    }
    criterion.final_summary();
}

fn load(events: u64, size: usize, tasks: u64) -> Load {
    Load {
        events,
        tasks,
        body: Bytes::from_static(&BODY[..size]),
    }
}

fn producer(
    runtime: &Runtime,
    partitions: u32,
    options: BufferedProducerOptions,
) -> BufferedProducer {
    let hub = MemoryHub::discarding(partitions);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options.with_linger(LINGER));
    runtime.block_on(producer).expect("open")
}

fn batching(runtime: &Runtime, load: &Load) -> Vec<Contestant> {
    let (enqueue, send) = match load.tasks {
        1 => (0.7, 0.9),
        _ => (1.0, 1.3),
    };
    let mut contestants = vec![
        Contestant::new("mpsc, recv_many", Pipeline::hop(load)),
        Contestant::new("mpsc, chunks_timeout", Pipeline::chunks_timeout(load)),
        Contestant::new("mpsc, futures-batch", Pipeline::futures_batch(load)),
    ];
    for partitions in [4, 32] {
        let producer = producer(runtime, partitions, BufferedProducerOptions::default());
        let name = |call| format!("{call}, {partitions} partitions");
        contestants.push(
            Contestant::new(name("enqueue"), Pipeline::enqueue(load, &producer))
                .at_most(enqueue, 0),
        );
        contestants.push(
            Contestant::new(name("send and await"), Pipeline::send(load, &producer))
                .at_most(send, 0),
        );
    }
    contestants
}

/// Room for as many batches as there can be.
fn partitions(runtime: &Runtime, load: &Load) -> Vec<Contestant> {
    let nonzero = |number| NonZeroUsize::new(number).expect("not zero");
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(BATCH_EVENTS))
        .with_max_bytes(nonzero(1 << 30));
    let few = producer(runtime, 4, options.clone());
    let many = producer(runtime, MANY, options);
    let contestants = [
        Contestant::new("4, to any", Pipeline::enqueue(load, &few)),
        Contestant::new("1024, to any", Pipeline::enqueue(load, &many)).at_most(1.2, 0),
        Contestant::new("4, in turn", Pipeline::enqueue_in_turn(load, &few, 4)),
        Contestant::new(
            "1024, in turn",
            Pipeline::enqueue_in_turn(load, &many, MANY),
        )
        .at_most(1.2, 2),
    ];
    // What 1024 partitions hold is not in the caches after a turn of the others.
    contestants.map(Contestant::warmed).into()
}

fn measure(
    criterion: &mut Criterion,
    runtime: &Runtime,
    title: &str,
    load: &Load,
    mut contestants: Vec<Contestant>,
) {
    let mut group = criterion.benchmark_group(title);
    group.throughput(Throughput::Elements(load.events * contestants.len() as u64));
    let mut number = 0;
    group.bench_function("in turn", |bencher| {
        bencher.iter_custom(|times| {
            (0..times)
                .map(|_| {
                    number += 1;
                    rounds::round(runtime, &mut contestants, number)
                })
                .sum()
        });
    });
    group.finish();
    rounds::print(title, &contestants, load.events);
}
