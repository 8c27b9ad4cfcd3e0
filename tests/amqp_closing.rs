//! Closing while the service does not answer: who waits in it is released.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::time::Duration;

use amqp_support::{HUB, batch, events, partition, start};
use eventhubs_emulator::{Emulator, Fault, FaultGuard};
use eventhubs_flow::transport::{AmqpProducer, TransportProducer};
use eventhubs_flow::{Error, ErrorKind, EventHub, EventHubOptions};
use futures::future::join_all;
use tokio::time::{Instant, timeout};

/// More than what is under way is given, less than a service may take.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Sends while a fault has struck, closes, and returns what the senders learned.
async fn close_under_senders<C: Future<Output = Result<(), Error>>>(
    producer: &AmqpProducer,
    (fault, strikes): (&FaultGuard, u64),
    close: impl FnOnce() -> C,
) -> Vec<Error> {
    let send = || producer.send_batch(batch(partition(0), events(["stalled"])));
    let sends = join_all((0..3).map(|_| send()));
    let closing = async {
        fault.wait_for(strikes).await;
        let before = Instant::now();
        // Whether the service agrees is another matter.
        let _ = close().await;
        before.elapsed()
    };
    let (sent, took) = tokio::join!(timeout(AT_ONCE * 2, sends), closing);
    assert!(took < AT_ONCE, "the close took {took:?}");
    let sent = sent.expect("the senders are released");
    let refused = |sent: Result<(), _>| {
        let refused: eventhubs_flow::SendBatchError = sent.unwrap_err();
        assert_eq!(refused.error.kind(), &ErrorKind::Closed);
        refused.error
    };
    sent.into_iter().map(refused).collect()
}

async fn start_with(fault: Fault) -> (Emulator, EventHub, FaultGuard) {
    let (emulator, hub) = start().await;
    let guard = emulator.faults().inject(fault);
    (emulator, hub, guard)
}

#[tokio::test]
async fn a_closed_producer_releases_senders_that_are_not_acknowledged() {
    let (emulator, hub, held) = start_with(Fault::hold_outcomes()).await;
    let producer = hub.producer();
    let errors = close_under_senders(&producer, (&held, 3), || producer.close()).await;
    assert!(errors.iter().all(Error::is_fate_unknown), "{errors:?}");
    assert_eq!(emulator.event_count(HUB), 3, "they were stored");
}

#[tokio::test]
async fn a_closed_producer_releases_senders_that_wait_for_credit() {
    let (emulator, hub, withheld) = start_with(Fault::withhold_credit()).await;
    let producer = hub.producer();
    let errors = close_under_senders(&producer, (&withheld, 1), || producer.close()).await;
    assert!(!errors.iter().any(Error::is_fate_unknown), "{errors:?}");
    withheld.heal();
    hub.properties().await.unwrap();
    assert_eq!(emulator.event_count(HUB), 0);
}

#[tokio::test]
async fn a_closed_producer_releases_senders_whose_link_is_not_answered() {
    let (_emulator, hub, ignored) = start_with(Fault::ignore_attach().senders()).await;
    let producer = hub.producer();
    let errors = close_under_senders(&producer, (&ignored, 1), || producer.close()).await;
    assert!(!errors.iter().any(Error::is_fate_unknown), "{errors:?}");
    drop(ignored);
    // The connection is none the worse for it.
    let sent = batch(partition(0), events(["after"]));
    hub.producer().send_batch(sent).await.unwrap();
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn a_producer_whose_close_is_dropped_releases_senders_all_the_same() {
    let (_emulator, hub, held) = start_with(Fault::hold_outcomes()).await;
    let producer = hub.producer();
    let close = async || {
        timeout(Duration::ZERO, producer.close())
            .await
            .unwrap_or(Ok(()))
    };
    let errors = close_under_senders(&producer, (&held, 3), close).await;
    assert!(errors.iter().all(Error::is_fate_unknown), "{errors:?}");
}

#[tokio::test]
async fn a_closed_hub_releases_senders_that_are_not_acknowledged() {
    let (_emulator, hub, held) = start_with(Fault::hold_outcomes()).await;
    let producer = hub.producer();
    let errors = close_under_senders(&producer, (&held, 3), || hub.close()).await;
    assert!(errors.iter().all(Error::is_fate_unknown), "{errors:?}");
}

#[tokio::test]
async fn a_closed_hub_releases_senders_that_wait_for_credit() {
    let (_emulator, hub, withheld) = start_with(Fault::withhold_credit()).await;
    let producer = hub.producer();
    let errors = close_under_senders(&producer, (&withheld, 1), || hub.close()).await;
    assert!(!errors.iter().any(Error::is_fate_unknown), "{errors:?}");
}

#[tokio::test]
async fn a_closed_hub_releases_senders_before_it_gives_up_on_a_service_that_is_gone() {
    let emulator = Emulator::start().await.unwrap();
    let patience = AT_ONCE + Duration::from_secs(1);
    let options = EventHubOptions::default().with_try_timeout(patience);
    let string = emulator.connection_string_for(HUB);
    let hub = EventHub::connect_with(&string, options).await.unwrap();
    let producer = hub.producer();
    let send = || producer.send_batch(batch(partition(0), events(["stalled"])));
    send().await.unwrap();
    let silent = emulator.faults().inject(Fault::half_open());
    let closing = async {
        silent.wait_for(1).await;
        hub.close().await
    };
    let (sent, closed) = tokio::join!(timeout(AT_ONCE, send()), closing);
    let refused = sent.expect("the sender is released").unwrap_err();
    assert_eq!(refused.error.kind(), &ErrorKind::Closed);
    assert_eq!(closed.unwrap_err().kind(), &ErrorKind::Timeout);
}
