//! Received events in chunks: what closes one, and what becomes of a lost partition.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::stream::ChunksBy;
use eventhubs_flow::{Error, ErrorKind, EventData, ReceivedEvent};
use futures::{FutureExt, StreamExt};
use proptest::prelude::*;
use scripted::{Call, Place, Script, Scripted, places};
use support::nonzero;
use tokio::time::{Instant, advance, timeout};

const SECOND: Duration = Duration::from_secs(1);
const ANY: NonZeroUsize = NonZeroUsize::MAX;

type Chunk = Result<Vec<ReceivedEvent>, Error>;

fn open(count: NonZeroUsize, bytes: NonZeroUsize, wait: Duration) -> (Script, ChunksBy<Scripted>) {
    let (script, events) = Script::new();
    (script, events.chunks_by(count, bytes, wait))
}

fn numbers(chunk: Option<Chunk>) -> Vec<i64> {
    let chunk = chunk.expect("an item").expect("a chunk");
    chunk.iter().map(ReceivedEvent::sequence_number).collect()
}

fn poll(chunks: &mut ChunksBy<Scripted>) -> Option<Option<Chunk>> {
    chunks.next().now_or_never()
}

/// The next item, which must come in time.
async fn next(chunks: &mut ChunksBy<Scripted>) -> Option<Chunk> {
    let next = timeout(60 * SECOND, chunks.next()).await;
    next.expect("it does not hang")
}

fn size_of(body: &str) -> usize {
    EventData::new(body.to_owned()).encoded_size()
}

#[tokio::test(start_paused = true)]
async fn a_chunk_closes_when_it_has_all_the_events_it_may_have() {
    let (script, mut chunks) = open(nonzero(2), ANY, Duration::MAX);
    script.events(0, 5);
    script.finish();
    assert_eq!(numbers(next(&mut chunks).await), [0, 1]);
    assert_eq!(script.yielded().len(), 2, "nothing is read ahead");
    assert_eq!(numbers(next(&mut chunks).await), [2, 3]);
    assert_eq!(
        numbers(next(&mut chunks).await),
        [4],
        "at the end, the rest"
    );
    assert!(next(&mut chunks).await.is_none());
    assert!(next(&mut chunks).await.is_none(), "and stays so");
}

#[tokio::test(start_paused = true)]
async fn a_chunk_closes_when_the_next_event_would_exceed_its_bytes() {
    let room = nonzero(size_of("1234") * 2 + 1);
    let (script, mut chunks) = open(ANY, room, Duration::MAX);
    for _ in 0..3 {
        script.event_with(0, None, "1234");
    }
    assert_eq!(numbers(next(&mut chunks).await), [0, 1]);
    assert!(poll(&mut chunks).is_none(), "the third one waits for more");
    script.finish();
    assert_eq!(numbers(next(&mut chunks).await), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_whose_bytes_are_exactly_used_up_closes_at_once() {
    let room = nonzero(size_of("1234") * 2);
    let (script, mut chunks) = open(ANY, room, Duration::MAX);
    for _ in 0..2 {
        script.event_with(0, None, "1234");
    }
    assert_eq!(numbers(poll(&mut chunks).expect("closed")), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_a_chunk_is_one_of_its_own() {
    let (script, mut chunks) = open(ANY, nonzero(size_of("1234")), Duration::MAX);
    for body in ["1", "12345678", "1"] {
        script.event_with(0, None, body);
    }
    script.finish();
    let chunks: Vec<_> = chunks.by_ref().map(|it| numbers(Some(it))).collect().await;
    assert_eq!(chunks, [[0], [1], [2]]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_closes_when_it_waited_since_its_first_event() {
    let (script, mut chunks) = open(ANY, ANY, SECOND);
    assert!(poll(&mut chunks).is_none());
    // Time without an event does not count.
    advance(10 * SECOND).await;
    script.events(0, 1);
    let begun = Instant::now();
    assert!(poll(&mut chunks).is_none());
    advance(SECOND * 9 / 10).await;
    script.events(0, 1);
    assert_eq!(numbers(next(&mut chunks).await), [0, 1]);
    // A timer counts in milliseconds.
    assert!(begun.elapsed() < SECOND + Duration::from_millis(2));
    assert!(begun.elapsed() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn each_chunk_waits_from_its_own_first_event() {
    let (script, mut chunks) = open(nonzero(2), ANY, SECOND);
    script.events(0, 1);
    assert!(poll(&mut chunks).is_none());
    advance(SECOND / 2).await;
    script.events(0, 2);
    assert_eq!(numbers(next(&mut chunks).await), [0, 1]);
    let begun = Instant::now();
    assert_eq!(numbers(next(&mut chunks).await), [2]);
    assert!(begun.elapsed() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn no_wait_closes_a_chunk_as_soon_as_no_next_event_is_ready() {
    let (script, mut chunks) = open(ANY, ANY, Duration::ZERO);
    script.events(0, 3);
    assert_eq!(numbers(poll(&mut chunks).expect("closed")), [0, 1, 2]);
    assert!(poll(&mut chunks).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lost_partition_takes_its_events_out_of_the_open_chunk() {
    let (script, mut chunks) = open(ANY, ANY, SECOND);
    script.events(0, 2);
    script.events(1, 2);
    script.lose(0);
    let lost = next(&mut chunks).await.expect("an item").expect_err("lost");
    assert_eq!(lost.partition().map(|id| id.number()), Some(0));
    let rest = next(&mut chunks).await.expect("an item").expect("a chunk");
    assert_eq!(places(&rest), [(1, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_of_a_lost_partition_alone_is_gone_with_its_timer_and_its_bytes() {
    let room = nonzero(size_of("sesame-body") * 2);
    let (script, mut chunks) = open(ANY, room, SECOND);
    script.events(0, 1);
    script.lose(0);
    assert!(next(&mut chunks).await.expect("an item").is_err());
    advance(SECOND / 2).await;
    script.events(1, 1);
    let begun = Instant::now();
    assert_eq!(numbers(next(&mut chunks).await), [0]);
    assert!(begun.elapsed() >= SECOND);
    script.events(1, 2);
    assert_eq!(numbers(poll(&mut chunks).expect("full")), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn any_other_end_of_a_partition_comes_after_the_open_chunk() {
    let (script, mut chunks) = open(ANY, ANY, SECOND);
    script.events(0, 2);
    script.end(0, ErrorKind::Disconnected);
    script.end(1, ErrorKind::Disconnected);
    script.finish();
    assert_eq!(numbers(poll(&mut chunks).expect("closed")), [0, 1]);
    for partition in 0..2 {
        let ended = next(&mut chunks)
            .await
            .expect("an item")
            .expect_err("ended");
        assert_eq!(ended.partition().map(|id| id.number()), Some(partition));
    }
    assert!(next(&mut chunks).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_acknowledged_as_a_whole_though_some_is_refused() {
    let (script, mut chunks) = open(nonzero(3), ANY, SECOND);
    script.events(0, 1);
    script.events(1, 1);
    script.events(2, 1);
    let chunk = next(&mut chunks).await.expect("an item").expect("a chunk");
    assert_eq!(script.acks(), [], "not by itself");
    script.fence(0);
    script.fence(1);
    let refused = chunks.ack_chunk(&chunk).expect_err("refused");
    assert_eq!(refused.partition().map(|id| id.number()), Some(0));
    assert_eq!(script.acks(), [(0, 0), (1, 0), (2, 0)]);
    chunks.ack_chunk(&chunk[2..]).expect("owned");
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_comes_the_open_chunk_and_a_close_passes_on() {
    let (script, mut chunks) = open(ANY, ANY, Duration::MAX);
    script.events(0, 2);
    assert!(poll(&mut chunks).is_none());
    chunks.stop();
    assert_eq!(numbers(next(&mut chunks).await), [0, 1]);
    assert!(next(&mut chunks).await.is_none());
    script.fail_close(Error::new(ErrorKind::StoreUnavailable, "planted"));
    let error = chunks.close().await.expect_err("it failed");
    assert_eq!(*error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(script.calls(), [Call::Stop, Call::Close]);
}

#[derive(Debug, Clone)]
enum Step {
    Event(u32, usize),
    Lose(u32),
    EndOtherwise(u32),
    /// Polls `next` once and drops it.
    Poll,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..3, 0usize..40).prop_map(|(partition, body)| Step::Event(partition, body)),
        1 => (0u32..3).prop_map(Step::Lose),
        1 => (0u32..3).prop_map(Step::EndOtherwise),
        6 => Just(Step::Poll),
        2 => (0u64..1500).prop_map(Step::Wait),
    ]
}

struct Run {
    script: Script,
    chunks: ChunksBy<Scripted>,
    count: usize,
    bytes: usize,
    over: Vec<u32>,
    ended: Vec<u32>,
    out: Vec<Place>,
}

impl Run {
    fn poll(&mut self) -> bool {
        let told: Vec<_> = (0..3).filter(|it| self.script.has_told_loss(*it)).collect();
        match poll(&mut self.chunks) {
            None => return false,
            Some(None) => return true,
            Some(Some(Err(ended))) => {
                self.ended.push(ended.partition().expect("one").number());
            }
            Some(Some(Ok(chunk))) => {
                let size: usize = chunk.iter().map(ReceivedEvent::encoded_size).sum();
                assert!((1..=self.count).contains(&chunk.len()));
                assert!(size <= self.bytes || chunk.len() == 1);
                let places = places(&chunk);
                let is_lost = |place: &Place| told.contains(&place.0);
                assert!(!places.iter().any(is_lost), "after the theft");
                self.out.extend(places);
            }
        }
        false
    }

    async fn step(&mut self, step: Step) {
        let is_over = |run: &Self, partition| run.over.contains(&partition);
        match step {
            Step::Event(partition, body) if !is_over(self, partition) => {
                self.script.event_with(partition, None, &"b".repeat(body));
            }
            Step::Lose(partition) if !is_over(self, partition) => {
                self.over.push(partition);
                self.script.lose(partition);
            }
            Step::EndOtherwise(partition) if !is_over(self, partition) => {
                self.over.push(partition);
                self.script.end(partition, ErrorKind::Disconnected);
            }
            Step::Event(..) | Step::Lose(_) | Step::EndOtherwise(_) => {}
            Step::Poll => {
                self.poll();
            }
            Step::Wait(millis) => advance(Duration::from_millis(millis)).await,
        }
    }

    fn finish(mut self) {
        self.script.finish();
        while !self.poll() {}
        assert_eq!(self.ended, self.over);
        // In order, and all but what was lost.
        for partition in 0..3 {
            let of = |places: &[Place]| -> Vec<i64> {
                let of = places.iter().filter(|place| place.0 == partition);
                of.map(|place| place.1).collect()
            };
            let (out, all) = (of(&self.out), of(&self.script.yielded()));
            assert!(all.starts_with(&out));
            assert!(out == all || self.script.has_told_loss(partition));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_but_with_its_partition_and_all_bounds_hold(
        count in 1usize..6,
        bytes in 1usize..200,
        wait in prop_oneof![Just(0u64), Just(1000)],
        steps in prop::collection::vec(step(), 1..100),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(async {
                let wait = Duration::from_millis(wait);
                let (script, chunks) = open(nonzero(count), nonzero(bytes), wait);
                let (over, ended, out) = Default::default();
                let mut run = Run { script, chunks, count, bytes, over, ended, out };
                for step in steps {
                    run.step(step).await;
                }
                run.finish();
            });
    }
}
