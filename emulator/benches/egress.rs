//! How fast are events delivered to one receiver?
//!
//! A client that walks from frame to frame, beside the same bytes read from a bare TCP source. Ratios and bars are
//! printed last.

mod support;

use criterion::{Criterion, Throughput};
use std::time::Duration;
use support::baseline::FromSource;
use support::client::{Receiver, Sender};
use support::ratios::{Bar, Ratios};
use support::{SOURCE, Served, TARGET, full_batch};
use tokio::time::Instant;

/// How many bytes of events are read in one go.
const PASS: u64 = 64 * 1024 * 1024;

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    let ratios = Ratios::default();
    delivered(&mut criterion, &ratios, 100, Bar::Events(4e5));
    delivered(&mut criterion, &ratios, 1024, Bar::Bytes(3e8));
    ratios.print();
    criterion.final_summary();
}

fn delivered(criterion: &mut Criterion, ratios: &Ratios, size: usize, bar: Bar) {
    let (frames, count) = full_batch(size);
    let batches = PASS / frames.bytes.len() as u64;
    let events = batches * count;
    let served = Served::start(1 << 30);
    Sender::attach(served.address(), TARGET, frames).send(batches);
    let wire_bytes = Receiver::attach(served.address(), SOURCE).receive(events);

    let mut group = criterion.benchmark_group(format!("egress/{size}B"));
    group.throughput(Throughput::ElementsAndBytes {
        elements: events,
        bytes: events * size as u64,
    });
    let base = format!("{size} B: tcp");
    let row = format!("{size} B: one receiver");
    let amount = |times: u64| (times * events, times * events * size as u64);
    group.bench_function("tcp", |bencher| {
        let mut source = FromSource::connect();
        bencher.iter_custom(|times| {
            let time = timed(|| source.receive(times * wire_bytes));
            ratios.add((&base, &base), None, amount(times), time);
            time
        });
    });
    group.bench_function("one receiver", |bencher| {
        bencher.iter_custom(|times| {
            let time = timed(|| {
                for _ in 0..times {
                    Receiver::attach(served.address(), SOURCE).receive(events);
                }
            });
            ratios.add((&row, &base), Some(bar), amount(times), time);
            time
        });
    });
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
