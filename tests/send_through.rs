//! `send_through`, on the paused clock.

#[path = "support/recorder.rs"]
mod recorder;

use std::num::NonZeroUsize;

use eventhubs_flow::prelude::*;
use eventhubs_flow::stream::{FlowError, Sent};
use eventhubs_flow::{BatchLimits, EventBatch, EventData, PartitionId, PartitionKey, Target};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use recorder::{Recorder, batch};

fn nonzero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn key(name: &str) -> Target {
    PartitionKey::new(name).unwrap().into()
}

fn partition(number: u32) -> Target {
    PartitionId::new(number).into()
}

fn refused_event() -> eventhubs_flow::SendError {
    let mut batch = EventBatch::new(
        Target::Any,
        BatchLimits {
            bytes: 0,
            events: 0,
        },
    );
    batch.try_add(EventData::new("large")).unwrap_err()
}

fn outcome(item: Result<Sent, FlowError>) -> Result<usize, Vec<String>> {
    match item {
        Ok(sent) => Ok(sent.events),
        Err(failed) => {
            let events = failed.into_events();
            Err(events
                .iter()
                .map(|event| String::from_utf8_lossy(event.body()).into_owned())
                .collect())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_back_in_its_place_and_the_rest_goes_on() {
    let recorder = Recorder::accepting();
    let items = [
        Ok(batch(key("k"), "1")),
        Ok(batch(key("k"), "refuse")),
        Err(FlowError::Event(refused_event())),
        Ok(batch(Target::Any, "2")),
    ];
    let outcomes: Vec<_> = stream::iter(items)
        .send_through(recorder.clone())
        .map(outcome)
        .collect()
        .await;
    assert_eq!(
        outcomes,
        [
            Ok(1),
            Err(vec!["refuse".into()]),
            Err(vec!["large".into()]),
            Ok(1)
        ]
    );
    assert_eq!(recorder.bodies(), ["1", "refuse", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_where_and_how_much() {
    let sent = batch(key("k"), "1");
    let (target, bytes) = (sent.target().clone(), sent.encoded_size());
    let mut outcomes = stream::iter([Ok(sent)]).send_through(Recorder::accepting());
    let receipt = outcomes.next().await.unwrap().unwrap();
    assert_eq!(
        (receipt.target, receipt.events, receipt.bytes),
        (target, 1, bytes)
    );
    assert!(outcomes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_in_flight_than_allowed_and_nothing_waits_below_that() {
    let recorder = Recorder::holding();
    let items = (0..10).map(|n| Ok(batch(Target::Any, &n.to_string())));
    let mut outcomes = stream::iter(items)
        .send_through(recorder.clone())
        .with_max_in_flight(nonzero(3));
    assert!(outcomes.next().now_or_never().is_none());
    assert_eq!(recorder.bodies(), ["0", "1", "2"]);

    recorder.release(1);
    outcomes.next().await.unwrap().unwrap();
    assert!(outcomes.next().now_or_never().is_none());
    assert_eq!(recorder.bodies(), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn one_batch_of_a_target_is_in_flight_and_others_overlap() {
    let recorder = Recorder::holding();
    let items = [
        batch(key("a"), "a1"),
        batch(key("b"), "b1"),
        batch(partition(0), "p1"),
        batch(key("a"), "a2"),
        batch(key("c"), "c1"),
    ];
    let mut outcomes = stream::iter(items.map(Ok)).send_through(recorder.clone());
    assert!(outcomes.next().now_or_never().is_none());
    assert_eq!(recorder.bodies(), ["a1", "b1", "p1"]);

    recorder.release(1);
    outcomes.next().await.unwrap().unwrap();
    assert!(outcomes.next().now_or_never().is_none());
    assert_eq!(recorder.bodies(), ["a1", "b1", "p1", "a2", "c1"]);
    recorder.release(10);
    assert_eq!(outcomes.count().await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_holds_up_later_outcomes_unless_they_are_told_as_they_come() {
    let items = || {
        let slow = Ok(batch(key("k"), "slow"));
        stream::iter([slow, Err(FlowError::Event(refused_event()))])
    };
    let mut in_order = items().send_through(Recorder::holding());
    assert!(in_order.next().now_or_never().is_none());

    let recorder = Recorder::holding();
    let mut outcomes = items().send_through(recorder.clone()).as_they_come();
    let first = outcomes.next().now_or_never().flatten().expect("told");
    assert_eq!(outcome(first), Err(vec!["large".into()]));
    recorder.release(1);
    assert_eq!(outcomes.next().await.map(outcome), Some(Ok(1)));
    assert!(outcomes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_are_told_as_they_come_keep_the_order_of_a_target() {
    let recorder = Recorder::holding();
    let items = [("a", "a1"), ("a", "a2"), ("b", "b1")].map(|(to, body)| Ok(batch(key(to), body)));
    let mut outcomes = stream::iter(items)
        .send_through(recorder.clone())
        .as_they_come();
    assert!(outcomes.next().now_or_never().is_none());
    assert_eq!(recorder.bodies(), ["a1"]);
    recorder.release(3);
    assert_eq!(outcomes.by_ref().count().await, 3);
    assert_eq!(recorder.bodies(), ["a1", "a2", "b1"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_at_an_error_has_sent_nothing_later_to_that_target() {
    let recorder = Recorder::holding();
    let items = ["1", "refuse", "2", "3"].map(|body| Ok(batch(key("k"), body)));
    let mut outcomes = stream::iter(items).send_through(recorder.clone());
    assert!(outcomes.next().now_or_never().is_none());
    recorder.release(4);
    while let Some(Ok(_)) = outcomes.next().await {}
    assert_eq!(recorder.bodies(), ["1", "refuse"]);
}
