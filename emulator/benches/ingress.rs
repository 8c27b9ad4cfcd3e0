//! How fast are events taken in?
//!
//! A client that writes frames made beforehand, beside the same bytes written to a bare TCP sink; then appends to a
//! partition that holds nothing and to one that holds a million events. Ratios and bars are printed last.

mod support;

use criterion::{Criterion, Throughput};
use std::time::Duration;
use support::baseline::ToSink;
use support::client::Sender;
use support::encode::Frames;
use support::ratios::{Bar, Ratios};
use support::{Served, TARGET, batches, full_batch, singles};
use tokio::time::Instant;

/// How many events a client sends one by one between two looks at the answers.
const SINGLES: usize = 200;
/// A full log, so that memory is used anew as in a long run.
const RETENTION: u64 = 256 * 1024 * 1024;

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    let ratios = Ratios::default();
    taken_in(&mut criterion, &ratios, 100, Bar::Events(1e6));
    taken_in(&mut criterion, &ratios, 1024, Bar::Bytes(5e8));
    with_events_stored(&ratios);
    ratios.print();
    criterion.final_summary();
}

fn taken_in(criterion: &mut Criterion, ratios: &Ratios, size: usize, bar: Bar) {
    let mut group = criterion.benchmark_group(format!("ingress/{size}B"));
    let names = ["tcp, 1 MiB writes", "1 MiB batches", "single events"];
    let names = names.map(|name| format!("{size} B: {name}"));
    let base = &*names[0];
    let (full, count) = full_batch(size);
    group.throughput(throughput(count, size));
    group.bench_function("tcp, 1 MiB writes", |bencher| {
        let mut sink = ToSink::connect();
        bencher.iter_custom(|times| {
            let time = timed(|| sink.send(&full.bytes, times));
            ratios.add((base, base), None, amount(times * count, size), time);
            time
        });
    });
    let (single, few) = singles(size, SINGLES);
    for (name, row, frames, count, bar) in [
        ("1 MiB batches", &*names[1], full.clone(), count, Some(bar)),
        ("single events", &*names[2], single, few, None),
    ] {
        group.throughput(throughput(count, size));
        group.bench_function(name, |bencher| {
            let served = Served::start(RETENTION);
            let mut sender = Sender::attach(served.address(), TARGET, frames.clone());
            sender.send(fill(RETENTION, &frames));
            bencher.iter_custom(|times| {
                let time = timed(|| sender.send(times));
                ratios.add((row, base), bar, amount(times * count, size), time);
                time
            });
        });
    }
}

/// Appends to partitions that only grow, so that memory is as fresh to both: without criterion, whose rounds have no
/// end that memory could hold.
fn with_events_stored(ratios: &Ratios) {
    const SIZE: usize = 100;
    const ROUNDS: usize = 20;
    const TIMES: u64 = 40;
    let base = "100 B x 100: onto none stored";
    let (frames, count) = batches(SIZE, 100, 50);
    for _ in 0..ROUNDS {
        for (row, stored) in [(base, 0), ("100 B x 100: onto a million stored", 1_000_000)] {
            let served = Served::start(1 << 30);
            let mut sender = Sender::attach(served.address(), TARGET, frames.clone());
            sender.send(stored / count);
            let time = timed(|| sender.send(TIMES));
            ratios.add((row, base), None, amount(TIMES * count, SIZE), time);
        }
    }
}

/// How often to send `frames` until `bytes` are stored.
fn fill(bytes: u64, frames: &Frames) -> u64 {
    bytes / frames.bytes.len() as u64 + 1
}

fn throughput(events: u64, size: usize) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: events,
        bytes: events * size as u64,
    }
}

fn amount(events: u64, size: usize) -> (u64, u64) {
    (events, events * size as u64)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
