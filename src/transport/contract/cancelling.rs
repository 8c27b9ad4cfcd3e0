//! Cancelling: every future is dropped after every number of polls. All goes on,
//! and nothing has happened by half.

use super::harness::Harness;
use super::kit::*;
use crate::contract::Verdict;
use crate::partition::PartitionId;
use crate::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportManagement, TransportProducer,
};

/// A send that is dropped has stored its batch whole or not at all, and harms no
/// other.
pub async fn sends(hub: &dyn Harness) -> Verdict {
    // Enough for many frames.
    let events = 3;
    let body = |round: usize| vec![u8::try_from(round % 251).expect("small"); 100_000];
    for polls in more_and_more_polls() {
        // Its own: the first send may have more to do than others.
        let producer = hub.producer().await;
        let sent = batch(SECOND, vec![body(polls); events]);
        let done = polled(polls, producer.send_batch(sent)).await;
        send(&producer, SECOND, &["after"]).await;
        if let Some(done) = done {
            done.expect("accepted");
            break;
        }
    }
    let stored = hub.stored().await;
    let mut rounds = 0;
    for batch in stored.split(|event| event.body() == "after".as_bytes()) {
        let whole = batch.is_empty() || batch.len() == events;
        assert!(whole, "{} of {events} events were stored", batch.len());
        assert!(batch.iter().all(|event| event.body() == batch[0].body()));
        rounds += 1;
    }
    let last = stored.len() - 1 - events;
    let at = "the send that was not dropped stands before the last";
    assert!(stored[last..].len() == events + 1, "{at}");
    assert!(rounds > 1, "{at}");
    Verdict::Held
}

/// A receive that is dropped loses no event, and gives none twice.
pub async fn receives(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut sent = Vec::new();
    for polls in more_and_more_polls() {
        let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
        let mut received = Vec::new();
        let mut done = false;
        for _ in 0..4 {
            let name = sent.len().to_string();
            let one = batch(FIRST, [name.clone()]);
            producer.send_batch(one).await.expect("accepted");
            sent.push(name);
            if let Some(events) = polled(polls, receiver.receive(MANY)).await {
                received.extend(events.expect("events"));
                done = true;
            }
        }
        let rest = sent.len() - received.len();
        received.extend(receive(&mut *receiver, rest).await);
        assert_eq!(bodies(&received), sent, "dropped after {polls} polls");
        receiver.close().await.expect("closed");
        if done && polls > 1 {
            break;
        }
    }
    Verdict::Held
}

/// A receiver that was being opened is not left behind.
pub async fn opening(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    for polls in more_and_more_polls() {
        // A place that is left behind would refuse the lower level for ever.
        let opening = consumer.open_receiver(owner(Some(9), "dropped"));
        let done = polled(polls, opening).await;
        let is_done = done.is_some();
        drop(done.map(|opened| opened.expect("opened")));
        drop(open_once_free(&consumer, &owner(Some(1), "next")).await);
        if is_done {
            break;
        }
    }
    send(&producer, FIRST, &["a"]).await;
    let mut sharing = Vec::new();
    while sharing.len() < 5 {
        let mut receiver = open_once_free(&consumer, &owner(None, "one of five")).await;
        assert_eq!(bodies(&receive(&mut *receiver, 1).await), ["a"]);
        sharing.push(receiver);
    }
    Verdict::Held
}

/// A producer whose close was dropped is closed.
pub async fn closing_producers(hub: &dyn Harness) -> Verdict {
    for polls in more_and_more_polls().skip(1) {
        let producer = hub.producer().await;
        send(&producer, FIRST, &["a"]).await;
        let done = polled(polls, producer.close()).await;
        assert_closed(&refused(&producer, batch(FIRST, ["late"])).await);
        producer.close().await.expect("closed again");
        if done.is_some() {
            break;
        }
    }
    let other = hub.producer().await;
    send(&other, FIRST, &["a"]).await;
    assert!(bodies(&hub.stored().await).iter().all(|body| *body == "a"));
    Verdict::Held
}

/// A consumer whose close was dropped is closed, and its receivers are.
pub async fn closing_consumers(hub: &dyn Harness) -> Verdict {
    for polls in more_and_more_polls().skip(1) {
        let consumer = hub.consumer().await;
        let level = owner(Some(0), "closing");
        let mut receiver = open(&consumer, level).await;
        let done = polled(polls, consumer.close()).await;
        assert_closed(&ended(&mut *receiver).await);
        let late = ReceiverOptions::new(SECOND);
        assert_closed(&not_opened(&consumer, late).await);
        consumer.close().await.expect("closed again");
        drop(receiver);
        // A receiver without a level shows that the owner went.
        let other = hub.consumer().await;
        drop(open_once_free(&other, &owner(None, "other")).await);
        if done.is_some() {
            break;
        }
    }
    Verdict::Held
}

/// A receiver whose close was dropped is closed.
pub async fn closing_receivers(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    for polls in more_and_more_polls() {
        let receiver = open(&consumer, owner(Some(0), "closing")).await;
        let done = polled(polls, receiver.close()).await;
        drop(open_once_free(&consumer, &owner(None, "other")).await);
        if let Some(done) = done {
            done.expect("closed");
            break;
        }
    }
    Verdict::Held
}

/// A read of properties that is dropped spoils no other, whose answer is its own.
pub async fn reading_properties(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    for polls in more_and_more_polls() {
        let first = polled(polls, consumer.partition_properties(FIRST)).await;
        let answer = consumer.partition_properties(SECOND).await;
        assert_eq!(answer.expect("properties").partition, SECOND);
        let of_hub = polled(polls, consumer.hub_properties()).await;
        let last = PartitionId::new(super::PARTITIONS - 1);
        let answer = consumer.partition_properties(last).await;
        assert_eq!(answer.expect("properties").partition, last);
        if first.is_some() && of_hub.is_some() {
            break;
        }
    }
    Verdict::Held
}
