//! What the service takes away is noticed at once, in use or not.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::time::Duration;

use amqp_support::{HUB, batch, events, partition, start};
use eventhubs_emulator::{Fault, When};
use eventhubs_flow::transport::{ReceiverOptions, TransportConsumer, TransportProducer};
use eventhubs_flow::{ErrorKind, EventHub, PartitionId};
use tokio::time::timeout;

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

const FORCED: &str = "amqp:connection:forced";

/// What takes a link, or its session, and leaves the connection.
fn taken_links() -> [Fault; 3] {
    [
        Fault::detach_idle(),
        Fault::detach(When::Now, "amqp:internal-error", "planted"),
        Fault::end_session(When::Now, "amqp:internal-error", "planted"),
    ]
}

/// What takes the connection.
fn taken_connections() -> [Fault; 2] {
    [
        Fault::close_connection(When::Now, FORCED, "planted"),
        Fault::drop_connection(When::Now),
    ]
}

/// Waits until a lost connection was noticed, and made again.
async fn recovered(hub: &EventHub) {
    let recovering = async {
        while hub.recoveries() == 0 {
            // It may be the one that meets the loss.
            let _ = hub.properties().await;
        }
    };
    timeout(PROMPT, recovering).await.expect("recovered");
}

/// Sends, loses what it was sent over, and sends again.
async fn send_around(fault: Fault, noticed: impl AsyncFnOnce(&EventHub)) {
    let shown = format!("{fault:?}");
    let (emulator, hub) = start().await;
    let producer = hub.producer();
    let send = |body| producer.send_batch(batch(partition(0), events([body])));
    send("before").await.unwrap();
    let fault = emulator.faults().inject(fault.senders().times(1));
    timeout(PROMPT, fault.wait_for(1)).await.expect(&shown);
    noticed(&hub).await;
    let sent = timeout(PROMPT, send("after")).await.expect("told at once");
    sent.unwrap_or_else(|refused| panic!("{shown}: {refused:?}"));
    assert_eq!(emulator.event_count(HUB), 2, "{shown}");
}

#[tokio::test]
async fn a_link_that_was_taken_while_it_was_idle_costs_no_send() {
    for fault in taken_links() {
        // The answer comes behind the detach.
        let noticed = async |hub: &EventHub| drop(hub.properties().await.unwrap());
        send_around(fault, noticed).await;
    }
}

#[tokio::test]
async fn a_connection_that_was_taken_while_it_was_idle_costs_no_send() {
    for fault in taken_connections() {
        send_around(fault, recovered).await;
    }
}

#[tokio::test]
async fn a_receiver_without_credit_learns_at_once_that_it_was_taken() {
    for fault in taken_links().into_iter().chain(taken_connections()) {
        let shown = format!("{fault:?}");
        let (emulator, hub) = start().await;
        let options = ReceiverOptions::new(PartitionId::new(0));
        let mut receiver = hub.consumer().open_receiver(options).await.unwrap();
        let fault = emulator.faults().inject(fault.receivers().times(1));
        timeout(PROMPT, fault.wait_for(1)).await.expect(&shown);
        let error = timeout(PROMPT, receiver.ended()).await.expect(&shown);
        assert_eq!(error.kind(), &ErrorKind::Disconnected, "{shown}");
    }
}
