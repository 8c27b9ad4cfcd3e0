//! Writers whose requests arrive in any order, some after their writer is gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use fastrand::Rng;

use super::super::blobs::{Blobs, Metadata};
use super::super::line::Line;
use super::super::{format, generation};
use super::*;
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::error::ErrorKind;
use crate::partition::PartitionId;

/// Orders of arrival that are tried of each case.
const ORDERS: u64 = 1000;

fn place() -> Place {
    let scope = ConsumerScope::new("ns", "eh1", "$default");
    Place::new(&scope, PartitionId::new(0))
}

fn at(sequence_number: i64) -> Checkpoint {
    let offset = Some(sequence_number.to_string());
    Checkpoint {
        sequence_number,
        offset,
    }
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Which request arrives next.
#[derive(Clone, Copy)]
enum Order {
    Any,
    /// Mostly the newest: one task gets far while the others wait.
    Newest,
    /// Mostly the oldest.
    Oldest,
}

fn next(rng: &mut Rng, order: Order, sent: usize) -> usize {
    match order {
        Order::Newest if rng.u8(..8) > 0 => sent - 1,
        Order::Oldest if rng.u8(..8) > 0 => 0,
        _ => rng.usize(..sent),
    }
}

/// Runs tasks, their requests arriving in an order by chance. A task that is listed
/// with a number is dropped after so many arrivals, its last request on its way.
async fn run(line: &Line, rng: &mut Rng, tasks: Vec<(Task<'_>, Option<u32>)>) {
    let mut tasks: Vec<_> = tasks
        .into_iter()
        .map(|(task, arrivals)| (Some(task), arrivals))
        .collect();
    let order = [Order::Any, Order::Newest, Order::Oldest][rng.usize(..3)];
    let mut arrivals = 0;
    loop {
        let mut is_running = false;
        for (task, dropped_after) in &mut tasks {
            let Some(running) = task else { continue };
            let is_over = futures::poll!(running).is_ready();
            if is_over || dropped_after.is_some_and(|after| arrivals >= after) {
                *task = None;
            } else {
                is_running = true;
            }
        }
        if !is_running {
            return;
        }
        match line.sent() {
            // They all stay away for a while.
            0 => tokio::time::advance(Duration::from_millis(100)).await,
            sent => {
                line.arrive(next(rng, order, sent));
                arrivals += 1;
                assert!(arrivals < 10_000, "it never ends");
            }
        }
    }
}

/// Lets everything arrive that is still on its way.
fn settle(line: &Line, rng: &mut Rng) {
    while line.sent() > 0 {
        line.arrive(rng.usize(..line.sent()));
    }
}

async fn alone<T: Send>(line: &Line, rng: &mut Rng, work: impl Future<Output = T> + Send) -> T {
    let mut done = None;
    let task: Task<'_> = Box::pin(async { done = Some(work.await) });
    run(line, rng, vec![(task, None)]).await;
    done.expect("it has run")
}

async fn try_store(line: &Line, generation: u64, number: i64) -> Result<(), Error> {
    let asked = Change::Store(generation, at(number));
    change(line, &place(), &asked).await.map(drop)
}

async fn fence(line: &Line, generation: u64) -> Option<i64> {
    let left = change(line, &place(), &Change::Fence(generation)).await;
    left.expect("none later").map(|left| left.sequence_number)
}

async fn reset(line: &Line, generation: u64, to: Option<i64>) {
    let asked = Change::Reset(generation, to.map(at));
    change(line, &place(), &asked).await.expect("none later");
}

async fn now(line: &Line, rng: &mut Rng) -> Option<i64> {
    let read = alone(line, rng, read(line, &place())).await;
    read.expect("nothing is wrong with it")
        .map(|read| read.sequence_number)
}

fn name() -> String {
    let Place { scope, partition } = place();
    Kind::Checkpoint.blob(&scope, partition).unwrap()
}

fn theirs(line: &Line, number: i64) {
    let mut metadata = Metadata::new();
    format::put_checkpoint(&mut metadata, &at(number));
    line.write(&name(), metadata);
}

/// What a partition looks like at first, its position, and the work to make it so.
async fn begin(line: &Line, rng: &mut Rng, case: u64) -> Option<i64> {
    match case {
        0 => None,
        1 => {
            alone(line, rng, fence(line, 1)).await;
            None
        }
        // A draft alone, or with the blob made of it, or the request for it on its way.
        2 => {
            let stored: Task<'_> = Box::pin(async { drop(try_store(line, 1, 5).await) });
            let arrivals = rng.u32(0..6);
            run(line, rng, vec![(stored, Some(arrivals))]).await;
            now(line, rng).await
        }
        3 => {
            alone(line, rng, try_store(line, 1, 5)).await.unwrap();
            Some(5)
        }
        4 => {
            for number in [4, 5] {
                alone(line, rng, try_store(line, 1, number)).await.unwrap();
            }
            Some(5)
        }
        5 => {
            theirs(line, 5);
            Some(5)
        }
        6 => {
            alone(line, rng, fence(line, 1)).await;
            theirs(line, 5);
            Some(5)
        }
        _ => {
            alone(line, rng, try_store(line, 1, 4)).await.unwrap();
            alone(line, rng, reset(line, 1, None)).await;
            None
        }
    }
}
const CASES: u64 = 8;

/// Calls `check` with a partition of every kind and many orders of arrival.
async fn in_any_order(mut check: impl AsyncFnMut(&Line, &mut Rng, Option<i64>)) {
    for seed in 0..ORDERS * CASES {
        let mut rng = Rng::with_seed(seed);
        fastrand::seed(seed);
        let line = Line::default();
        let begun = begin(&line, &mut rng, seed % CASES).await;
        check(&line, &mut rng, begun).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_fence_has_read_is_the_last_of_the_older_generations() {
    in_any_order(async |line, rng, begun| {
        let (mut stored, mut left) = (begun, None);
        let dropped_after = rng.bool().then(|| rng.u32(..12));
        let mut attempted = begun;
        {
            let old: Task<'_> = Box::pin(async {
                // Not for ever: whoever fences is faster once in a while.
                for number in 6..14 {
                    attempted = Some(number);
                    match try_store(line, 1, number).await {
                        Ok(()) => stored = Some(number),
                        Err(error) => {
                            assert_eq!(*error.kind(), ErrorKind::Fenced);
                            break;
                        }
                    }
                }
                attempted = stored;
            });
            let new: Task<'_> = Box::pin(async { left = Some(fence(line, 2).await) });
            run(line, rng, vec![(old, dropped_after), (new, None)]).await;
        }
        let left = left.expect("it has fenced");
        // Or what was on its way at first.
        let is_early = begun.is_none() && stored.is_none() && left == Some(5);
        let is_last = left == stored || left == attempted || is_early;
        assert!(is_last, "{left:?} after {stored:?}");
        // And stays, whatever is still on its way.
        assert_eq!(now(line, rng).await, left);
        settle(line, rng);
        assert_eq!(now(line, rng).await, left);
        let refused = alone(line, rng, try_store(line, 1, 1000)).await;
        assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Fenced);
        let next = left.unwrap_or_default() + 1;
        alone(line, rng, try_store(line, 2, next)).await.unwrap();
        settle(line, rng);
        assert_eq!(now(line, rng).await, Some(next));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fence_has_read_all_that_several_writers_have_stored() {
    in_any_order(async |line, rng, begun| {
        let furthest = AtomicI64::new(begun.unwrap_or(i64::MIN));
        let mut left = None;
        {
            let writer = |first: i64| -> Task<'_> {
                let furthest = &furthest;
                Box::pin(async move {
                    for number in (first..first + 6).step_by(2) {
                        if try_store(line, 1, number).await.is_ok() {
                            furthest.fetch_max(number, Ordering::Relaxed);
                        }
                    }
                })
            };
            let new: Task<'_> = Box::pin(async { left = Some(fence(line, 2).await) });
            let tasks = vec![(writer(6), None), (writer(7), None), (new, None)];
            run(line, rng, tasks).await;
        }
        let left = left.flatten().unwrap_or(i64::MIN);
        let stored = furthest.into_inner();
        assert!(left >= stored, "{left} after {stored}");
        settle(line, rng);
        assert_eq!(now(line, rng).await.unwrap_or(i64::MIN), left);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fence_stands_though_another_sdk_writes_meanwhile() {
    in_any_order(async |line, rng, _| {
        let writes_after = rng.u32(..12);
        let mut fenced = false;
        {
            let old: Task<'_> = Box::pin(async { drop(try_store(line, 1, 6).await) });
            let new: Task<'_> = Box::pin(async {
                fence(line, 2).await;
                fenced = true;
            });
            // Theirs is between two arrivals.
            let other: Task<'_> = Box::pin(async {
                for _ in 0..writes_after {
                    tokio::task::yield_now().await;
                }
                theirs(line, 5);
            });
            run(line, rng, vec![(old, None), (new, None), (other, None)]).await;
        }
        assert!(fenced);
        settle(line, rng);
        let written = line.metadata(&name()).expect("theirs at least");
        assert_ne!(
            written.get(FENCE).map(String::as_str),
            Some("1"),
            "it came late"
        );
        theirs(line, 8);
        settle(line, rng);
        let refused = alone(line, rng, try_store(line, 1, 1000)).await;
        assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Fenced);
        assert_eq!(now(line, rng).await, Some(8));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_the_last_word_on_what_was_dropped_before_it() {
    in_any_order(async |line, rng, _| {
        let dropped_after = rng.u32(..8);
        let old: Task<'_> = Box::pin(async {
            for number in 6.. {
                drop(try_store(line, 1, number).await);
            }
        });
        run(line, rng, vec![(old, Some(dropped_after))]).await;
        if rng.bool() {
            // It may have been made whole meanwhile.
            alone(line, rng, fence(line, 1)).await;
        }
        let to = rng.bool().then_some(2);
        alone(line, rng, reset(line, 1, to)).await;
        assert_eq!(now(line, rng).await, to);
        settle(line, rng);
        assert_eq!(now(line, rng).await, to);
        // Other SDKs see no blob either that came late.
        alone(line, rng, reset(line, 1, None)).await;
        assert_eq!(line.metadata(&name()), None);
        alone(line, rng, try_store(line, 1, 3)).await.unwrap();
        settle(line, rng);
        assert_eq!(now(line, rng).await, Some(3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_after_a_reset_stays_though_its_writer_is_gone() {
    in_any_order(async |line, rng, _| {
        let is_reset = AtomicBool::new(false);
        let mut seen = None;
        {
            let first: Task<'_> = Box::pin(async {
                for number in [6, 7] {
                    drop(try_store(line, 1, number).await);
                }
            });
            let second: Task<'_> = Box::pin(async {
                reset(line, 1, None).await;
                is_reset.store(true, Ordering::Relaxed);
                drop(try_store(line, 1, 3).await);
            });
            let reader: Task<'_> = Box::pin(async {
                for _ in 0..6 {
                    let is_after = is_reset.load(Ordering::Relaxed);
                    let left = read(line, &place()).await.expect("it is whole");
                    seen = left.filter(|_| is_after).or(seen.take());
                }
            });
            let dropped_after = Some(rng.u32(4..24));
            let tasks = vec![(first, None), (second, dropped_after), (reader, None)];
            run(line, rng, tasks).await;
        }
        let before = seen.map_or(i64::MIN, |seen: Checkpoint| seen.sequence_number);
        let after = now(line, rng).await.unwrap_or(i64::MIN);
        assert!(after >= before, "{after} after {before}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_writers_of_one_generation_the_furthest_stays_and_other_sdks_see_it() {
    in_any_order(async |line, rng, begun| {
        let stored = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
        let writer = |first: i64| {
            let stored = Arc::clone(&stored);
            let task: Task<'_> = Box::pin(async move {
                for number in [first, first + 2] {
                    let done = try_store(line, 1, number).await;
                    stored.lock().unwrap().insert(number, done.is_ok());
                }
            });
            (task, None)
        };
        run(line, rng, vec![writer(6), writer(7), writer(6)]).await;
        settle(line, rng);
        let stored = stored.lock().unwrap().clone();
        let furthest = stored.iter().filter(|(_, is_stored)| **is_stored);
        let furthest = furthest.map(|(number, _)| *number).max().or(begun);
        assert_eq!(furthest, Some(9), "somebody stores the furthest");
        assert_eq!(now(line, rng).await, furthest);
        let seen = line.metadata(&name()).expect("other SDKs find it");
        assert_eq!(seen["sequencenumber"], "9");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_claim_has_a_generation_of_its_own_and_the_highest_owns_it() {
    for seed in 0..ORDERS {
        let mut rng = Rng::with_seed(seed);
        let line = Line::default();
        let claimed = std::sync::Mutex::new(BTreeMap::new());
        let claim = |owner: &'static str| {
            let (line, claimed) = (&line, &claimed);
            let task: Task<'_> = Box::pin(async move {
                let generation = super::super::owners::claim(line, &place(), owner).await;
                let before = claimed.lock().unwrap().insert(generation.unwrap(), owner);
                assert_eq!(before, None);
            });
            task
        };
        let dropped = rng.u32(..10);
        let tasks = vec![
            (claim("a"), None),
            (claim("b"), None),
            (claim("c"), Some(dropped)),
        ];
        run(&line, &mut rng, tasks).await;
        let place = place();
        let owners = super::super::owners::read(&line as &dyn Blobs, &place);
        let owner = alone(&line, &mut rng, owners)
            .await
            .unwrap()
            .expect("claimed");
        {
            let claimed = claimed.lock().unwrap();
            let (highest, last) = claimed.last_key_value().unwrap();
            // The one that was dropped may have come after them.
            let is_last = (owner.owner.as_deref(), owner.generation) == (Some(last), *highest);
            assert!(
                is_last || (owner.owner.as_deref() == Some("c") && owner.generation > *highest)
            );
        }
        settle(&line, &mut rng);
        let later = alone(&line, &mut rng, generation::claim(&line, &place, "d")).await;
        assert!(later.unwrap() > owner.generation);
    }
}
