//! What does a rate limit cost, and is the rate reached?
//!
//! - **take**: an uncontended `acquire` on a limit that never binds, beside a
//!   bare `governor` `check_n`, each of one bucket and of two. Its clock is the
//!   system's, as ours is. The bar: at most twice `governor`.
//! - **waiters**: 64 tasks that take as fast as they may for five seconds of real
//!   time, at rates from 1000 events/s to 300 MB/s. Printed is the achieved rate
//!   over the asked one (the bar: within 1%), and the least that a task got over
//!   its equal share (the bar: half). The buckets are empty at the start.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter as Governor};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

type BareGovernor = Governor<
    NotKeyed,
    InMemoryState,
    MonotonicClock,
    NoOpMiddleware<<MonotonicClock as governor::clock::Clock>::Instant>,
>;

/// A rate that no loop reaches, so that no take ever waits.
const FREE: u32 = u32::MAX;
/// Pairs of measured rounds, ours and the baseline's in turn.
const ROUNDS: usize = 41;
const TAKES: u32 = 20_000;
const WAITERS: usize = 64;
const WINDOW: Duration = Duration::from_secs(5);

fn governor() -> BareGovernor {
    let free = NonZeroU32::new(FREE).expect("not zero");
    Governor::direct_with_clock(Quota::per_second(free), MonotonicClock)
}

fn ours(limit: RateLimit) -> RateLimiter {
    RateLimiter::new(limit).expect("a valid limit")
}

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

/// The time of one call, of many.
fn time_of(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..TAKES {
        call();
    }
    start.elapsed().as_secs_f64() / f64::from(TAKES)
}

async fn time_of_takes(limiter: &RateLimiter) -> f64 {
    let start = Instant::now();
    for _ in 0..TAKES {
        let taken = limiter.acquire(black_box(1), black_box(1)).await;
        taken.expect("within the burst");
    }
    start.elapsed().as_secs_f64() / f64::from(TAKES)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints how many of governor's takes one of ours costs: the median of the
/// ratios of rounds that alternate.
fn print_ratios() {
    let runtime = current_thread();
    let one = NonZeroU32::new(1).expect("not zero");
    let (events, bytes) = (governor(), governor());
    let single = ours(RateLimit::events_per_second(FREE.into()));
    let both = ours(RateLimit::events_per_second(FREE.into()).with_bytes_per_second(FREE.into()));
    let mut ratios = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let bare = time_of(|| {
            let _ = black_box(events.check_n(black_box(one)));
        });
        let bare_both = time_of(|| {
            let _ = black_box(events.check_n(black_box(one)));
            let _ = black_box(bytes.check_n(black_box(one)));
        });
        let single = runtime.block_on(time_of_takes(&single));
        let both = runtime.block_on(time_of_takes(&both));
        ratios[0].push(single / bare);
        ratios[1].push(both / bare_both);
        ratios[2].push(both / bare);
    }
    let [single, both, both_to_one] = ratios.map(median);
    println!("take: one bucket costs {single:.2} of a bare governor's");
    println!("take: both buckets cost {both:.2} of two bare governors'");
    println!("take: both buckets cost {both_to_one:.2} of one bare governor's");
}

/// What each of 64 tasks took in batches of this cost, in five seconds.
async fn waiters(limit: RateLimit, events: usize, bytes: usize) -> Vec<u64> {
    let limiter = ours(limit);
    let burst = limiter.batch_limits();
    let drain = |most| if most == usize::MAX { 0 } else { most };
    let drained = limiter
        .acquire(drain(burst.events), drain(burst.bytes))
        .await;
    drained.expect("a full burst");
    let end = Instant::now() + WINDOW;
    let mut tasks = JoinSet::new();
    for _ in 0..WAITERS {
        let limiter = limiter.clone();
        tasks.spawn(async move {
            let mut taken = 0;
            while let Ok(took) = timeout_at(end, limiter.acquire(events, bytes)).await {
                took.expect("within the burst");
                taken += 1;
            }
            taken
        });
    }
    tasks.join_all().await
}

fn print_waiters() {
    let runtime = Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let units = RateLimit::throughput_units;
    for (name, limit, events, bytes, per_second) in [
        ("1000 events/s, one by one", units(1), 1, 100, 1000.0),
        ("20,000 events/s by tens", units(20), 10, 1000, 2000.0),
        (
            "7 MB/s",
            RateLimit::bytes_per_second(7_000_000),
            1,
            10_000,
            700.0,
        ),
        (
            "70 MB/s",
            RateLimit::bytes_per_second(70_000_000),
            1,
            100_000,
            700.0,
        ),
        (
            "300 MB/s",
            RateLimit::bytes_per_second(300_000_000),
            1,
            100_000,
            3000.0,
        ),
    ] {
        let taken = runtime.block_on(waiters(limit, events, bytes));
        let asked = per_second * WINDOW.as_secs_f64();
        let achieved = taken.iter().sum::<u64>() as f64 / asked;
        let least = taken.iter().min().copied().unwrap_or(0) as f64;
        let least = least / (asked / WAITERS as f64);
        println!(
            "waiters: {name}: {achieved:.4} of the rate, the least task {least:.2} of its share"
        );
    }
}

fn take(criterion: &mut Criterion) {
    print_ratios();
    let mut group = criterion.benchmark_group("rate/take");
    let one = NonZeroU32::new(1).expect("not zero");
    let bare = governor();
    group.bench_function("governor", |bencher| {
        bencher.iter(|| bare.check_n(black_box(one)));
    });
    let limits = [
        (
            "RateLimiter/events",
            RateLimit::events_per_second(FREE.into()),
        ),
        (
            "RateLimiter/events and bytes",
            RateLimit::events_per_second(FREE.into()).with_bytes_per_second(FREE.into()),
        ),
    ];
    for (name, limit) in limits {
        let limiter = ours(limit);
        group.bench_function(name, |bencher| {
            let runtime = current_thread();
            bencher
                .to_async(&runtime)
                .iter(|| limiter.acquire(black_box(1), black_box(1)));
        });
    }
    group.finish();
}

fn rate(_: &mut Criterion) {
    print_waiters();
}

criterion_group!(benches, take, rate);
criterion_main!(benches);
