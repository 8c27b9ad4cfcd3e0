//! The reliability bar, as far as connections go: each fault by its row, struck and survived.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, batch, bounded, connect_with, events, partition, receive, start, stored};
use eventhubs_emulator::{Emulator, Fault, LinkRole, When};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::{
    ReceiverOptions, TransportConsumer, TransportManagement, TransportProducer,
};
use eventhubs_flow::{ErrorKind, EventHub, EventHubOptions};
use oracle::Load;
use support::nonzero;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

const SOON: Duration = Duration::from_millis(20);

const HEARTBEAT: Duration = Duration::from_millis(250);

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn options() -> EventHubOptions {
    EventHubOptions::default().with_reconnect_backoff(SOON, SOON)
}

async fn open(hub: &EventHub) -> Load {
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(10))
        .with_linger(None)
        .with_retry_backoff(SOON, SOON);
    Load::open(Arc::new(hub.producer()), options).await
}

/// The names of the links that send events.
fn senders(emulator: &Emulator) -> Vec<String> {
    let connections = emulator.connections();
    let links = connections.iter().flat_map(|connection| &connection.links);
    let senders = links.filter(|link| link.role == LinkRole::Sender && link.hub.is_some());
    senders.map(|link| link.name.clone()).collect()
}

#[tokio::test]
async fn row_3_a_half_open_connection_is_noticed_within_two_heartbeats() {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect_with(&emulator, options().with_heartbeat(HEARTBEAT)).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    // Acknowledgements first: there are some under way when the line goes dead.
    let held = emulator.faults().inject(Fault::hold_outcomes());
    load.send_each(&KEYS, 10).await;
    bounded(held.wait_for(4)).await;
    let dead = emulator.faults().inject(Fault::half_open().times(1));
    bounded(dead.wait_for(1)).await;
    let since = Instant::now();
    held.heal();
    assert_eq!(load.settle().await, 0);
    // The rest is for slow machines; a try may take 60 s.
    let noticed = since.elapsed();
    assert!(
        noticed < 2 * HEARTBEAT + Duration::from_secs(2),
        "{noticed:?}"
    );
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 1);
}

#[tokio::test]
async fn row_11_a_session_that_ended_is_begun_again_and_no_other_is_harmed() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let before = senders(&emulator);
    assert_eq!(before.len(), 4, "one for each partition");
    let ended = Fault::end_session(When::OnTransfer, "amqp:internal-error", "Oops.");
    let ended = emulator.faults().inject(ended.times(1));
    load.send_each(&KEYS, 30).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(ended.struck(), 1);
    let mut after = senders(&emulator);
    after.retain(|name| !before.contains(name));
    assert_eq!(after.len(), 1, "one link was attached again, once");
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 0, "the connection was not harmed");
}

#[tokio::test]
async fn row_11_all_links_share_one_recovery_of_their_connection() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let closed = Fault::close_connection(When::Now, "amqp:connection:forced", "Going down.");
    let closed = emulator.faults().inject(closed);
    bounded(closed.wait_for(1)).await;
    drop(closed);
    load.send_each(&KEYS, 30).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(senders(&emulator).len(), 4);
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 1);
    assert_eq!(emulator.metrics().connections_opened, 2);
}

#[tokio::test]
async fn row_11_a_management_session_that_ended_is_begun_again() {
    let (emulator, hub) = start().await;
    let producer = hub.producer();
    producer.hub_properties().await.unwrap();
    let ended = Fault::end_session(When::Now, "amqp:internal-error", "Oops.").management();
    let ended = emulator.faults().inject(ended.times(1));
    bounded(ended.wait_for(1)).await;
    // Asked while the news is under way, or afterwards.
    if let Err(error) = producer.hub_properties().await {
        assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    }
    let properties = producer.hub_properties().await;
    assert_eq!(properties.unwrap().partitions.len(), 4);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_12_the_next_send_after_an_idle_detach_succeeds() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let before = senders(&emulator);
    let idle = emulator.faults().inject(Fault::detach_idle().senders());
    bounded(idle.wait_for(4)).await;
    drop(idle);
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let after = senders(&emulator);
    assert_eq!(after.len(), 4);
    assert!(after.iter().all(|name| !before.contains(name)), "new links");
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_13_an_idle_connection_dropped_without_a_word_is_replaced_within_the_try_time_out() {
    let emulator = Emulator::start().await.unwrap();
    let try_timeout = Duration::from_secs(5);
    let options = options().with_heartbeat(HEARTBEAT);
    let hub = connect_with(&emulator, options.with_try_timeout(try_timeout)).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    let dropped = emulator.faults().inject(Fault::half_open().times(1));
    bounded(dropped.wait_for(1)).await;
    let since = Instant::now();
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    assert!(since.elapsed() < try_timeout, "{:?}", since.elapsed());
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 1);
}

#[tokio::test]
async fn row_16_frames_that_come_byte_by_byte_mean_the_same() {
    let emulator = Emulator::start().await.unwrap();
    let thin = emulator.faults().inject(Fault::slices(NonZeroUsize::MIN));
    let hub = connect_with(&emulator, options()).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 20).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(thin.struck(), 1);
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    let mut read = Vec::new();
    for (number, partition) in hub
        .properties()
        .await
        .unwrap()
        .partitions
        .iter()
        .enumerate()
    {
        let options = ReceiverOptions::new(*partition);
        let mut receiver = hub.consumer().open_receiver(options).await.unwrap();
        let here = emulator.received(HUB);
        let here = here
            .iter()
            .filter(|event| event.partition as usize == number);
        read.extend(receive(&mut receiver, here.count()).await.unwrap());
    }
    assert_eq!(amqp_support::bodies(&read), stored(&emulator));
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_17_a_corrupt_byte_is_an_error_and_a_reconnect_wherever_it_is() {
    let emulator = Emulator::start().await.unwrap();
    let options = options().with_try_timeout(Duration::from_secs(1));
    let hub = connect_with(&emulator, options.with_heartbeat(HEARTBEAT)).await;
    let mut load = open(&hub).await;
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0);
    // A disposition is 30 bytes and more: each of its bytes once.
    for after in 0..40 {
        let corrupt = emulator.faults().inject(Fault::corrupt(after).times(1));
        let striking = async {
            while corrupt.struck() == 0 {
                load.send("a").await;
                assert_eq!(load.settle().await, 0, "byte {after}");
            }
        };
        bounded(striking).await;
        // The connection that it broke must not be the next one's.
        let is_one = |emulator: &Emulator| emulator.connections().len() == 1;
        bounded(emulator.wait_until(is_one)).await;
    }
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert!(hub.recoveries() > 0, "some bytes are vital");
}

#[tokio::test]
async fn row_17_a_corrupt_byte_while_connecting_is_an_error_and_no_abort() {
    let emulator = Emulator::start().await.unwrap();
    let impatient = options().with_try_timeout(Duration::from_millis(250));
    let connection_string = emulator.connection_string_for(HUB);
    let mut errors = 0;
    // The whole of it, until the token is taken: some hundred bytes.
    for after in (0..).step_by(7) {
        let corrupt = emulator.faults().inject(Fault::corrupt(after));
        let connecting = EventHub::connect_with(&connection_string, impatient.clone());
        let connected = timeout(PROMPT, connecting).await.expect("bounded");
        match connected {
            Err(_) => errors += 1,
            Ok(hub) => {
                hub.close().await.ok();
                if corrupt.struck() == 0 {
                    break;
                }
            }
        }
    }
    assert!(errors > 20, "most bytes matter: {errors}");
    connect_with(&emulator, options()).await;
}

#[tokio::test]
async fn row_24_a_question_ends_with_its_connection() {
    let unheard = [
        Fault::ignore_attach().management(),
        Fault::lose_outcomes().management(),
        Fault::ignore_management(),
    ];
    for unheard in unheard {
        let emulator = Emulator::start().await.unwrap();
        let hub = connect_with(&emulator, options()).await;
        let unheard = emulator.faults().inject(unheard);
        let asking = hub.clone();
        let asking = tokio::spawn(async move { asking.properties().await });
        bounded(unheard.wait_for(1)).await;
        let dropped = Fault::drop_connection(When::Now).times(1);
        let dropped = emulator.faults().inject(dropped);
        let answer = timeout(PROMPT, asking).await.unwrap().unwrap();
        let error = answer.unwrap_err();
        assert_eq!(dropped.struck(), 1);
        assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
        unheard.heal();
        timeout(PROMPT, hub.properties()).await.unwrap().unwrap();
        assert_eq!(hub.recoveries(), 1);
    }
}

#[tokio::test]
async fn row_24_a_service_that_comes_back_is_found_again() {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect_with(&emulator, options()).await;
    let producer = hub.producer();
    emulator.suspend().await;
    let sent = producer.send_batch(batch(partition(0), events(["lost"])));
    let error = timeout(PROMPT, sent).await.unwrap().unwrap_err().error;
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    assert!(error.is_retryable());
    emulator.resume().await.unwrap();
    let sent = producer.send_batch(batch(partition(0), events(["kept"])));
    timeout(PROMPT, sent).await.unwrap().unwrap();
    assert_eq!(emulator.event_count(HUB), 1);
    assert_eq!(hub.recoveries(), 1);
}

#[tokio::test]
async fn row_24_a_restart_under_load_loses_nothing_and_brings_no_storm() {
    let emulator = Emulator::start().await.unwrap();
    let limit = Duration::from_millis(100);
    let options = EventHubOptions::default().with_reconnect_backoff(SOON, limit);
    let hub = connect_with(&emulator, options).await;
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(10))
        .with_max_retries(10_000)
        .with_retry_backoff(Duration::from_millis(1), Duration::from_millis(1));
    let mut load = Load::open(Arc::new(hub.producer()), options).await;
    load.send_each(&KEYS, 50).await;
    emulator.suspend().await;
    load.send_each(&KEYS, 50).await;
    // In its place somebody who counts, and hangs up.
    let listener = TcpListener::bind(emulator.address()).await.unwrap();
    let mut attempts = Vec::new();
    while attempts.len() < 14 {
        let accepted = timeout(PROMPT, listener.accept()).await;
        drop(accepted.expect("the waits are capped").unwrap());
        attempts.push(Instant::now());
    }
    drop(listener);
    emulator.resume().await.unwrap();
    assert_eq!(load.settle().await, 0);
    // Ten waits at the limit, each a random part of it: 500 ms, give or take.
    let spread = attempts[13] - attempts[3];
    assert!(
        spread > limit,
        "four partitions share the attempts: {spread:?}"
    );
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(hub.recoveries(), 1);
}

#[tokio::test]
async fn row_25_connecting_to_nobody_is_told_at_once_with_host_and_port() {
    let emulator = Emulator::start().await.unwrap();
    emulator.suspend().await;
    let connecting = EventHub::connect(&emulator.connection_string_for(HUB)).await;
    let error = connecting.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    let tried = format!("localhost:{}", emulator.address().port());
    assert!(error.to_string().contains(&tried), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn row_25_connecting_to_somebody_silent_is_bounded() {
    let emulator = Emulator::start().await.unwrap();
    let silent = emulator.faults().inject(Fault::half_open());
    let since = Instant::now();
    let options = options().with_try_timeout(Duration::from_millis(500));
    let connection_string = emulator.connection_string_for(HUB);
    let connecting = EventHub::connect_with(&connection_string, options);
    let error = timeout(PROMPT, connecting).await.unwrap().unwrap_err();
    assert_eq!(silent.struck(), 1);
    assert!(since.elapsed() >= Duration::from_millis(500));
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    let tried = format!("localhost:{}", emulator.address().port());
    assert!(error.to_string().contains(&tried), "{error}");
}
