//! What do batches that overlap on one link gain?
//!
//! `BufferedProducer` over the emulator, whose acknowledgements take 20 ms: one
//! partition, batches of 64 KiB, with 1, 4 and 16 of them on their way at once,
//! in turn. The ratios to one at a time, and the bars for them, are printed last.

use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use tokio::runtime::Runtime;
use tokio::time::Instant;

const HUB: &str = "eh1";
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(20);
const BATCH_BYTES: usize = 64 * 1024;
const EVENT_BYTES: usize = 1024;
/// Batches that one after the other take part in a measurement.
const ROUNDS: usize = 16;

/// One way to send, and what it took so far.
struct Row {
    in_flight: usize,
    producer: BufferedProducer,
    bar: Option<f64>,
    events: u64,
    time: Duration,
}

impl Row {
    async fn open(hub: &EventHub, in_flight: usize, bar: Option<f64>) -> Self {
        let nonzero = |number| NonZeroUsize::new(number).expect("not zero");
        let options = BufferedProducerOptions::default()
            .with_max_batch_bytes(nonzero(BATCH_BYTES))
            .with_max_in_flight_per_partition(nonzero(in_flight));
        let producer = hub.buffered_producer(options).await.expect("open");
        Self {
            in_flight,
            producer,
            bar,
            events: 0,
            time: Duration::ZERO,
        }
    }

    async fn measure(&mut self, event: &EventData) -> Duration {
        let per_batch = (BATCH_BYTES / event.encoded_size()) as u64;
        let events = per_batch * (ROUNDS * self.in_flight) as u64;
        let start = Instant::now();
        for _ in 0..events {
            let accepted = self.producer.enqueue(event.clone()).await;
            accepted.expect("the emulator takes every event");
        }
        let report = self.producer.flush(Duration::MAX).await;
        let time = start.elapsed();
        assert_eq!(report.delivered, events);
        self.events += events;
        self.time += time;
        time
    }

    fn rate(&self) -> f64 {
        self.events as f64 / self.time.as_secs_f64()
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(10));
    let runtime = Runtime::new().expect("a runtime");
    let event = EventData::new(vec![0; EVENT_BYTES]).with_target(PartitionId::new(0));
    let (emulator, mut rows) = runtime.block_on(async {
        let builder = Emulator::builder()
            .hub(HubConfig::new(HUB).with_partitions(1))
            .retention_bytes(64 << 20)
            .acknowledgement_delay(ACKNOWLEDGEMENT_DELAY);
        let emulator = builder.start().await.expect("an emulator");
        let mut rows = Vec::new();
        for (in_flight, bar) in [(1, None), (4, Some(3.2)), (16, Some(10.0))] {
            // A connection of its own each.
            let hub = EventHub::connect(&emulator.connection_string_for(HUB)).await;
            rows.push(Row::open(&hub.expect("connected"), in_flight, bar).await);
        }
        (emulator, rows)
    });

    let mut group = criterion.benchmark_group("in_flight");
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("1, 4 and 16 in turn", |bencher| {
        bencher.iter_custom(|times| {
            let mut sum = Duration::ZERO;
            for _ in 0..times {
                for row in &mut rows {
                    sum += runtime.block_on(row.measure(&event));
                }
            }
            sum
        });
    });
    group.finish();

    print(&rows);
    runtime.block_on(async {
        for row in rows {
            drop(row.producer.close(Duration::MAX).await);
        }
        emulator.stop().await;
    });
    criterion.final_summary();
}

fn print(rows: &[Row]) {
    let base = rows[0].rate();
    println!(
        "\n{:<12} {:>12} {:>8}  bar",
        "in flight", "events/s", "ratio"
    );
    for row in rows {
        let bar = row.bar.map_or(String::new(), |bar| format!(">= {bar}"));
        let rate = row.rate();
        let ratio = rate / base;
        println!("{:<12} {rate:>12.0} {ratio:>8.2}  {bar}", row.in_flight);
    }
}
