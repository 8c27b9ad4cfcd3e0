//! What does an event cost on its way out of a hub?
//!
//! `EpochSafeConsumer` with defaults over the emulator, from its first event to its
//! last, beside the transport's bare receiver with the same credit, at 100 bytes and
//! 1 KiB; and 32 partitions beside one. The contestants take turns; what counts is
//! the median of the ratios of each round. The ratios, and the bars for them, are
//! printed last.

use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::{ReceiverOptions, StartPosition, TransportConsumer};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use futures::StreamExt;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Events in a round.
const EVENTS: u64 = 64_000;
/// The default prefetch.
const CREDIT: NonZeroU32 = NonZeroU32::new(300).expect("not zero");
const MANY: u32 = 32;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Bare,
    Consumer,
}

struct Contestant {
    reader: Reader,
    partitions: u32,
    bytes: usize,
    /// Which one it is compared with, and how many times that rate it is to have at
    /// least.
    bar: Option<(usize, f64)>,
    rounds: Vec<Duration>,
    /// The most credit that was seen.
    credit: u32,
}

impl Contestant {
    fn new(reader: Reader, partitions: u32, bytes: usize, bar: Option<(usize, f64)>) -> Self {
        Self {
            reader,
            partitions,
            bytes,
            bar,
            rounds: Vec::new(),
            credit: 0,
        }
    }

    async fn run(&mut self, hub: &EventHub) -> Duration {
        let time = match self.reader {
            Reader::Bare => bare(hub).await,
            Reader::Consumer => self.consume(hub).await,
        };
        self.rounds.push(time);
        time
    }

    async fn consume(&mut self, hub: &EventHub) -> Duration {
        let options = EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest);
        let mut events = hub.epoch_safe_consumer(options).await.expect("open");
        let handle = events.handle();
        let start = Instant::now();
        for number in 0..EVENTS {
            let event = events.next().await.expect("goes on").expect("an event");
            std::hint::black_box(event);
            if number % 1000 == 0 {
                let seen = handle.snapshot().partitions;
                let most = seen.iter().map(|seen| seen.credit).max();
                self.credit = self.credit.max(most.unwrap_or(0));
            }
        }
        let time = start.elapsed();
        events.close().await.expect("closed");
        time
    }
}

async fn bare(hub: &EventHub) -> Duration {
    let consumer = hub.consumer();
    let options = ReceiverOptions {
        owner_level: Some(0),
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    let mut receiver = consumer.open_receiver(options).await.expect("open");
    let start = Instant::now();
    let mut left = EVENTS;
    while left > 0 {
        let events = receiver.receive(CREDIT).await.expect("events");
        left -= events.len() as u64;
        std::hint::black_box(events);
    }
    let time = start.elapsed();
    receiver.close().await.expect("closed");
    time
}

fn hub_name(partitions: u32, bytes: usize) -> String {
    format!("of-{partitions}-{bytes}")
}

async fn fill(emulator: &Emulator, partitions: u32, bytes: usize) -> EventHub {
    let hub = hub_name(partitions, bytes);
    let hub = EventHub::connect(&emulator.connection_string_for(&hub)).await;
    let hub = hub.expect("connected");
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await.expect("open");
    for number in 0..EVENTS {
        let partition = PartitionId::new((number % u64::from(partitions)) as u32);
        let event = EventData::new(vec![0; bytes]).with_target(partition);
        producer.enqueue(event).await.expect("accepted");
    }
    let report = producer.close(Duration::MAX).await;
    report.into_result().expect("delivered");
    hub
}

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(15));
    let runtime = Runtime::new().expect("a runtime");
    let sizes = [100, 1024];
    let (emulator, hubs) = runtime.block_on(async {
        let mut builder = Emulator::builder().retention_bytes(1 << 30);
        for (partitions, bytes) in sizes.iter().flat_map(|size| [(1, *size), (MANY, *size)]) {
            let hub = HubConfig::new(hub_name(partitions, bytes)).with_partitions(partitions);
            builder = builder.hub(hub);
        }
        let emulator = builder.start().await.expect("an emulator");
        let mut hubs = Vec::new();
        for bytes in sizes {
            hubs.push([
                fill(&emulator, 1, bytes).await,
                fill(&emulator, MANY, bytes).await,
            ]);
        }
        (emulator, hubs)
    });
    for (bytes, [one, many]) in sizes.into_iter().zip(&hubs) {
        let mut contestants = [
            Contestant::new(Reader::Bare, 1, bytes, None),
            Contestant::new(Reader::Consumer, 1, bytes, Some((0, 0.9))),
            // A quarter more for an event is four fifths of the rate.
            Contestant::new(Reader::Consumer, MANY, bytes, Some((1, 0.8))),
        ];
        let mut group = criterion.benchmark_group(format!("consume {bytes} B"));
        group.throughput(Throughput::Elements(contestants.len() as u64 * EVENTS));
        group.bench_function("all in turn", |bencher| {
            bencher.iter_custom(|times| {
                let mut sum = Duration::ZERO;
                for number in 0..times as usize {
                    for index in 0..contestants.len() {
                        let turn = (index + number) % contestants.len();
                        let contestant = &mut contestants[turn];
                        let hub = if contestant.partitions == 1 {
                            one
                        } else {
                            many
                        };
                        sum += runtime.block_on(contestant.run(hub));
                    }
                }
                sum
            });
        });
        group.finish();
        print(&contestants);
    }
    runtime.block_on(emulator.stop());
    criterion.final_summary();
}

fn print(contestants: &[Contestant]) {
    println!(
        "\n{:<10} {:>10} {:>7} {:>9} {:>11} {:>7}  bar",
        "reader", "partitions", "bytes", "events/s", "most credit", "ratio"
    );
    for contestant in contestants {
        let rate = median(contestant.rounds.iter().map(Duration::as_secs_f64));
        let rate = EVENTS as f64 / rate;
        let (base, bar) = contestant.bar.unwrap_or((0, 0.0));
        let rounds = contestant.rounds.iter().zip(&contestants[base].rounds);
        let ratio = median(rounds.map(|(time, base)| base.as_secs_f64() / time.as_secs_f64()));
        let bar = contestant.bar.map_or(String::new(), |_| {
            let verdict = if ratio >= bar { "met" } else { "MISSED" };
            format!(">= {bar:.1} {verdict}")
        });
        let credit = match contestant.reader {
            Reader::Bare => CREDIT.get(),
            Reader::Consumer => contestant.credit,
        };
        let reader = format!("{:?}", contestant.reader);
        let (partitions, bytes) = (contestant.partitions, contestant.bytes);
        println!(
            "{reader:<10} {partitions:>10} {bytes:>7} {rate:>9.0} {credit:>11} {ratio:>7.2}  {bar}"
        );
    }
    println!("prefetch: 300 events of each partition, 8 MiB of all");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
